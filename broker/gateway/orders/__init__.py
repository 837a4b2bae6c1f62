"""The gateway's orders: from placeOrder to the last commission report, for every client, over restarts."""
