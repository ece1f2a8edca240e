"""Building blocks of both networks: norm, gated MLP, harmonic attention, and the stack of blocks.

A block reads its keys from one of three places, which is all that differs between training the backbone,
training the melody and sampling: from its own input, from remembered hidden states followed by its own input
(Transformer-XL), or from a cache of keys and values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.models.config import HarmonyConfig, ModelConfig
from hrpe_jax.models.hrpe_tables import PERIOD, SHUFFLED, HarmonicTables
from hrpe_jax.models.initializers import divide, lecun, matmul, ones
from hrpe_jax.ops import hrpe, rope
from hrpe_jax.ops.attention.attention import attention
from hrpe_jax.ops.attention.types import Side
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
(``tools/bench_step.py``)."""

EXPLANATION = "explanation"
"""Collection in which attention leaves its logits where a caller makes it mutable (with the reference
implementation); costs nothing otherwise. See `HarmonicAttention`."""


class Context(NamedTuple):
    """What every block needs beside its input; the same for all layers.

    Attributes:
      queries: where the new events stand.
      keys: where all keys stand.
      query_turn: RoPE at the new events.
      key_turn: RoPE at all events whose keys are computed here (memory, then the new ones).
      query_codes: lagged codes of the new events, one per relation.
      key_codes: lagged codes of all keys, one per relation.
      slot: int scalar, where new keys go in the cache; None without a cache.
    """

    queries: Side
    keys: Side
    query_turn: rope.Rotation
    key_turn: rope.Rotation
    query_codes: tuple[hrpe.Codes, ...]
    key_codes: tuple[hrpe.Codes, ...]
    slot: Any = None


class LayerMemory(NamedTuple):
    """What one layer remembers, or all layers with a leading axis: XL memory *or* cached keys and values.

    Attributes:
      hidden: inputs of the layer at remembered events, ``[batch, memory, width]``.
      keys: rotated, ``[batch, heads, capacity, head_width]``; of one row without the first axis, since XLA
        copies an array with an axis of size 1 at every update.
      values: likewise.
    """

    hidden: Any = None
    keys: Any = None
    values: Any = None


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


class HarmonicAttention(nn.Module):
    """Multi-head attention with RoPE and H-RPE.

    To those who ask for the collection `EXPLANATION` it gives the parts of its logits, float32
    ``[batch, heads, query, key]`` each: ``content`` (query times key as if they stood at one place),
    ``distance`` (what rotation changes of that: RoPE, and roots in the variant z12) and ``harmony`` (H-RPE);
    the softmax is over their sum.
    """

    config: ModelConfig
    harmony: HarmonyConfig
    categories: tuple[int, ...]

    @nn.compact
    def __call__(
        self, x: Array, past: Array | None, cached: LayerMemory, context: Context
    ) -> tuple[Array, LayerMemory]:
        """Attends from ``x [batch, length, width]``.

        Args:
          x: normed input.
          past: normed memory ``[batch, memory, width]`` or None.
          cached: keys and values so far, or an empty ``LayerMemory``.
          context: see there.

        Returns:
          The output ``[batch, length, width]`` and the cache with the new keys and values.
        """
        config = self.config
        heads, head_width = config.heads, config.head_width

        def project(name: str, source: Array) -> Array:
            kernel = self.param(
                name, lecun(config.width, "embed", "heads", "kv"), (config.width, heads, head_width)
            )
            flat = matmul(source, kernel.reshape(config.width, heads * head_width).astype(source.dtype))
            return flat.reshape(*source.shape[:2], heads, head_width).swapaxes(1, 2)

        source = x if past is None else jnp.concatenate([past, x], axis=1)
        q, k, v = project("query", x), project("key", source), project("value", source)
        plain_k = k
        turned_q, k = rope.rotate(q, context.query_turn), rope.rotate(k, context.key_turn)
        if cached.keys is not None:
            one_row = cached.keys.ndim == 3

            def put(new: Array, into: Array) -> Array:
                start = (*(0,) * (into.ndim - 2), context.slot, 0)
                new = new.astype(into.dtype)
                return jax.lax.dynamic_update_slice(into, new[0] if one_row else new, start)

            cached = LayerMemory(keys=put(k, cached.keys), values=put(v, cached.values))
            k, v = (x[None] if one_row else x for x in (cached.keys, cached.values))
        tables = HarmonicTables(self.harmony, heads, head_width, self.categories, name="tables")()
        # The query-dependent term shares the scale of the content term, so that E lives at the size of a key.
        terms = self._harmonic_terms(tables, q * head_width**-0.5, context) if tables else {}
        if self.is_mutable_collection(EXPLANATION) and cached.keys is None:
            self._explain(q, plain_k, turned_q, k, terms.get("bias"))
        # A cache is read one event at a time: no kernel is needed, and its keys are not aligned with queries.
        here = "xla" if context.slot is not None and config.attention != "reference" else config.attention
        mixed = attention(
            turned_q, k, v, context.queries, context.keys, implementation=here, start=context.slot, **terms
        )
        mixed = mixed.swapaxes(1, 2).reshape(*x.shape[:2], heads * head_width)
        out = self.param(
            "out", lecun(heads * head_width, "heads", "kv", "embed"), (heads, head_width, config.width)
        )
        return matmul(mixed, out.reshape(heads * head_width, config.width).astype(x.dtype)), cached

    def _explain(self, q: Array, k: Array, turned_q: Array, turned_k: Array, bias: Array | None) -> None:
        """Leaves the parts of the logits in `EXPLANATION`."""

        def products(a: Array, b: Array) -> Array:
            scores = jnp.einsum("bhid,bhjd->bhij", a, b, preferred_element_type=jnp.float32)
            return scores * a.shape[-1] ** -0.5

        content = products(q, k)
        parts = {"content": content, "distance": products(turned_q, turned_k) - content}
        parts["harmony"] = jnp.zeros_like(content) if bias is None else bias
        for name, part in parts.items():
            self.sow(EXPLANATION, name, part, reduce_fn=lambda _, new: new, init_fn=lambda: None)

    def _harmonic_terms(
        self, tables: tuple[tuple[hrpe.Relation, ...], ...], queries: Array, context: Context
    ) -> dict[str, Any]:
        """H-RPE as ``attention`` takes it: a dense bias for the reference, else features."""
        order = self.harmony.relations
        per_set = self.config.heads // len(tables)
        dense = self.config.attention == "reference"
        biases, groups = [], []
        for i, (lags, relations) in enumerate(zip(self.harmony.sets, tables, strict=True)):
            query_codes = [self._shuffle(context.query_codes[order.index(pair)]) for pair in lags]
            key_codes = [self._shuffle(context.key_codes[order.index(pair)]) for pair in lags]
            heads = queries[:, i * per_set : (i + 1) * per_set]
            if dense:
                biases.append(hrpe.bias(query_codes, key_codes, relations, heads))
            else:
                groups.append(hrpe.fold(query_codes, key_codes, relations, heads))
        return {"bias": jnp.concatenate(biases, axis=1)} if dense else {"features": hrpe.join(groups)}

    def _shuffle(self, codes: hrpe.Codes) -> hrpe.Codes:
        """The codes; with roots that mean nothing, for the placebo."""
        if self.harmony.variant != "placebo":
            return codes
        return codes._replace(cyclic=jnp.asarray(SHUFFLED)[codes.cyclic % PERIOD])


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
        attend = HarmonicAttention(self.config, self.harmony, self.categories, name="attention")
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
