"""Jittable kernels on arrays: rotary positions, harmonic relations, attention, losses. JAX only, no parameters."""
