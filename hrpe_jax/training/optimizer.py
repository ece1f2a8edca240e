"""AdamW (Loshchilov and Hutter, 2019) with global-norm clipping, linear warm-up and cosine decay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from hrpe_jax.config import OptimizerConfig

NO_DECAY = ("norm", "scale", "bias", "lag_")
"""A parameter with one of these in its path is not decayed. Norms and biases: decay would only fight the
loss for scale. Harmonic tables (lag_A_B_...): they start at zero, and zero is the plain RoPE model, not a
prior we hold."""


def decay_mask(params: Any) -> Any:
    """A tree like ``params`` of bools: whether weight decay applies."""

    def decays(path: tuple[Any, ...], _: Any) -> bool:
        name = jax.tree_util.keystr(path).lower()
        return not any(word in name for word in NO_DECAY)

    return jax.tree_util.tree_map_with_path(decays, params)


def learning_rate(config: OptimizerConfig, steps: int) -> Callable[[Any], jax.Array]:
    """The learning rate by step.

    Args:
      config: peak, warm-up, shape and final fraction.
      steps: of the whole training; "cosine" reaches its final fraction there.

    Returns:
      A function of the 0-based step. The first step is not wasted: warm-up begins at peak / warmup_steps.
    """

    def rate(step: Any) -> jax.Array:
        step = jnp.asarray(step, jnp.float32)
        warm = jnp.minimum((step + 1) / max(config.warmup_steps, 1), 1.0)
        if config.schedule == "constant":
            return config.learning_rate * warm
        done = (step - config.warmup_steps) / max(steps - config.warmup_steps, 1)
        cosine = 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(done, 0.0, 1.0)))
        return config.learning_rate * warm * (config.final_fraction + (1 - config.final_fraction) * cosine)

    return rate


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """The optimizer of a config, for a training of ``steps`` steps."""
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()
    adamw = optax.adamw(
        learning_rate(config, steps),
        b1=config.b1,
        b2=config.b2,
        eps=config.eps,
        weight_decay=config.weight_decay,
        mask=decay_mask,
    )
    return optax.chain(clip, adamw)
