"""The tokens of the backbone stage, in closed form, and what each of them means as tables over ids.

    0 PAD   1 BOS   2 EOS
    3 ..  26   key: tonic + 12 for minor
    27 ..  98   meter: 4 * (numerator - 1) + index of the denominator in (2, 4, 8, 16)
    99 .. 106   no chord for 1..8 beats
    107 ..       chord change: ((root * 32 + quality) * 4 + inversion) * 8 + (beats - 1)

Nothing is fitted, so the vocabulary is the same for every data set. A harmony that lasts longer than
`MAX_BEATS` is said as full 8-beat events and a remainder.
"""

from __future__ import annotations

import functools

import numpy as np

from hrpe_jax.theory.chord import CHORD_TONES, QUALITIES, Chord, coarse_quality
from hrpe_jax.theory.function import function_code
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

PAD, BOS, EOS = 0, 1, 2
KEY0, KEYS = 3, 24
METER0, METERS = 27, 72
NO_CHORD0 = 99
CHORD0 = 107
MAX_BEATS = 8
MAX_BEATS_PER_BAR = 18  # of any meter
INVERSIONS = 4
SIZE = CHORD0 + 12 * len(QUALITIES) * INVERSIONS * MAX_BEATS

DENOMINATORS = (2, 4, 8, 16)
NO_ROOT = 0  # the root code where no chord sounds: it is meaningless there
NO_QUALITY = len(QUALITIES)  # the fine quality where no chord sounds
NO_QUALITY_CODE = 9
NO_FUNCTION_CODE = 10

KIND_PAD, KIND_BOS, KIND_EOS, KIND_KEY, KIND_METER, KIND_EVENT = range(6)
KINDS = 6
PREFIX_LENGTH = 3  # BOS KEY METER


def key_id(key: Key) -> int:
    """The token of a key."""
    return KEY0 + key.index


def meter_id(meter: Meter) -> int:
    """The token of a meter with numerator 1..18 over 2, 4, 8 or 16."""
    return METER0 + 4 * (meter.numerator - 1) + DENOMINATORS.index(meter.denominator)


def id_meter(token: int) -> Meter:
    """The meter that a meter token names."""
    numerator, denominator = divmod(token - METER0, 4)
    return Meter(numerator + 1, DENOMINATORS[denominator])


def chord_id(chord: Chord | None, beats: int = 1) -> int:
    """The token of a chord (None or `Chord.NONE` for no chord) that lasts `beats`, 1..8."""
    if chord is None or chord.is_none:
        return NO_CHORD0 + beats - 1
    quality = QUALITIES.index(chord.quality)
    code = (chord.root * len(QUALITIES) + quality) * INVERSIONS + chord.inversion
    return CHORD0 + code * MAX_BEATS + beats - 1


def id_chord(token: int) -> Chord:
    """The chord that an event token names; an inversion it has no tone for is its root position."""
    if token < CHORD0:
        return Chord.NONE
    rest = (token - CHORD0) // MAX_BEATS
    rest, inversion = divmod(rest, INVERSIONS)
    root, index = divmod(rest, len(QUALITIES))
    tones = CHORD_TONES[QUALITIES[index]]
    bass = (root + tones[inversion]) % 12 if 0 < inversion < len(tones) else root
    return Chord(root, QUALITIES[index], bass)


