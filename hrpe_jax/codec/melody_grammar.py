"""Which melody token may follow: a small automaton over token classes, and a clock.

Everything is a table, so that a sampler gathers inside jit what `accepts_melody` walks through in Python:

    state = NEXT_STATE[state, CLASS_OF[token]]
    clock = where(CLOCK_SET[token] >= 0, CLOCK_SET[token], clock + CLOCK_ADD[token])
    allowed = melody_mask(bar_ticks, short_bars)[state, clock]              # bool [SIZE]

starting from STATE_START and clock 0, before BOS. Where BAR or EOS comes from STATE_REST the bar that ends
was full, elsewhere it was as long as the clock says (see `bar_length`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

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
from hrpe_jax.theory.meter import Meter

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
    """State and clock after a token; integers or arrays of one shape, `xp` numpy or jax.numpy."""
    following = xp.asarray(NEXT_STATE)[state, xp.asarray(CLASS_OF)[token]]
    set_to = xp.asarray(CLOCK_SET)[token]
    return following, xp.where(set_to >= 0, set_to, clock + xp.asarray(CLOCK_ADD)[token])


def bar_length(state: Any, clock: Any, bar_ticks: Any, xp: Any = np) -> Any:
    """Ticks of the bar that a BAR or EOS ends, given state and clock before it; 0 before the first bar."""
    return xp.where(state == STATE_BOS, 0, xp.where(state == STATE_REST, bar_ticks, clock))


def accepts_melody(ids: Iterable[int], meter: Meter, *, short_bars: bool = True) -> str | None:
    """None where the grammar allows the whole sequence, else its first violation in words."""
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
