"""Records, shards, corpora, and the batches that training reads."""