def _tables() -> dict[str, np.ndarray]:
    ids = np.arange(SIZE)
    kind = np.full(SIZE, KIND_EVENT, np.uint8)
    kind[[PAD, BOS, EOS]] = KIND_PAD, KIND_BOS, KIND_EOS
    kind[KEY0:METER0] = KIND_KEY
    kind[METER0:NO_CHORD0] = KIND_METER
    is_event, is_chord = ids >= NO_CHORD0, ids >= CHORD0
    code = np.where(is_chord, ids - CHORD0, 0) // MAX_BEATS
    root, rest = np.divmod(code, len(QUALITIES) * INVERSIONS)
    fine, inversion = np.divmod(rest, INVERSIONS)
    beats = np.where(is_chord, (ids - CHORD0) % MAX_BEATS, ids - NO_CHORD0) + 1
    coarse = np.array([coarse_quality(quality) for quality in QUALITIES])
    tones = np.array([min(len(CHORD_TONES[quality]), INVERSIONS) for quality in QUALITIES])
    valid = np.where(is_chord, inversion < tones[fine], True)
    valid[PAD] = False
    for token in range(METER0, NO_CHORD0):
        valid[token] = id_meter(token).is_supported
    beat_of_id = np.where(is_event, beats, 0)
    return {
        "kind": kind,
        "root": np.where(is_chord, root, NO_ROOT).astype(np.uint8),
        "quality": np.where(is_chord, fine, NO_QUALITY).astype(np.uint8),
        "inversion": np.where(is_chord, inversion, 0).astype(np.uint8),
        "beats": beat_of_id.astype(np.uint8),
        "quality_code": np.where(is_chord, coarse[fine], NO_QUALITY_CODE).astype(np.uint8),
        "harmony": np.where(is_event, ids - np.maximum(beat_of_id - 1, 0), 0).astype(np.int32),
        "valid": valid,
    }


_TABLES = _tables()
for _table in _TABLES.values():
    _table.setflags(write=False)

KIND = _TABLES["kind"]  # uint8 [SIZE], KIND_PAD .. KIND_EVENT
ROOT = _TABLES["root"]  # uint8 [SIZE], pitch class, 0 where no chord
QUALITY = _TABLES["quality"]  # uint8 [SIZE], index in QUALITIES, NO_QUALITY where no chord
INVERSION = _TABLES["inversion"]  # uint8 [SIZE], 0 .. 3
BEATS = _TABLES["beats"]  # uint8 [SIZE], 1 .. 8, 0 where the token is no event
QUALITY_CODE = _TABLES["quality_code"]  # uint8 [SIZE], coarse, 9 where no chord
HARMONY = _TABLES["harmony"]  # int32 [SIZE], the id of the same harmony for one beat, 0 where no event
VALID = _TABLES["valid"]  # bool [SIZE], false on PAD and on meters and inversions there are none of


@functools.cache
def function_table() -> np.ndarray:
    """Function code of every token in every key: uint8 [24, SIZE], 10 where no chord.

    A function is relative to the key, so it is worked out for the tonic C and looked up at root - tonic.
    """
    relative = np.array(
        [
            [[function_code(Chord(root, quality), key) for quality in QUALITIES] for root in range(12)]
            for key in (Key(0, "major"), Key(0, "minor"))
        ],
        np.uint8,
    )
    keys = np.arange(KEYS)[:, None]
    degree = (ROOT[None].astype(int) - keys % 12) % 12
    chords = relative[keys // 12, degree, np.minimum(QUALITY, len(QUALITIES) - 1)[None]]
    table = np.where(np.arange(SIZE) >= CHORD0, chords, NO_FUNCTION_CODE).astype(np.uint8)
    table.setflags(write=False)
    return table


@functools.cache
def transpose_table() -> np.ndarray:
    """The token that each token becomes n semitones higher: int32 [12, SIZE]; row 0 is the identity."""
    ids = np.arange(SIZE)
    up = np.arange(12)[:, None]
    step = len(QUALITIES) * INVERSIONS * MAX_BEATS
    root, rest = np.divmod(np.maximum(ids - CHORD0, 0), step)
    chords = CHORD0 + (root + up) % 12 * step + rest
    mode, tonic = np.divmod(ids - KEY0, 12)
    keys = KEY0 + mode * 12 + (tonic + up) % 12
    table = np.where(ids >= CHORD0, chords, np.where(KIND == KIND_KEY, keys, ids)).astype(np.int32)
    table.setflags(write=False)
    return table
