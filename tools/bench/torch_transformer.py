"""The Transformer of ``step.py torch`` in PyTorch: the yardstick, written as PyTorch's users write it.

RMSNorm, RoPE, ``scaled_dot_product_attention``, gated MLP with SiLU, tied output, AdamW with clipping by
norm: the same arithmetic as the project's blocks with plain RoPE.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError:
    raise SystemExit("this comparison needs PyTorch: pip install torch") from None


class Block(nn.Module):
    """Pre-norm attention and gated MLP."""

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mlp_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, mlp_width, bias=False)
        self.up = nn.Linear(width, mlp_width, bias=False)
        self.down = nn.Linear(mlp_width, width, bias=False)

    def forward(self, x: Any, cos: Any, sin: Any) -> Any:
        """One layer."""
        batch, length, width = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, length, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(_rotate(q, cos, sin), _rotate(k, cos, sin), v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        y = self.mlp_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Transformer(nn.Module):
    """Embedding, blocks, norm, the embedding again."""

    def __init__(
        self, vocabulary: int, width: int, layers: int, heads: int, mlp_width: int, length: int
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, heads, mlp_width) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        half = width // heads // 2
        angles = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, ids: Any) -> Any:
        """Mean log loss of the next id."""
        x = self.embedding(ids[:, :-1]) * self.embedding.embedding_dim**0.5
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


def _rotate(x: Any, cos: Any, sin: Any) -> Any:
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def make_step(
    ids: np.ndarray,
    vocabulary: int,
    width: int,
    layers: int,
    heads: int,
    mlp_width: int,
    compiled: bool,
    one: bool = False,
) -> Callable[[], None]:
    """One training step on ``ids [rows, length + 1]``, again and again; ``one`` for a single thread."""
    if one:
        torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Transformer(vocabulary, width, layers, heads, mlp_width, ids.shape[1] - 1)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    loss: Any = torch.compile(model) if compiled else model
    batch = torch.as_tensor(ids)

    def run() -> None:
        optimizer.zero_grad()
        loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return run
