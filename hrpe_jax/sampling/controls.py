"""What a user may ask of a piece, read from text and checked before any device is started.

Chords are written as on a lead sheet, in one of two ways:

    C Am F G            one bar each; "C*2 Am*2 F" gives beats, a chord without them fills its bar
    C | Am F | G7 | %   bars between lines; the chords of a bar share it, "%" is the bar before once more

"N.C." is no chord. A beat is a quarter, in 6/8, 9/8 and 12/8 a dotted quarter. Chords shorter than the piece
come round again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hrpe_jax.codec import backbone
from hrpe_jax.errors import UserError
from hrpe_jax.score.score import ChordSpan, Score
from hrpe_jax.theory.chord import Chord, ChordError, parse_lead_sheet
from hrpe_jax.theory.key import Key, find_key
from hrpe_jax.theory.meter import MAX_BAR_TICKS, Meter

MAX_PIECES, MAX_BARS = 1000, 128
DEFAULT_BARS, DEFAULT_TEMPO, DEFAULT_SILENT_BARS = 16, 120.0, 1
SLOWEST, FASTEST = 20.0, 400.0
_Timed = list[tuple[Chord, int]]  # with beats


@dataclass(frozen=True)
class Controls:
    """What is asked of every piece of a run.

    Attributes:
        bars: how long.
        key: None where the model chooses.
        meter: None where the model chooses.
        tempo: quarter notes a minute.
        chords: one (chord, beats) after another, `bars` bars in all; None where the model writes them.
        num_pieces: how many pieces.
        seed: of all draws.
        temperature: of the melody's draws.
        temperature_backbone: of the chords' draws.
        top_k: keep the k likeliest tokens; 0 for all.
        top_p: keep the likeliest tokens up to this probability.
        silent_bars: how many whole bars in a row the melody may be silent.
    """

    bars: int
    key: Key | None
    meter: Meter | None
    tempo: float
    chords: tuple[tuple[Chord, int], ...] | None
    num_pieces: int
    seed: int
    temperature: float
    temperature_backbone: float
    top_k: int
    top_p: float
    silent_bars: int


def read_controls(
    *,
    num_pieces: int = 4,
    bars: int | None = None,
    key: str | Key | None = None,
    meter: str | Meter | None = None,
    tempo: float = DEFAULT_TEMPO,
    chords: str | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    temperature_backbone: float | None = None,
    top_k: int = 0,
    top_p: float = 0.95,
    silent_bars: int = DEFAULT_SILENT_BARS,
) -> Controls:
    """Reads and checks what a user asks for.

    Args:
        num_pieces: 1 to 1000.
        bars: 1 to 128; None for the bars of `chords`, or 16.
        key: such as "Eb major"; None lets the model choose, or finds the key of `chords`.
        meter: such as "3/4"; None lets the model choose; with `chords` it is 4/4.
        tempo: 20 to 400 quarter notes a minute.
        chords: see the module; None lets the model write them.
        seed: 0 to 2**32 - 1.
        temperature: above 0.
        temperature_backbone: that of the chords; None for the same.
        top_k: 0 or more.
        top_p: above 0, at most 1.
        silent_bars: 0 or more.

    Raises:
        UserError: one line that names the option.
    """
    _check(1 <= num_pieces <= MAX_PIECES, "num_pieces", f"1 to {MAX_PIECES} expected, got {num_pieces}")
    _check(bars is None or 1 <= bars <= MAX_BARS, "bars", f"1 to {MAX_BARS} expected, got {bars}")
    _check(0 <= seed < 2**32, "seed", f"0 to 2**32 - 1 expected, got {seed}")
    _check(SLOWEST <= tempo <= FASTEST, "tempo", f"{SLOWEST:g} to {FASTEST:g} expected, got {tempo:g}")
    if temperature_backbone is None:
        temperature_backbone = temperature
    _check(0 < temperature < np.inf, "temperature", f"above 0 expected, got {temperature:g}")
    _check(
        0 < temperature_backbone < np.inf,
        "temperature_backbone",
        f"above 0 expected, got {temperature_backbone:g}",
    )
    _check(0 <= top_k < 2**31, "top_k", f"0 (all) or more expected, got {top_k}")
    _check(0 < top_p <= 1, "top_p", f"above 0, at most 1 expected, got {top_p:g}")
    _check(0 <= silent_bars < 2**31, "silent_bars", f"0 or more expected, got {silent_bars}")
    wanted_key, wanted_meter = _key(key), _meter(meter)
    timed = None
    if chords is not None:
        wanted_meter = wanted_meter or Meter(4, 4)
        per_bar = wanted_meter.beats_per_bar
        timed = read_chords(chords, wanted_meter)
        long = sum(beats for _, beats in timed) // per_bar
        bars = long if bars is None else bars
        _check(long <= MAX_BARS, "chords", f"at most {MAX_BARS} bars expected, got {long}")
        _check(long <= bars, "chords", f"{long} bars of chords do not fit --bars={bars}")
        timed = _come_round(timed, bars * per_bar)
        wanted_key = wanted_key or key_of(timed)
    return Controls(
        bars=DEFAULT_BARS if bars is None else bars,
        key=wanted_key,
        meter=wanted_meter,
        tempo=float(tempo),
        chords=None if timed is None else tuple(timed),
        num_pieces=num_pieces,
        seed=seed,
        temperature=float(temperature),
        temperature_backbone=float(temperature_backbone),
        top_k=top_k,
        top_p=float(top_p),
        silent_bars=silent_bars,
    )


def read_chords(text: str, meter: Meter) -> _Timed:
    """Chords with their beats, whole bars in all; the module says how they are written.

    Raises:
        UserError: a name that is no chord, a bar that is not full, or no chord at all.
    """
    if "|" not in text:
        bars = _bars_of(text, meter.beats_per_bar)
    else:
        inner = text.strip().removeprefix("|").removesuffix("|").split("|")
        bars = [part.split() for part in inner]
        if not any(bars):
            bars = []
    _check(bool(bars), "chords", 'none given; expected names such as "C Am F G" or "C | Am F | G7 | C"')
    timed: _Timed = []
    before: _Timed = []
    for number, names in enumerate(bars, 1):
        if names == ["%"]:
            _check(bool(before), "chords", f'bar {number}: "%" needs a bar before it')
        else:
            before = _bar(names, meter, number)
        timed += before
    return timed


def key_of(chords: _Timed) -> Key:
    """The key that best explains some chords, by how long each of their notes sounds."""
    weights = np.zeros(12)
    for chord, beats in chords:
        weights[sorted(chord.pitch_classes)] += beats
    return find_key(weights)


def chord_tokens(chords: tuple[tuple[Chord, int], ...], key: Key, meter: Meter) -> list[int]:
    """The backbone's token sequence, BOS to EOS, of (chord, beats)."""
    spans, tick = [], 0
    for chord, beats in chords:
        spans.append(ChordSpan(tick, beats * meter.beat_ticks, chord.absorb_bass()))
        tick += beats * meter.beat_ticks
    return backbone.encode_ids(Score("", "", key, meter, DEFAULT_TEMPO, (), tuple(spans)))


