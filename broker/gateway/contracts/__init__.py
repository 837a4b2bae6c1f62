"""What the gateway knows of contracts: who is listed, in which details, hours and price steps."""
