"""One sharded trainer for every task."""
