"""What the gateway knows of the market: lines, ticks, depth, bars and history, as TWS serves them."""
