"""Sampling: grammar-masked decoding of both stages in jitted loops."""
