"""ABC 2.1: tune books in, lead sheets out."""
