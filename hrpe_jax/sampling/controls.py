"""Options read and checked, before any device is started: the constraints that the sampler takes.

`chord_input` says how chords are written, `form` how a form is, `prime` what a given piece is used for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hrpe_jax.codec import backbone
from hrpe_jax.codec.plan import Attributes
from hrpe_jax.errors import UserError, cut
from hrpe_jax.sampling.chord_input import Timed, come_round, read_chords
from hrpe_jax.sampling.form_input import MAX_BARS, Form, read_form
from hrpe_jax.sampling.options import DEFAULT_CANDIDATES, DEFAULT_SILENT_BARS, ComposeOptions
from hrpe_jax.sampling.prime import Prime
from hrpe_jax.score.score import ChordSpan, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key, Mode
from hrpe_jax.theory.meter import MAX_BAR_TICKS, Meter
from hrpe_jax.theory.pitch import parse_midi_name

MAX_PIECES = 10_000
DEFAULT_BARS, DEFAULT_TEMPO = 16, 120.0
CHORDS_TOP_P, MELODY_TOP_P = 0.98, 0.95
"""Where `top_p` is not given; chosen on validation songs, see `experiments/results`."""
SLOWEST, FASTEST = 20.0, 400.0
NARROWEST = 7
"""Semitones of the narrowest range that may be asked for."""
MOST_DENSE = 48.0
"""Notes a bar, at most."""
STAGES = ("both", "backbone", "melody")


@dataclass(frozen=True)
class Drawing:
    """How one stage draws its tokens.

    Attributes:
        temperature: logits are divided by it; above 0.
        top_k: keep the k likeliest tokens; 0 for all.
        top_p: keep the likeliest tokens up to this probability.
        repetition_penalty: what was said a moment ago becomes this many times less likely; 1 for no less.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0


@dataclass(frozen=True)
class Controls:
    """What is asked of every piece of a run.

    Attributes:
        bars: how long, with those of a prime that is continued.
        key: None where the model chooses.
        mode: of the key where only that is asked for.
        meter: None where the model chooses.
        tempo: quarter notes a minute.
        chords: one (chord, beats) after another for all bars, or for those after a prime that is continued;
            None in place of a chord that the model writes; None where it writes them all.
        form: sections that come again; None for none.
        prime: a piece to go on from or whose chords are used; None for none.
        stage: "both", "backbone" (chords alone) or "melody" (over given chords).
        num_pieces: how many pieces.
        seed: of all draws.
        backbone: how chords are drawn.
        melody: how melody events are drawn.
        silent_bars: how many whole bars in a row the melody may be silent.
        style: of the piece; None for the model's usual one.
        attributes: tempo, range and density, as far as they are asked for.
        intro: bars before the melody begins.
        candidates: how many continuations the model writes of the bars before locked chords and before the
            end, to choose the one that leads best into what must follow.
    """

    bars: int
    key: Key | None = None
    mode: Mode | None = None
    meter: Meter | None = None
    tempo: float = DEFAULT_TEMPO
    chords: tuple[tuple[Chord | None, int], ...] | None = None
    form: Form | None = None
    prime: Prime | None = None
    stage: str = "both"
    num_pieces: int = 4
    seed: int = 0
    backbone: Drawing = Drawing(top_p=CHORDS_TOP_P)
    melody: Drawing = Drawing(top_p=MELODY_TOP_P)
    silent_bars: int = DEFAULT_SILENT_BARS
    candidates: int = DEFAULT_CANDIDATES
    style: str | None = None
    attributes: Attributes = field(default_factory=Attributes)
    intro: int = 0

    @property
    def continued(self) -> Prime | None:
        """The prime, where it is continued."""
        return self.prime if self.prime is not None and self.prime.use == "continue" else None

    @property
    def chords_given(self) -> bool:
        """Whether no chord is left to the model."""
        return self.chords is not None and all(chord is not None for chord, _ in self.chords)


