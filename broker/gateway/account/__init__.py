"""The gateway's account pages: values, positions, summaries and profit of one paper account."""
