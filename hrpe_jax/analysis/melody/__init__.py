"""The melody of a file of many tracks: which track it is, and one line from its notes."""
