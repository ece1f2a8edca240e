"""The vocabularies as a whole: which token may follow, and version and hash, stored with all token ids.

The hash covers what ids mean (every table, the quality names and their notes), so that shards, checkpoints
and weights made under other meanings are told apart even where nobody thought of raising the version.

The backbone: BOS KEY METER event... EOS PAD..., and two rules on events. The same harmony may follow itself
only after a full 8-beat event (else the two would be one). Where the length of the piece is given, an event
may not be longer than what is left, and EOS comes exactly when nothing is. Neither rule can run into a dead
end: another harmony for one beat always fits.

The melody: a small automaton over token classes, and a clock. Everything is a table, so that a sampler
gathers inside jit what `accepts_melody` walks through in Python:

    state = NEXT_STATE[state, CLASS_OF[token]]
    clock = where(CLOCK_SET[token] >= 0, CLOCK_SET[token], clock + CLOCK_ADD[token])
    allowed = melody_mask(bar_ticks, short_bars)[state, clock]              # bool [SIZE]

starting from STATE_START and clock 0, before BOS. Where BAR or EOS comes from STATE_REST the bar that ends
was full, elsewhere it was as long as the clock says (see `bar_length`).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from hrpe_jax.codec import backbone_tokens, melody_tokens
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
    VALID,
)
from hrpe_jax.codec.backbone_tokens import SIZE as BACKBONE_SIZE
from hrpe_jax.codec.melody_tokens import (
    CLASS_BAR,
    CLASS_BOS,
    CLASS_DUR,
    CLASS_DUR_MAX,
    CLASS_EOS,
    CLASS_OF,
    CLASS_PAD,
    CLASS_PITCH,
    CLASS_POS,
    CLASS_REST,
    CLASS_VEL,
    CLASSES,
    CLOCK_ADD,
    CLOCK_SET,
    DURATION,
    POSITION,
    SIZE,
    token_name,
)
from hrpe_jax.theory.chord import CHORD_TONES, QUALITIES
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, Meter

(
    STATE_START,  # nothing yet: BOS
    STATE_BOS,  # the first bar must begin
    STATE_BAR_TIE,  # a bar began behind a note that reached its line, which may be tied over
    STATE_BAR,  # a bar began, nothing to tie
    STATE_VEL_TIE,  # the same two after VEL
    STATE_VEL,
    STATE_PITCH,  # a duration must follow
    STATE_DUR_MAX,  # a part of 48 ticks, which may go on
    STATE_DUR,  # a note or part ended where the clock stands
    STATE_REST,  # silence begins: until a position, or to the full bar's end
    STATE_POS,  # silence ended: a note, or the end of a short bar
    STATE_END,  # EOS was said: only padding follows
) = range(12)
STATES = 12


def _next_state() -> np.ndarray:
    """What leads where; every pair that is never allowed leads to STATE_END."""
    table = np.full((STATES, CLASSES), STATE_END, np.int32)
    table[STATE_START, CLASS_BOS] = STATE_BOS
    table[STATE_BOS, CLASS_BAR] = STATE_BAR
    for state in (STATE_BAR_TIE, STATE_BAR, STATE_VEL_TIE, STATE_VEL, STATE_DUR_MAX, STATE_DUR):
        table[state, CLASS_PITCH] = STATE_PITCH
        table[state, CLASS_REST] = STATE_REST
    table[STATE_BAR_TIE, CLASS_VEL] = STATE_VEL_TIE
    table[STATE_BAR, CLASS_VEL] = STATE_VEL
    for state in (STATE_BAR_TIE, STATE_VEL_TIE, STATE_PITCH):
        table[state, CLASS_DUR] = STATE_DUR
        table[state, CLASS_DUR_MAX] = STATE_DUR_MAX
    table[STATE_DUR_MAX, CLASS_DUR] = STATE_DUR
    for state in (STATE_DUR, STATE_DUR_MAX):
        table[state, CLASS_BAR] = STATE_BAR_TIE
    table[STATE_REST, CLASS_POS] = STATE_POS
    table[STATE_POS, CLASS_PITCH] = STATE_PITCH
    for state in (STATE_REST, STATE_POS):
        table[state, CLASS_BAR] = STATE_BAR
    table.setflags(write=False)
    return table


NEXT_STATE = _next_state()  # int32 [STATES, CLASSES]


@functools.cache
def melody_mask(bar_ticks: int, short_bars: bool = False) -> np.ndarray:
    """Which token may follow in each state at each clock: bool [STATES, bar_ticks + 1, SIZE].

    No allowed token leads into a dead end, so sampling from the mask always gives full bars (or, with
    `short_bars`, bars of at most `bar_ticks`).

    Args:
        bar_ticks: length of a full bar, 1..72.
        short_bars: whether a bar may end early, as real songs' bars do.
    """
    clock = np.arange(bar_ticks + 1)[:, None]
    left, kind = bar_ticks - clock, CLASS_OF[None]
    mask = np.zeros((STATES, bar_ticks + 1, SIZE), bool)
    open_bar = left > 0
    fits = (DURATION[None] > 0) & (left >= DURATION[None])
    pitch, rest = (kind == CLASS_PITCH) & open_bar, (kind == CLASS_REST) & open_bar
    velocity = (kind == CLASS_VEL) & (clock == 0)
    later = (kind == CLASS_POS) & (POSITION[None] > clock) & (POSITION[None] < bar_ticks)
    ends = (kind == CLASS_BAR) | (kind == CLASS_EOS)
    may_end = ends & (~open_bar | (short_bars & (clock > 0)))
    mask[STATE_START] = kind == CLASS_BOS
    mask[STATE_BOS] = kind == CLASS_BAR
    mask[STATE_BAR_TIE] = pitch | fits | rest | velocity
    mask[STATE_BAR] = pitch | rest | velocity
    mask[STATE_VEL_TIE] = pitch | fits | rest
    mask[STATE_VEL] = pitch | rest
    mask[STATE_PITCH] = fits
    mask[STATE_DUR_MAX] = pitch | rest | may_end | (fits & (kind == CLASS_DUR))
    mask[STATE_DUR] = pitch | rest | may_end
    mask[STATE_REST] = later | (ends & open_bar)
    mask[STATE_POS] = pitch | may_end
    mask[STATE_END] = kind == CLASS_PAD
    mask.setflags(write=False)
    return mask


def advance(state: Any, clock: Any, token: Any, xp: Any = np) -> tuple[Any, Any]:
    """State and clock after a token; integers or arrays of one shape, `xp` numpy or jax.numpy.

    Args:
        state: of the grammar.
        clock: ticks in the bar, or units of the grammar's clock.
        token: melody id.
        xp: numpy or jax.numpy.

    Returns:
        The new state and clock, of the same shape.
    """
    following = xp.asarray(NEXT_STATE)[state, xp.asarray(CLASS_OF)[token]]
    set_to = xp.asarray(CLOCK_SET)[token]
    return following, xp.where(set_to >= 0, set_to, clock + xp.asarray(CLOCK_ADD)[token])


def bar_length(state: Any, clock: Any, bar_ticks: Any, xp: Any = np) -> Any:
    """Ticks of the bar that a BAR or EOS ends, given state and clock before it; 0 before the first bar.

    Args:
        state: of the grammar before the token.
        clock: before the token, in ticks.
        bar_ticks: of a full bar.
        xp: numpy or jax.numpy.
    """
    return xp.where(state == STATE_BOS, 0, xp.where(state == STATE_REST, bar_ticks, clock))


def accepts_melody(ids: Iterable[int], meter: Meter, *, short_bars: bool = True) -> str | None:
    """None where the grammar allows the whole sequence, else its first violation in words.

    Args:
        ids: melody tokens, BOS to EOS.
        meter: of the piece.
        short_bars: whether bars may end early.
    """
    mask, state, clock, count = melody_mask(meter.bar_ticks, short_bars), STATE_START, 0, 0
    for place, token in enumerate(map(int, ids)):
        if not 0 <= token < SIZE:
            return f"event {place}: {token} is no melody token (0 to {SIZE - 1})"
        if not mask[state, clock, token]:
            return f"event {place}: {token_name(token)} may not come at tick {clock} of a {meter} bar here"
        state = int(NEXT_STATE[state, CLASS_OF[token]])
        clock = int(CLOCK_SET[token]) if CLOCK_SET[token] >= 0 else clock + int(CLOCK_ADD[token])
        count = place + 1
    return None if state == STATE_END else f"event {count}: the melody ends without EOS"


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
    """Which backbone token may follow: bool [..., BACKBONE_SIZE].

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
        if not 0 <= token < BACKBONE_SIZE:
            return f"event {place}: {token} is no backbone token (0 to {BACKBONE_SIZE - 1})"
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