def read_controls(options: ComposeOptions) -> Controls:
    """Reads and checks options.

    Args:
        options: whose prime, if there is one, is a `Score`; `composer.read_prime` reads a file.

    Raises:
        UserError: one line that names the option.
    """
    bars, tempo, prime = options.bars, options.tempo, options.prime
    assert prime is None or isinstance(prime, Score)
    _within("num_pieces", options.num_pieces, 1, MAX_PIECES)
    _within("bars", bars, 1, MAX_BARS)
    _check(0 <= options.seed < 2**32, "seed", f"0 to 2**32 - 1 expected, got {options.seed}")
    _check(
        tempo is None or SLOWEST <= tempo <= FASTEST,
        "tempo",
        f"{SLOWEST:g} to {FASTEST:g} expected, got {tempo}",
    )
    _within("silent_bars", options.silent_bars, 0, 2**31 - 1)
    _within("candidates", options.candidates, 1, 64)
    stages = ", ".join(STAGES)
    _check(options.stage in STAGES, "stage", f"one of {stages} expected, got {cut(options.stage)!r}")
    drawings = _drawing(options, "_backbone", CHORDS_TOP_P), _drawing(options, "_melody", MELODY_TOP_P)
    wanted_key, wanted_mode = _key(options.key, options.mode)
    given = None if prime is None else Prime.of(prime, options.prime_use)
    wanted_meter = _meter(options.meter)
    if given is not None:
        _agrees("key", wanted_key, given.score.key, wanted_mode in (None, given.score.key.mode))
        _agrees("meter", wanted_meter, given.score.meter, True)
        wanted_key, wanted_meter, wanted_mode = given.score.key, given.score.meter, None
        tempo = min(max(given.score.tempo_bpm, SLOWEST), FASTEST) if tempo is None else tempo
    timed, bars, wanted_meter, shape, found = _structure(
        options.chords, options.form, given, bars, wanted_key, wanted_meter
    )
    if wanted_key is None:
        _check(
            found is None or wanted_mode in (None, found.mode),
            "mode",
            f"{wanted_mode}, but --chords are in {found and found.name}; say the key you mean with --key",
        )
        wanted_key = found
    _check(
        bars <= MAX_BARS, "prime" if given else "bars", f"at most {MAX_BARS} bars in all expected, got {bars}"
    )
    controls = Controls(
        bars=bars,
        key=wanted_key,
        mode=wanted_mode if wanted_key is None else None,
        meter=wanted_meter,
        tempo=float(DEFAULT_TEMPO if tempo is None else tempo),
        chords=None if timed is None else tuple(timed),
        form=shape,
        prime=given,
        stage=options.stage,
        num_pieces=options.num_pieces,
        seed=options.seed,
        backbone=drawings[0],
        melody=drawings[1],
        silent_bars=options.silent_bars,
        candidates=options.candidates,
        style=options.style,
        attributes=_attributes(options, tempo),
        intro=options.intro,
    )
    _within("intro", options.intro, 0, max(0, bars - (given.bars if given is not None else 0) - 1))
    _check(
        not options.intro or given is None or given.use == "chords",
        "intro",
        "a piece that goes on from a prime has its beginning; leave --intro or --prime out",
    )
    _check(
        options.stage != "melody" or controls.chords_given,
        "stage",
        "the melody alone needs chords for every bar: give them with --chords (without ?), or a --prime with "
        "--prime_use=chords",
    )
    return controls


def _structure(
    chords: str | None,
    form: str | None,
    prime: Prime | None,
    bars: int | None,
    key: Key | None,
    meter: Meter | None,
) -> tuple[Timed | None, int, Meter | None, Form | None, Key | None]:
    """Chords beat by beat, bars, meter, form and key, which depend on one another."""
    if prime is not None:
        return *_with_prime(chords, form, prime, bars), None, key
    shape = None if form is None else read_form(form, bars)
    if chords is None:
        return None, shape.bars if shape else bars or DEFAULT_BARS, meter, shape, key
    meter = meter or Meter(4, 4)
    per_bar = meter.beats_per_bar
    timed, key = read_chords(chords, meter, key)
    long = sum(beats for _, beats in timed) // per_bar
    _check(long <= MAX_BARS, "chords", f"at most {MAX_BARS} bars expected, got {long}")
    if shape is None:
        bars = long if bars is None else bars
        _check(long <= bars, "chords", f"{long} bars of chords do not fit --bars={bars}")
        return come_round(timed, bars * per_bar), bars, meter, None, key
    _check(
        long == shape.new_bars,
        "chords",
        f"{long} bars, but the different sections of --form={cut(shape.text)} have {shape.new_bars}",
    )
    return _unfold(timed, shape, per_bar), shape.bars, meter, shape, key


def _with_prime(
    chords: str | None, form: str | None, prime: Prime, bars: int | None
) -> tuple[Timed | None, int, Meter]:
    score = prime.score
    per_bar = score.meter.beats_per_bar
    _check(form is None, "form", "a prime has its own form; leave --form or --prime out")
    if prime.use == "chords":
        _check(chords is None, "chords", "the chords are those of --prime; leave one of them out")
        timed = prime.chords()
        long = len(timed) // per_bar
        _check(
            bars in (None, long),
            "bars",
            f"the prime has {long} bars of chords, --bars={bars}; leave --bars out",
        )
        _check(long <= MAX_BARS, "prime", f"at most {MAX_BARS} bars expected, got {long}")
        return timed, long, score.meter
    if chords is None:
        return None, prime.bars + (bars or DEFAULT_BARS), score.meter
    timed, _ = read_chords(chords, score.meter, score.key)
    long = sum(beats for _, beats in timed) // per_bar
    bars = long if bars is None else bars
    _check(long <= bars, "chords", f"{long} bars of chords do not fit --bars={bars}")
    # The chords are those of the bars after the prime; its own are asked of the sampler by `Prime.harmony`.
    return come_round(timed, bars * per_bar), prime.bars + bars, score.meter


