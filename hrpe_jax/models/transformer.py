"""Building blocks of both networks: norm, gated MLP, the block with its attention, and the stack of blocks.

A block reads its keys from one of three places, which is all that differs between training the backbone,
training the melody and sampling: from its own input, from remembered hidden states followed by its own input
(Transformer-XL), or from a cache of keys and values.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.models.config import HarmonyConfig, ModelConfig
from hrpe_jax.models.harmonic_attention import EXPLANATION, AttentionLayer, Context, LayerMemory
from hrpe_jax.models.initializers import divide, lecun, matmul, ones
from hrpe_jax.ops.pointwise import rms_norm, swiglu, target

REMAT_POLICIES: dict[str, Any] = {
    "full": jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.dots_saveable,
    "dots_no_batch": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}
"""What the backward pass finds kept; see ``ModelConfig.remat``."""

UNROLLED = 12
"""Up to so many scanned layers a CPU runs one by one: a scan copies what the backward pass needs of each into
one array and out of it again, a tenth of a training step, and so few compile nearly as fast without it
(``tools/bench/step.py``)."""


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in float32."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Norms the last axis."""
        scale: Any = self.param("scale", ones("embed"), (x.shape[-1],))
        return rms_norm(x.astype(jnp.float32), scale).astype(self.dtype)


class GatedMLP(nn.Module):
    """Gated MLP with SiLU."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """``[batch, length, width]`` to the same."""
        width, hidden = self.config.width, self.config.mlp_width
        gate = self.param("gate", lecun(width, "embed", "mlp"), (width, hidden)).astype(x.dtype)
        up = self.param("up", lecun(width, "embed", "mlp"), (width, hidden)).astype(x.dtype)
        down = self.param("down", lecun(hidden, "mlp", "embed"), (hidden, width)).astype(x.dtype)
        return matmul(swiglu(matmul(x, gate), matmul(x, up)), down)


class Block(nn.Module):
    """Pre-norm attention and MLP with residual connections."""

    config: ModelConfig
    harmony: HarmonyConfig
    categories: tuple[int, ...]
    train: bool = False

    @nn.compact
    def __call__(self, x: Array, past: LayerMemory, context: Context) -> tuple[Array, LayerMemory]:
        """One layer.

        Returns:
          The output, and what to remember: the layer's input as ``hidden``, or the grown cache.
        """
        x = divide(x, "data")
        dtype = x.dtype
        dropout = nn.Dropout(self.config.dropout, deterministic=not self.train)
        norm = RMSNorm(dtype, name="attention_norm")
        memory = None if past.hidden is None else norm(past.hidden)
        attend = AttentionLayer(self.config, self.harmony, self.categories, name="attention")
        mixed, cached = attend(norm(x), memory, past, context)
        out = x + dropout(mixed)
        out = out + dropout(GatedMLP(self.config, name="mlp")(RMSNorm(dtype, name="mlp_norm")(out)))
        return out, cached if past.keys is not None else LayerMemory(hidden=x)


class Stack(nn.Module):
    """All blocks and the last norm. Parameters of scanned layers have a leading axis "layers"."""

    config: ModelConfig
    harmony: HarmonyConfig
    categories: tuple[int, ...]

    @nn.compact
    def __call__(self, x: Array, past: Any, context: Context, train: bool) -> tuple[Array, Any]:
        """Runs the layers.

        Args:
          x: ``[batch, length, width]``.
          past: with a leading axis of layers; an empty ``LayerMemory`` for none. Without ``scan_layers`` it
              may be a list with one ``LayerMemory`` for each layer: a cache that is written where it lies,
              not copied.
          context: see there.
          train: whether dropout is on.

        Returns:
          Normed output ``[batch, length, width]`` and what each layer remembers, in the form of ``past``.
        """
        block = Block
        if self.config.remat != "none":
            policy = REMAT_POLICIES[self.config.remat]
            block = nn.remat(Block, prevent_cse=not self.config.scan_layers, policy=policy)
        arguments = (self.config, self.harmony, self.categories, train)
        remembered: Any
        if self.config.scan_layers and self._one_by_one():
            x, remembered = self._each_layer(Block(*arguments, parent=None), x, past, context, train)
        elif self.config.scan_layers:
            scanned = nn.scan(
                block,
                variable_axes={"params": 0, EXPLANATION: 0},
                split_rngs={"params": True, "dropout": True},
                in_axes=(0, nn.broadcast),
                length=self.config.layers,
                metadata_params={nn.PARTITION_NAME: "layers"},
            )
            x, remembered = scanned(*arguments, name="blocks")(x, past, context)
        else:
            kept = []
            for i in range(self.config.layers):
                layer = past[i] if isinstance(past, list) else jax.tree.map(lambda leaf, i=i: leaf[i], past)
                x, kept_here = block(*arguments, name=f"block_{i}")(x, layer, context)
                kept.append(kept_here)
            remembered = kept
            if not isinstance(past, list):
                remembered = jax.tree.map(lambda *leaves: jnp.stack(leaves), *kept)
        return RMSNorm(x.dtype, name="final_norm")(divide(x, "data")), remembered

    def _one_by_one(self) -> bool:
        """Whether the layers of a scan are run without it, from the same parameters."""
        return (
            target() == "cpu"
            and self.config.layers <= UNROLLED
            and self.config.remat == "none"
            and not self.is_initializing()
            and not self.is_mutable_collection(EXPLANATION)
        )

    def _each_layer(
        self, block: Block, x: Array, past: LayerMemory, context: Context, train: bool
    ) -> tuple[Array, LayerMemory]:
        """What the scan over the layers computes (with other draws of the dropout)."""
        layers = self.config.layers
        leaves, tree = jax.tree.flatten((nn.unbox(self.get_variable("params", "blocks")), past))
        # Split, not indexed one by one: the gradient is then one array, not a sum of arrays of zeros.
        parts = [jax.lax.split(leaf, (1,) * layers) for leaf in leaves]
        key = self.make_rng("dropout") if train and self.config.dropout else None
        kept = []
        for i in range(layers):
            params, layer = jax.tree.unflatten(tree, [part[i][0] for part in parts])
            rngs = {} if key is None else {"dropout": jax.random.fold_in(key, i)}
            x, kept_here = block.apply({"params": params}, x, layer, context, rngs=rngs)
            kept.append(kept_here)
        return x, jax.tree.map(lambda *leaves: jnp.stack(leaves), *kept)
