"""The tokens of the melody stage, in closed form, and their classes as tables over ids.

    0 .. 127   PITCH, the MIDI number
    128 PAD   129 BOS   130 EOS   131 BAR   132 REST
    133 .. 140   VEL, velocity in 8 bins of 16
    141 .. 188   DUR, 1 .. 48 ticks
    189 .. 259   POS, tick 1 .. 71 of the bar

The longest duration is a class of its own, because it alone may be followed by the rest of a longer note.
"""

from __future__ import annotations

import math

import numpy as np

TEMPO_BINS, SLOWEST_BPM, FASTEST_BPM = 16, 40.0, 240.0


def tempo_bin(bpm: float) -> int:
    """The bin 0..15 of a tempo: equal ratios from 40 to 240 quarters a minute, the outer bins beyond."""
    octave = math.log(max(bpm, SLOWEST_BPM) / SLOWEST_BPM) / math.log(FASTEST_BPM / SLOWEST_BPM)
    return min(TEMPO_BINS - 1, int(TEMPO_BINS * octave))


PITCH0, PITCHES = 0, 128
PAD, BOS, EOS, BAR, REST = 128, 129, 130, 131, 132
VEL0, VELS, VEL_WIDTH = 133, 8, 16
DUR0, MAX_DURATION = 141, 48
POS0, MAX_POSITION = 189, 71
SIZE = POS0 + MAX_POSITION

(
    CLASS_PITCH,
    CLASS_PAD,
    CLASS_BOS,
    CLASS_EOS,
    CLASS_BAR,
    CLASS_REST,
    CLASS_VEL,
    CLASS_DUR,
    CLASS_DUR_MAX,
    CLASS_POS,
) = range(10)
CLASSES = 10
CLASS_NAMES = ("PITCH", "PAD", "BOS", "EOS", "BAR", "REST", "VEL", "DUR", "DUR_MAX", "POS")


_SAID_FROM = {
    CLASS_PITCH: PITCH0,
    CLASS_VEL: VEL0,
    CLASS_POS: POS0 - 1,
    CLASS_DUR: DUR0 - 1,
    CLASS_DUR_MAX: DUR0 - 1,
}


def velocity_id(velocity: int) -> int:
    """The token of a velocity 0..127."""
    return VEL0 + velocity // VEL_WIDTH


def id_velocity(token: int) -> int:
    """The velocity in the middle of a token's bin."""
    return (token - VEL0) * VEL_WIDTH + VEL_WIDTH // 2


def duration_id(ticks: int) -> int:
    """The token of a duration of 1..48 ticks."""
    return DUR0 + ticks - 1


def position_id(tick: int) -> int:
    """The token of tick 1..71 of the bar."""
    return POS0 + tick - 1


def token_name(token: int) -> str:
    """A token as people read it, such as `PITCH 60`, `DUR 12`, `BAR`."""
    kind = int(CLASS_OF[token])
    name = CLASS_NAMES[kind].removesuffix("_MAX")
    return f"{name} {token - _SAID_FROM[kind]}" if kind in _SAID_FROM else name


def _class_of() -> np.ndarray:
    table = np.empty(SIZE, np.uint8)
    table[PITCH0 : PITCH0 + PITCHES] = CLASS_PITCH
    table[[PAD, BOS, EOS, BAR, REST]] = CLASS_PAD, CLASS_BOS, CLASS_EOS, CLASS_BAR, CLASS_REST
    table[VEL0 : VEL0 + VELS] = CLASS_VEL
    table[DUR0 : DUR0 + MAX_DURATION] = CLASS_DUR
    table[DUR0 + MAX_DURATION - 1] = CLASS_DUR_MAX
    table[POS0:] = CLASS_POS
    return table


_IDS = np.arange(SIZE)
CLASS_OF = _class_of()  # uint8 [SIZE]
DURATION = np.where(_IDS < POS0, np.maximum(_IDS - DUR0 + 1, 0), 0).astype(np.int32)  # ticks, 0 where no DUR
POSITION = np.where(_IDS >= POS0, _IDS - POS0 + 1, 0).astype(np.int32)  # ticks, 0 where no POS

# What a token does to the clock (ticks since the bar began): set it where CLOCK_SET >= 0, else add CLOCK_ADD.
CLOCK_ADD = DURATION  # int32 [SIZE]
CLOCK_SET = np.where(POSITION > 0, POSITION, np.where((_IDS == BAR) | (_IDS == BOS), 0, -1)).astype(np.int32)

for _table in (CLASS_OF, DURATION, POSITION, CLOCK_SET):
    _table.setflags(write=False)
