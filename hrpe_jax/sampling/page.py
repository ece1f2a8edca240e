"""The page of a run, with what the model says of its chords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.formats.page import Choice, PagePiece, build_page
from hrpe_jax.sampling.output_options import LABELS, MAX_ON_PAGE, Outputs

if TYPE_CHECKING:
    from hrpe_jax.sampling.explain import ChordChoice
    from hrpe_jax.sampling.piece import Piece


def page_of(pieces: Sequence[Piece], wanted: Outputs, choices: Sequence[Sequence[ChordChoice]] = ()) -> str:
    """The page as HTML text, of the first `MAX_ON_PAGE` pieces; `choices` as for `write_pieces`."""
    count = len(pieces)
    pieces = pieces[:MAX_ON_PAGE]
    told: list[Sequence[ChordChoice]] = list(choices) or [()] * len(pieces)
    shown = [
        PagePiece(
            piece.score,
            tuple(
                (LABELS.get(suffix, suffix.upper()), f"{piece.score.id}.{suffix}")
                for suffix in wanted.suffixes
                if suffix != "mid"  # is in the page
            ),
            tuple(_choices(piece, about)),
            _about(piece),
        )
        for piece, about in zip(pieces, told, strict=True)
    ]
    title = f"{count} piece{'' if count == 1 else 's'} by hrpe_jax"
    return build_page(shown, title, wanted.programs, count - len(pieces))


def _choices(piece: Piece, about: Sequence[ChordChoice]) -> list[Choice]:
    """The explained events with their ticks."""
    if not about:
        return []
    events = np.array([t for t in piece.backbone_ids if tokens.KIND[t] == tokens.KIND_EVENT])[: len(about)]
    beats = np.cumsum(tokens.BEATS[events], dtype=np.int64) - tokens.BEATS[events]
    ticks = beats * piece.score.meter.beat_ticks
    return [
        Choice(
            int(tick),
            tokens.id_chord(int(token)),
            choice.probability,
            choice.alternatives,
            tuple(
                (at.event, at.weight, at.content, at.distance, at.harmony, at.layer, at.head)
                for at in choice.links
            ),
        )
        for token, tick, choice in zip(events, ticks, about, strict=True)
    ]


def _about(piece: Piece) -> dict[str, str]:
    """The settings that say something, as words."""
    facts = {f"{stage}, nats per event": f"{nats:.3f}" for stage, nats in piece.nats.items()}
    for name, value in piece.settings.items():
        if value not in (None, "", False, [], ()):
            facts[name.replace("_", " ")] = _words(value)
    return facts


def _words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(inside)}" for name, inside in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value))
    return "yes" if value is True else str(value)
