"""What takes orders off the book without the trader: the session it uses, and the guard that watches the trader."""
