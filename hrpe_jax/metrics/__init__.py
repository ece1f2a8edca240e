"""Measures of pieces, with controls, distances between sets of pieces, and intervals."""
