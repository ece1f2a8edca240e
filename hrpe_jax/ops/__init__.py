"""Jittable kernels on arrays: rotary positions, harmonic relations, attention, losses. No parameters."""
