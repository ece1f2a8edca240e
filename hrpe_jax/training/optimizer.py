"""AdamW (Loshchilov and Hutter, 2019) with global-norm clipping and a schedule; the average of parameters.

Schedules begin with a linear warm-up. "wsd" is warm-up, stable, decay (Hu et al., MiniCPM, 2024): as the rate
does not depend on the number of steps until it decays, a training can be made longer from a checkpoint before
that. It decays as 1 - sqrt of the way, the better form in Haegele et al. (2024).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from hrpe_jax.config import OptimizerConfig


def decay_mask(params: Any, no_decay: Sequence[str] = OptimizerConfig.no_decay) -> Any:
    """Whether weight decay applies, a tree like ``params``: not where a path has one of the words."""

    def decays(path: tuple[Any, ...], _: Any) -> bool:
        name = jax.tree_util.keystr(path).lower()
        return not any(word in name for word in no_decay)

    return jax.tree_util.tree_map_with_path(decays, params)


def learning_rate(config: OptimizerConfig, steps: int) -> Callable[[Any], jax.Array]:
    """The learning rate by step.

    Args:
      config: peak, warm-up, shape and final fraction.
      steps: of the whole training; "cosine" and "wsd" reach their final fraction there.

    Returns:
      A function of the 0-based step. The first step is not wasted: warm-up begins at peak / warmup_steps.
    """

    def rate(step: Any) -> jax.Array:
        step = jnp.asarray(step, jnp.float32)
        warm = jnp.minimum((step + 1) / max(config.warmup_steps, 1), 1.0)
        if config.schedule == "constant":
            return config.learning_rate * warm
        decay = (
            round(config.decay_fraction * steps) if config.schedule == "wsd" else steps - config.warmup_steps
        )
        done = jnp.clip((step - (steps - decay)) / max(decay, 1), 0.0, 1.0)
        left = 1 - jnp.sqrt(done) if config.schedule == "wsd" else 0.5 * (1 + jnp.cos(jnp.pi * done))
        return config.learning_rate * warm * (config.final_fraction + (1 - config.final_fraction) * left)

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
        mask=partial(decay_mask, no_decay=config.no_decay),
    )
    return optax.chain(clip, adamw)


def average(ema: Any, params: Any, step: jax.Array, decay: float) -> Any:
    """The exponential moving average of the parameters after a step.

    Args:
      ema: the average before it.
      params: the parameters after it.
      step: 0-based number of the step.
      decay: at most. Early averages forget faster, (1 + step) / (10 + step), so that they do not hold on to
        the parameters that were drawn at the beginning.
    """
    step = step.astype(jnp.float32)
    kept = jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(lambda old, new: old + (1 - kept) * (new - old), ema, params)
