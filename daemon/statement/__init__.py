"""The broker's statement against the books: read it, compare line by line, say what a correction would be."""
