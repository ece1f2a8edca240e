"""The Score value types, and every reader and writer of them."""