def _unfold(timed: Timed, form: Form, per_bar: int) -> Timed:
    """Chords of the different sections, put where the sections stand; repeats have those that they repeat."""
    flat = [(chord, 1) for chord, beats in timed for _ in range(beats)]
    whole: Timed = []
    used = 0
    for section in form.sections:
        length = section.bars * per_bar
        if section.source is None:
            whole += flat[used : used + length]
            used += length
        else:
            whole += whole[section.source * per_bar : section.source * per_bar + length]
    return whole


def chord_tokens(chords: Sequence[tuple[Chord | None, int]], key: Key, meter: Meter) -> list[int]:
    """The backbone's token sequence, BOS to EOS, of (chord, beats); a gap counts as no chord.

    Args:
        chords: (chord, beats); None for a gap.
        key: of the piece.
        meter: of the piece.
    """
    spans, tick = [], 0
    for chord, beats in chords:
        spans.append(ChordSpan(tick, beats * meter.beat_ticks, (chord or Chord.NONE).absorb_bass()))
        tick += beats * meter.beat_ticks
    return backbone.encode_ids(Score("", "", key, meter, DEFAULT_TEMPO, (), tuple(spans)))


def _drawing(options: ComposeOptions, stage: str, default_top_p: float) -> Drawing:
    """The values of one stage, `_backbone` or `_melody`, where given, else the common ones."""

    def chosen(name: str) -> tuple[Any, str]:
        own = getattr(options, name + stage)
        return (getattr(options, name), name) if own is None else (own, name + stage)

    (temperature, t), (top_k, k), (top_p, p), (penalty, r) = map(
        chosen, ("temperature", "top_k", "top_p", "repetition_penalty")
    )
    top_p = default_top_p if top_p is None else top_p
    _check(0 < temperature < np.inf, t, f"above 0 expected, got {temperature:g}")
    _check(0 <= top_k < 2**31, k, f"0 (all) or more expected, got {top_k}")
    _check(0 < top_p <= 1, p, f"above 0, at most 1 expected, got {top_p:g}")
    _check(1 <= penalty < np.inf, r, f"1 (none) or more expected, got {penalty:g}")
    return Drawing(float(temperature), int(top_k), float(top_p), float(penalty))


def _attributes(options: ComposeOptions, tempo: float | None) -> Attributes:
    """Tempo, range and density as far as they are asked for."""
    low = high = None
    if options.range is not None:
        low, high = _range(options.range)
    density = options.density
    _check(
        density is None or 0 < density <= MOST_DENSE,
        "density",
        f"above 0, at most {MOST_DENSE:g} notes a bar expected, got {density}",
    )
    return Attributes("", tempo, low, high, density)


def _range(text: str) -> tuple[int, int]:
    """Lowest and highest pitch of such as "A3-E5"."""
    parts = re.fullmatch(r"\s*(\S+?)\s*[-–:]\s*(\S+?)\s*", text)
    try:
        low, high = (parse_midi_name(part) for part in parts.groups()) if parts else (0, 0)
    except ValueError:
        parts = None
    _check(parts is not None, "range", f"{cut(text)!r}: expected two notes, such as A3-E5")
    _check(
        high - low >= NARROWEST,
        "range",
        f"{cut(text)}: expected a fifth ({NARROWEST} semitones) or more, the lowest note first",
    )
    return low, high


def _key(key: str | Key | None, mode: str | None) -> tuple[Key | None, Mode | None]:
    wanted: Mode | None = None
    if mode is not None:
        _check(mode in ("major", "minor"), "mode", f"major or minor expected, got {cut(mode)!r}")
        wanted = "minor" if mode == "minor" else "major"
    if key is None or isinstance(key, Key):
        read = key
    else:
        try:
            read = Key.parse(key)
        except ValueError:
            raise UserError(
                f"--key: {cut(key)!r} is no key; expected such as 'Eb major', 'C#m' or 'F'"
            ) from None
        # A tonic alone leaves the mode to --mode.
        bare = len(key.strip().rstrip("#b♯♭")) == 1 and key.strip()[0].isupper()
        read = Key(read.tonic, wanted) if wanted and bare else read
    _check(
        read is None or wanted in (None, read.mode),
        "mode",
        f"{mode}, but --key={key} is {read and read.name}",
    )
    return read, wanted


def _agrees(option: str, wanted: Any, of_prime: Any, also: bool) -> None:
    _check(
        wanted in (None, of_prime) and also,
        option,
        f"the prime is in {of_prime}; leave --{option} (or --prime) out",
    )


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
            f"--meter: {cut(str(meter))!r}: expected such as 4/4, 3/4 or 6/8, over 2, 4, 8 or 16 and at most "
            f"{MAX_BAR_TICKS // 12} quarters long"
        )
    return read


def _within(option: str, value: int | None, low: int, high: int) -> None:
    shown = f"{low} to {high}" if high < 2**31 - 1 else f"{low} or more"
    _check(value is None or low <= value <= high, option, f"{shown} expected, got {value}")


def _check(holds: bool, option: str, message: str) -> None:
    if not holds:
        raise UserError(f"--{option}: {message}")
