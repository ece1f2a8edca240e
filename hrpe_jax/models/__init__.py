"""The two networks as flax.linen modules."""
