"""Both stages' tokens as one score."""

from __future__ import annotations

from collections.abc import Iterable

from hrpe_jax.codec import backbone, melody
from hrpe_jax.score.score import Score


def decode_piece(
    backbone_ids: Iterable[int],
    melody_ids: Iterable[int],
    *,
    tempo_bpm: float = 120.0,
    id: str = "",
    title: str = "",
) -> Score:
    """The score that a backbone sequence and a melody sequence over it say. Never raises on any integers.

    Key and meter are those of the backbone, the bars (short ones too) those of the melody.
    """
    backbone_ids = list(backbone_ids)
    _, meter = backbone.prefix_of(backbone_ids)
    line = melody.decode(melody_ids, meter)
    return backbone.decode(
        backbone_ids, bar_resets=line.bar_resets, melody=line.notes, tempo_bpm=tempo_bpm, id=id, title=title
    )
