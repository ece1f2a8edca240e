"""What a user may ask of a piece, read from text and checked before any device is started.

`chart` says how chords are written, `form` how a form is, `prime` what a given piece is used for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hrpe_jax.codec import backbone
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.chord_input import Timed, come_round, read_chords
from hrpe_jax.sampling.form import Form, read_form
from hrpe_jax.sampling.prime import Prime
from hrpe_jax.score.score import ChordSpan, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key, Mode
from hrpe_jax.theory.meter import MAX_BAR_TICKS, Meter

MAX_PIECES, MAX_BARS = 10_000, 10_000
DEFAULT_BARS, DEFAULT_TEMPO, DEFAULT_SILENT_BARS, DEFAULT_CANDIDATES = 16, 120.0, 1, 16
CHORDS_TOP_P, MELODY_TOP_P = 0.98, 0.95
"""Where `top_p` is not given; chosen on validation songs, see `experiments/results`."""
SLOWEST, FASTEST = 20.0, 400.0
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

    @property
    def continued(self) -> Prime | None:
        """The prime, where it is continued."""
        return self.prime if self.prime is not None and self.prime.use == "continue" else None

    @property
    def chords_given(self) -> bool:
        """Whether no chord is left to the model."""
        return self.chords is not None and all(chord is not None for chord, _ in self.chords)


def read_controls(
    *,
    num_pieces: int = 4,
    bars: int | None = None,
    key: str | Key | None = None,
    mode: str | None = None,
    meter: str | Meter | None = None,
    tempo: float | None = None,
    chords: str | None = None,
    form: str | None = None,
    prime: Score | None = None,
    prime_use: str = "continue",
    stage: str = "both",
    seed: int = 0,
    temperature: float = 1.0,
    temperature_backbone: float | None = None,
    temperature_melody: float | None = None,
    top_k: int = 0,
    top_k_backbone: int | None = None,
    top_k_melody: int | None = None,
    top_p: float | None = None,
    top_p_backbone: float | None = None,
    top_p_melody: float | None = None,
    repetition_penalty: float = 1.0,
    repetition_penalty_backbone: float | None = None,
    repetition_penalty_melody: float | None = None,
    silent_bars: int = DEFAULT_SILENT_BARS,
    candidates: int = DEFAULT_CANDIDATES,
) -> Controls:
    """Reads and checks what a user asks for.

    Args:
        num_pieces: 1 to 10,000.
        bars: 1 to 10,000; with a prime that is continued, how many more; None for the bars of `chords`, of
            `form`, of the prime whose chords are used, or 16.
        key: such as "Eb major"; None lets the model choose, or finds the key of `chords`.
        mode: "major" or "minor", where only that matters or beside a tonic in `key`.
        meter: such as "3/4"; None lets the model choose; with `chords` it is 4/4.
        tempo: 20 to 400 quarter notes a minute; None for that of the prime, or 120.
        chords: see `chart`; None lets the model write them.
        form: see `form`.
        prime: a piece to go on from.
        prime_use: "continue", or "chords" to write a new melody over its chords.
        stage: "both", "backbone" or "melody".
        seed: 0 to 2**32 - 1.
        temperature: above 0; with `_backbone` or `_melody` of one stage alone, as for the next three.
        temperature_backbone: None for `temperature`.
        temperature_melody: None for `temperature`.
        top_k: 0 (all) or more.
        top_k_backbone: None for `top_k`.
        top_k_melody: None for `top_k`.
        top_p: above 0, at most 1; None for 0.98 for chords and 0.95 for the melody.
        top_p_backbone: None for `top_p`.
        top_p_melody: None for `top_p`.
        repetition_penalty: 1 (none) or more: pitches of the last eight notes, and chords of the last eight
            changes, become so many times less likely.
        repetition_penalty_backbone: None for `repetition_penalty`.
        repetition_penalty_melody: None for `repetition_penalty`.
        silent_bars: 0 or more.
        candidates: 1 to 64.

    Raises:
        UserError: one line that names the option.
    """
    _within("num_pieces", num_pieces, 1, MAX_PIECES)
    _within("bars", bars, 1, MAX_BARS)
    _check(0 <= seed < 2**32, "seed", f"0 to 2**32 - 1 expected, got {seed}")
    _check(
        tempo is None or SLOWEST <= tempo <= FASTEST,
        "tempo",
        f"{SLOWEST:g} to {FASTEST:g} expected, got {tempo}",
    )
    _within("silent_bars", silent_bars, 0, 2**31 - 1)
    _within("candidates", candidates, 1, 64)
    _check(stage in STAGES, "stage", f"one of {', '.join(STAGES)} expected, got {stage!r}")
    drawings = (
        _drawing("_backbone", temperature_backbone, top_k_backbone, top_p_backbone,
                 repetition_penalty_backbone, temperature, top_k, CHORDS_TOP_P if top_p is None else top_p,
                 repetition_penalty),
        _drawing("_melody", temperature_melody, top_k_melody, top_p_melody,
                 repetition_penalty_melody, temperature, top_k, MELODY_TOP_P if top_p is None else top_p,
                 repetition_penalty),
    )  # fmt: skip
    wanted_key, wanted_mode = _key(key, mode)
    given = None if prime is None else Prime.of(prime, prime_use)
    wanted_meter = _meter(meter)
    if given is not None:
        _agrees("key", wanted_key, given.score.key, wanted_mode in (None, given.score.key.mode))
        _agrees("meter", wanted_meter, given.score.meter, True)
        wanted_key, wanted_meter, wanted_mode = given.score.key, given.score.meter, None
        tempo = min(max(given.score.tempo_bpm, SLOWEST), FASTEST) if tempo is None else tempo
    timed, bars, wanted_meter, shape, found = _structure(chords, form, given, bars, wanted_key, wanted_meter)
    if wanted_key is None:
        _check(
            found is None or wanted_mode in (None, found.mode),
            "mode",
            f"{wanted_mode}, but --chords are in {found and found.name}; say the key you mean with --key",
        )
        wanted_key = found
    controls = Controls(
        bars=bars,
        key=wanted_key,
        mode=wanted_mode if wanted_key is None else None,
        meter=wanted_meter,
        tempo=float(DEFAULT_TEMPO if tempo is None else tempo),
        chords=None if timed is None else tuple(timed),
        form=shape,
        prime=given,
        stage=stage,
        num_pieces=num_pieces,
        seed=seed,
        backbone=drawings[0],
        melody=drawings[1],
        silent_bars=silent_bars,
        candidates=candidates,
    )
    _check(
        stage != "melody" or controls.chords_given,
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
        f"{long} bars, but the different sections of --form={shape.text} have {shape.new_bars}",
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
    """The backbone's token sequence, BOS to EOS, of (chord, beats); a gap counts as no chord."""
    spans, tick = [], 0
    for chord, beats in chords:
        spans.append(ChordSpan(tick, beats * meter.beat_ticks, (chord or Chord.NONE).absorb_bass()))
        tick += beats * meter.beat_ticks
    return backbone.encode_ids(Score("", "", key, meter, DEFAULT_TEMPO, (), tuple(spans)))


