"""Songs from files of every kind: what a file says is read, what it does not say is found by analysis."""