__all__ = [
    "CLASS_FOLLOWS",
    "CLASS_OF",
    "CLOCK_ADD",
    "CLOCK_SET",
    "NEXT_STATE",
    "STATES",
    "STATE_BAR",
    "STATE_BAR_TIE",
    "STATE_END",
    "STATE_START",
    "STATE_VEL",
    "STATE_VEL_TIE",
    "accepts_backbone",
    "accepts_melody",
    "advance",
    "backbone_mask",
    "bar_length",
    "melody_mask",
]


VERSION = 1
STAGES = ("backbone", "melody")
SIZES = {"backbone": backbone_tokens.SIZE, "melody": melody_tokens.SIZE}


@functools.cache
def vocabulary_hash(stage: str) -> str:
    """16 hexadecimal digits that change when the meaning of a stage's records does.

    Args:
        stage: "backbone" or "melody". The melody's includes the backbone's, since its records hold chord ids.

    Raises:
        ValueError: on another stage.
    """
    if stage not in STAGES:
        raise ValueError(f"stage {stage!r}: expected one of {', '.join(STAGES)}")
    digest = hashlib.sha256(f"{stage} {VERSION} {TICKS_PER_QUARTER}\n".encode())
    if stage == "melody":
        digest.update(vocabulary_hash("backbone").encode())
        tables = [melody_tokens.CLASS_OF, melody_tokens.DURATION, melody_tokens.POSITION, NEXT_STATE]
    else:
        t = backbone_tokens
        digest.update("\n".join(f"{quality} {CHORD_TONES[quality]}" for quality in QUALITIES).encode())
        tables = [
            t.KIND,
            t.ROOT,
            t.QUALITY,
            t.INVERSION,
            t.BEATS,
            t.QUALITY_CODE,
            t.VALID,
            t.function_table(),
        ]
    for table in tables:
        digest.update(np.ascontiguousarray(table, "<i4").tobytes())
    return digest.hexdigest()[:16]


def vocabulary_hashes() -> dict[str, str]:
    """The hash of every stage."""
    return {stage: vocabulary_hash(stage) for stage in STAGES}
