"""Which backbone token may follow: BOS KEY METER event... EOS PAD..., and two rules on events.

The same harmony may follow itself only after a full 8-beat event (else the two would be one), and where the
length of the piece is given, an event may not be longer than what is left and EOS comes exactly when nothing
is. Neither rule can run into a dead end: another harmony for one beat always fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from hrpe_jax.codec.backbone_tokens import (
    BEATS,
    EOS,
    HARMONY,
    KIND,
    KIND_BOS,
    KIND_EOS,
    KIND_EVENT,
    KIND_KEY,
    KIND_METER,
    KIND_PAD,
    KINDS,
    MAX_BEATS,
    SIZE,
    VALID,
)


def _class_follows() -> np.ndarray:
    table = np.zeros((KINDS, KINDS), bool)
    for before, after in (
        (KIND_BOS, KIND_KEY),
        (KIND_KEY, KIND_METER),
        (KIND_METER, KIND_EVENT),
        (KIND_EVENT, KIND_EVENT),
        (KIND_EVENT, KIND_EOS),
        (KIND_EOS, KIND_PAD),
        (KIND_PAD, KIND_PAD),
    ):
        table[before, after] = True
    table.setflags(write=False)
    return table


CLASS_FOLLOWS = _class_follows()  # bool [KINDS, KINDS]: kind before, kind after


def backbone_mask(previous: Any, beats_left: Any = None, beats_to_bar: Any = None, xp: Any = np) -> Any:
    """Which token may follow: bool [..., SIZE].

    Args:
        previous: int [...], the token before.
        beats_left: int [...], beats until the piece must end; None leaves the length open.
        beats_to_bar: int [...], beats until the next bar line, 0 on one; with it EOS is allowed on bar lines
            only. None leaves that open too.
        xp: numpy, or jax.numpy inside jit.
    """
    kind, beats, harmony, valid = (xp.asarray(table) for table in (KIND, BEATS, HARMONY, VALID))
    previous = xp.asarray(previous)[..., None]
    follows = xp.asarray(CLASS_FOLLOWS)[kind[previous], kind] & (valid | (kind == KIND_PAD))
    one_harmony = (harmony[previous] == harmony) & (beats[previous] < MAX_BEATS) & (beats > 0)
    allowed = follows & ~one_harmony
    if beats_left is not None:
        left = xp.asarray(beats_left)[..., None]
        allowed = allowed & xp.where(kind == KIND_EOS, left <= 0, beats <= left)
    if beats_to_bar is not None:
        allowed = allowed & ((kind != KIND_EOS) | (xp.asarray(beats_to_bar)[..., None] == 0))
    return allowed


def accepts_backbone(ids: Iterable[int], *, beats: int | None = None) -> str | None:
    """None where the grammar allows the whole sequence, else its first violation in words.

    Args:
        ids: tokens.
        beats: how long the piece must be; None for any length.
    """
    previous, total, finished = -1, 0, False
    for place, token in enumerate(map(int, ids)):
        if not 0 <= token < SIZE:
            return f"event {place}: {token} is no backbone token (0 to {SIZE - 1})"
        kind = int(KIND[token])
        if previous < 0:
            if kind != KIND_BOS:
                return f"event {place}: token {token} where BOS was expected"
        elif not CLASS_FOLLOWS[KIND[previous], kind]:
            return f"event {place}: token {token} may not follow token {previous}"
        elif not VALID[token] and kind != KIND_PAD:
            return f"event {place}: token {token} names a meter or an inversion that there is none of"
        elif kind == KIND_EVENT and HARMONY[token] == HARMONY[previous] and BEATS[previous] < MAX_BEATS:
            return f"event {place}: token {token} repeats the harmony before it, which had room for it"
        total += int(BEATS[token])
        if beats is not None and (total > beats or (token == EOS and total < beats)):
            return f"event {place}: token {token} makes {total} beats where {beats} were asked for"
        finished = finished or token == EOS
        previous = token
    return None if finished else "the chords end without EOS"