def _bars_of(text: str, per_bar: int) -> list[list[str]]:
    """Names without bar lines, put into bars: those with beats until a bar is full, others by themselves."""
    bars: list[list[str]] = []
    left = 0
    for name in text.split():
        _, _, beats = name.rstrip(",").partition("*")
        lasts = int(beats) if beats.isascii() and beats.isdigit() else 0
        if left <= 0:
            bars.append([])
            left = per_bar
        bars[-1].append(name)
        left -= lasts or left
    return bars


def _bar(names: list[str], meter: Meter, number: int) -> _Timed:
    """The chords of one bar with beats that fill it."""
    per_bar = meter.beats_per_bar
    where = f"bar {number} ({' '.join(names)})"
    chords: list[Chord] = []
    beats: list[int | None] = []
    for name in names:
        label, star, said = name.rstrip(",").partition("*")
        try:
            chords.append(parse_lead_sheet(label))
        except ChordError as error:
            raise UserError(f"--chords: bar {number}: {error}") from None
        digits = said.isascii() and said.isdigit() and int(said) > 0
        _check(not star or digits, "chords", f'{where}: beats after "*" must be a whole number, got {said!r}')
        beats.append(int(said) if star else None)
    _check(bool(chords), "chords", f'bar {number}: empty; write a chord, "%" or "N.C."')
    open_places = [place for place, value in enumerate(beats) if value is None]
    left = per_bar - sum(value or 0 for value in beats)
    fits = left >= len(open_places) if open_places else left == 0
    _check(fits, "chords", f"{where}: its chords do not fill the {per_bar} beats of a {meter} bar")
    for index, place in enumerate(open_places):
        share, rest = divmod(left, len(open_places))
        beats[place] = share + (index < rest)
    return [(chord, value or 0) for chord, value in zip(chords, beats, strict=True)]


def _come_round(chords: _Timed, beats: int) -> _Timed:
    """The chords again and again until so many beats are full."""
    filled: _Timed = []
    while beats > 0:
        for chord, length in chords:
            if beats > 0:
                filled.append((chord, min(length, beats)))
                beats -= length
    return filled


def _key(key: str | Key | None) -> Key | None:
    if key is None or isinstance(key, Key):
        return key
    try:
        return Key.parse(key)
    except ValueError:
        raise UserError(f"--key: {key!r} is no key; expected such as 'Eb major', 'C#m' or 'F'") from None


def _meter(meter: str | Meter | None) -> Meter | None:
    if meter is None:
        return None
    try:
        read = meter if isinstance(meter, Meter) else Meter.parse(meter)
        supported = read.is_supported
    except ValueError:
        supported = False
    if not supported:
        raise UserError(
            f"--meter: {str(meter)!r}: expected such as 4/4, 3/4 or 6/8, over 2, 4, 8 or 16 and at most "
            f"{MAX_BAR_TICKS // 12} quarters long"
        )
    return read


def _check(holds: bool, option: str, message: str) -> None:
    if not holds:
        raise UserError(f"--{option}: {message}")
