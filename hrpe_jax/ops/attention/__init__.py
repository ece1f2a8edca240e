"""Attention in four implementations that agree, with optional harmonic terms."""
