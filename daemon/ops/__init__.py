"""The ops process: how the trader is, told to machines. It gives no command by HTTP and is never waited for."""
