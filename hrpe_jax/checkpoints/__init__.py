"""Saving and loading: training checkpoints with digests, workdirs, and released models."""