def _drawing(stage: str, *values: Any) -> Drawing:
    """A stage's own values where given, else the common ones."""
    names = ("temperature", "top_k", "top_p", "repetition_penalty")
    own, common = values[:4], values[4:]
    chosen = [
        (b, name) if a is None else (a, name + stage) for a, b, name in zip(own, common, names, strict=True)
    ]
    (temperature, t), (top_k, k), (top_p, p), (penalty, r) = chosen
    _check(0 < temperature < np.inf, t, f"above 0 expected, got {temperature:g}")
    _check(0 <= top_k < 2**31, k, f"0 (all) or more expected, got {top_k}")
    _check(0 < top_p <= 1, p, f"above 0, at most 1 expected, got {top_p:g}")
    _check(1 <= penalty < np.inf, r, f"1 (none) or more expected, got {penalty:g}")
    return Drawing(float(temperature), int(top_k), float(top_p), float(penalty))


def _key(key: str | Key | None, mode: str | None) -> tuple[Key | None, Mode | None]:
    wanted: Mode | None = None
    if mode is not None:
        _check(mode in ("major", "minor"), "mode", f"major or minor expected, got {mode!r}")
        wanted = "minor" if mode == "minor" else "major"
    if key is None or isinstance(key, Key):
        read = key
    else:
        try:
            read = Key.parse(key)
        except ValueError:
            raise UserError(f"--key: {key!r} is no key; expected such as 'Eb major', 'C#m' or 'F'") from None
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
            f"--meter: {str(meter)!r}: expected such as 4/4, 3/4 or 6/8, over 2, 4, 8 or 16 and at most "
            f"{MAX_BAR_TICKS // 12} quarters long"
        )
    return read


def _within(option: str, value: int | None, low: int, high: int) -> None:
    shown = f"{low} to {high}" if high < 2**31 - 1 else f"{low} or more"
    _check(value is None or low <= value <= high, option, f"{shown} expected, got {value}")


def _check(holds: bool, option: str, message: str) -> None:
    if not holds:
        raise UserError(f"--{option}: {message}")
