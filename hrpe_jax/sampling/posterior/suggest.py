"""Suggestions for bars of a score: other notes, other chords, both, or a variation, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec.backbone import harmony_of_beats
from hrpe_jax.errors import UserError, cut
from hrpe_jax.sampling.posterior.fill import Candidate, FillRequest, by_weight, fill, notes_in, with_notes
from hrpe_jax.sampling.posterior.harmonize import (
    DEFAULTS,
    ChordAnswer,
    ChordAnswers,
    ChordRequest,
    Settings,
    find_chords,
    labels_of,
    with_harmony,
)
from hrpe_jax.sampling.posterior.reasons import chord_reason, melody_reason
from hrpe_jax.sampling.posterior.spans import (
    WHAT,
    Bars,
    Span,
    chord_locks,
    elsewhere,
    first_number,
    kept_notes,
    read_bars,
)
from hrpe_jax.score.score import ChordSpan, Note, Score

MAX_COUNT = 32
BARS_WEIGHED = 4
"""Bars of chords behind a span that weigh those in it."""
MAX_HARMONIZED = 128
"""Bars that are harmonised at once; longer pieces in parts."""


@dataclass(frozen=True, kw_only=True)
class SuggestOptions:
    """What is asked of some bars.

    Attributes:
        bars: see `spans.Bars`; None for all.
        what: "melody", "chords", "both", "rhythm", "pitches" or "vary".
        count: suggestions, 1 to 32.
        like: bars that the new ones should be like.
        keep: notes that stay inside, and chords: `Note` and `ChordSpan` values.
        keep_chords: chords that stay, as text for the whole piece: "| C | ? | G |".
        everywhere: whether other sections with the same letter get the same bars.
        distance: of a variation: the share of notes that may change, above 0, at most 1.
        chords_per_bar: 1 or 2; None as the model has it.
        candidates: melodies that are drawn to choose from, 1 to 256.
        temperature: of the draws, above 0.
        style: of the piece; None for unknown.
        seed: 0 to 2**32 - 1.
    """

    bars: Bars | None = None
    what: str = "melody"
    count: int = 4
    like: Bars | None = None
    keep: Sequence[Note | ChordSpan] = ()
    keep_chords: str | None = None
    everywhere: bool = False
    distance: float = 0.5
    chords_per_bar: int | None = None
    candidates: int = 32
    temperature: float = 1.0
    style: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Suggestion:
    """One suggestion.

    Attributes:
        score: the whole piece with it.
        spans: the bars that are new.
        what: "melody", "chords" or "both": what of them is new.
        log_weight: by which it was chosen, in nats; only differences between suggestions mean something.
        reason: what is particular about it, in a few words.
        votes: for chords: share of the votes for the chord of every beat of the score, NaN where it was
            given; empty for melodies.
    """

    score: Score
    spans: tuple[Span, ...]
    what: str
    log_weight: float
    reason: str
    votes: tuple[float, ...] = field(default=())


def suggest(model: Model, score: Score, options: SuggestOptions) -> list[Suggestion]:
    """Suggestions for some bars of a score.

    Args:
        model: with the stages that are needed.
        score: any; what lies outside the bars stays as it is.
        options: what is asked.

    Returns:
        At most `count`, all different, and none is what stands there now.

    Raises:
        UserError: one line that says what cannot be.
    """
    _check(options)
    spans = read_bars(score, options.bars if options.bars is not None else _whole(score))
    if options.what == "chords":
        return _chords(model, score, spans, options)
    if options.what == "both":
        return _both(model, score, spans, options)
    return _melodies(model, score, spans, options)


def harmonize(
    model: Model, score: Score, options: SuggestOptions, settings: Settings = DEFAULTS
) -> list[Suggestion]:
    """Chords for a melody; the first suggestion is the safe one.

    Args:
        model: with both stages.
        score: with a melody; its own chords play no part, but for those that are kept, and those of bars
            that are not asked for.
        options: `count`, `keep`, `keep_chords`, `bars`, `chords_per_bar`, `style` and `seed` count.
        settings: how chords are found.

    Raises:
        UserError: there is no melody, or what is kept cannot be.
    """
    _check(replace(options, what="chords"))
    if not score.melody:
        name = score.id or "the piece"
        raise UserError(f"--prime: {name} has no melody to harmonise; expected at least one note")
    spans = _parts(score) if options.bars is None else read_bars(score, options.bars)
    return _chords(model, score, spans, options, settings, again=True)


def check_options(score: Score, options: SuggestOptions) -> None:
    """Raises UserError where what is asked of a score cannot be: before a model is loaded."""
    _check(options)
    spans = _parts(score) if options.bars is None else read_bars(score, options.bars)
    if options.what in ("chords", "both"):
        grid, _ = harmony_of_beats(score)
        kept = options.keep_chords or [span for span in options.keep if isinstance(span, ChordSpan)]
        chord_locks(score, grid, spans, kept)
    if options.what != "chords":
        notes = [note for note in options.keep if isinstance(note, Note)]
        for span in spans:
            kept_notes(score, span, notes)


def _check(options: SuggestOptions) -> None:
    """Raises UserError where an option cannot be."""
    for holds, option, message in (
        (
            options.what in WHAT,
            "rewrite_what",
            f"one of {', '.join(WHAT)} expected, got {cut(options.what)!r}",
        ),
        (1 <= options.count <= MAX_COUNT, "num_pieces", f"1 to {MAX_COUNT} expected, got {options.count}"),
        (0 < options.distance <= 1, "distance", f"above 0, at most 1 expected, got {options.distance:g}"),
        (
            options.chords_per_bar in (None, 1, 2),
            "chords_per_bar",
            f"1 or 2 expected, got {options.chords_per_bar}",
        ),
        (1 <= options.candidates <= 256, "candidates", f"1 to 256 expected, got {options.candidates}"),
        (options.temperature > 0, "temperature", f"above 0 expected, got {options.temperature:g}"),
        (0 <= options.seed < 2**32, "seed", f"0 to 2**32 - 1 expected, got {options.seed}"),
    ):
        if not holds:
            raise UserError(f"--{option}: {message}")


def _whole(score: Score) -> tuple[int, int]:
    """All bars of a score, by number."""
    low = first_number(score)
    return low, low + len(score.bar_starts()) - 1


def _parts(score: Score) -> list[Span]:
    """All bars of a score, in parts that are harmonised one after the other."""
    low, high = _whole(score)
    parts = []
    for first in range(low, high + 1, 64):
        parts += read_bars(score, (first, min(first + 63, high)))
    merged: list[Span] = []
    for part in parts:
        if merged and merged[-1].bars + part.bars <= MAX_HARMONIZED:
            last = merged.pop()
            part = Span(last.first, part.last, last.begin, part.end)
        merged.append(part)
    return merged


def _melodies(model: Model, score: Score, spans: Sequence[Span], options: SuggestOptions) -> list[Suggestion]:
    """Other notes, span by span: each suggestion goes on from its own first spans."""
    if not score.melody and options.what != "melody":
        raise UserError(f"--rewrite_what: {options.what}: the piece has no melody to start from")
    found = [(score, 0.0)]
    for number, span in enumerate(spans):
        notes = [note for note in options.keep if isinstance(note, Note)]
        if options.what == "vary":
            notes = [*notes, *_anchors(score, span, 1 - options.distance, options.seed)]
        kept = kept_notes(score, span, dict.fromkeys(notes))
        wanted = options.count if number == 0 else 1
        following = []
        for place, (each, weight) in enumerate(found):
            request = FillRequest(
                score=each,
                span=span,
                kept=kept,
                what="melody" if options.what == "vary" else options.what,
                candidates=options.candidates,
                temperature=options.temperature,
                like=_like(score, options),
                style=options.style or "",
                seed=(options.seed + 7919 * number + 104729 * place) % 2**32,
            )
            for candidate in _enough(model, request, wanted)[:wanted]:
                following.append((candidate.score, weight + candidate.log_weight))
        found = following
    if not found:
        raise UserError("--rewrite: no other notes were found that keep to what stays; keep less of it")
    return [
        Suggestion(
            replace(_as_elsewhere(each, spans, options), form=score.form),
            tuple(spans),
            "melody",
            weight,
            "; ".join(melody_reason(score, each, span) for span in spans),
        )
        for each, weight in found
    ]


def _enough(model: Model, request: FillRequest, wanted: int) -> list[Candidate]:
    """Candidates of one or more batches, until there are enough that differ."""
    found = fill(model, request)
    for attempt in range(1, 3):
        if len(found) >= wanted:
            break
        seen = {candidate.notes for candidate in found}
        more = fill(model, replace(request, seed=(request.seed + attempt * 15485863) % 2**32))
        found += [candidate for candidate in more if candidate.notes not in seen]
    return found


def _anchors(score: Score, span: Span, share: float, seed: int) -> list[Note]:
    """The notes of a span that a variation keeps: long ones, and ones on the first beats of bars."""
    notes = list(notes_in(score, span))
    starts = set(score.bar_starts())
    rng = np.random.default_rng([seed, 13])
    beat = score.meter.beat_ticks
    worth = [
        note.duration / beat + 1.5 * (note.onset in starts) + 0.5 * (note.onset % beat == 0) + rng.random()
        for note in notes
    ]
    count = min(round(share * len(notes)), len(notes) - 1)
    order = sorted(range(len(notes)), key=lambda place: -worth[place])[: max(count, 0)]
    return [notes[place] for place in sorted(order) if notes[place].end <= span.end]


def _like(score: Score, options: SuggestOptions) -> Span | None:
    return None if options.like is None else read_bars(score, options.like, "like")[0]


def _as_elsewhere(score: Score, spans: Sequence[Span], options: SuggestOptions) -> Score:
    """The score with the same notes in the same bars of other sections of the letter, if that is wanted."""
    if not options.everywhere:
        return score
    for span in spans:
        for other in elsewhere(score, span):
            by = other.begin - span.begin
            notes = [replace(note, onset=note.onset + by) for note in notes_in(score, span)]
            score = with_notes(score, other, notes)
    return score


def _chords(
    model: Model,
    score: Score,
    spans: Sequence[Span],
    options: SuggestOptions,
    settings: Settings = DEFAULTS,
    again: bool = False,
    listens: bool = True,
) -> list[Suggestion]:
    """Other chords; `again`: the safe answer comes first, and may be what stands there now."""
    grid, own = harmony_of_beats(score)
    ticks = np.asarray(grid.ticks)
    kept: Sequence[ChordSpan] | str | None = options.keep_chords
    if kept is None:
        kept = [span for span in options.keep if isinstance(span, ChordSpan)]
    locks = chord_locks(score, grid, spans, kept)
    found: list[tuple[Score, float, np.ndarray]] = [(score, 0.0, np.full(len(own), np.nan))]
    for number, span in enumerate(spans):
        begin, end = (int(np.searchsorted(ticks, tick)) for tick in (span.begin, span.end))
        weighed = BARS_WEIGHED * score.meter.beats_per_bar
        stop = min(end + weighed, len(own))
        if number + 1 < len(spans):
            stop = min(stop, int(np.searchsorted(ticks, spans[number + 1].begin)))
        if (locks[end:stop] < 0).any():
            stop = end
        following = []
        for place, (each, weight, votes) in enumerate(found):
            _, now = harmony_of_beats(each)
            here = np.where(np.arange(len(own)) < begin, now, locks)
            if not (here[begin:end] < 0).any():
                following.append((each, weight, votes))
                continue
            request = ChordRequest(
                score=each,
                locks=here,
                begin=begin,
                end=end,
                stop=stop,
                chords_per_bar=options.chords_per_bar,
                style=options.style or "",
                seed=(options.seed + 7919 * number + 104729 * place) % 2**32,
                listens=listens and bool(each.melody),
            )
            answers = find_chords(model, request, settings)
            wanted = options.count if number == 0 else 1
            chosen = _chosen(answers, own, begin, end, wanted, again)
            for answer in chosen:
                made = with_harmony(each, grid, answer.harmony, begin, end)
                made = _typed_again(made, score)
                told = votes.copy()
                asked = np.flatnonzero(here[begin:end] < 0) + begin
                told[asked] = answers.votes[asked, labels_of(answer.harmony[asked])]
                following.append((made, weight + answer.log_weight, told))
        found = following
    return [
        Suggestion(
            each,
            tuple(spans),
            "chords",
            weight,
            "; ".join(chord_reason(score, each, span, votes, ticks) for span in spans[:4]),
            tuple(float(vote) for vote in votes),
        )
        for each, weight, votes in found
    ]


def _chosen(
    answers: ChordAnswers, own: np.ndarray, begin: int, end: int, wanted: int, again: bool
) -> list[ChordAnswer]:
    """The answers that are given: the safe one first where that is asked for, then by weight."""
    kept = [
        answer
        for answer in answers.answers
        if again or not np.array_equal(answer.harmony[begin:end], own[begin:end])
    ]
    return kept[:wanted]


def _typed_again(made: Score, score: Score) -> Score:
    """Chords that were there are written as they were."""
    old = {(span.onset, span.chord): span.chord for span in score.chords}
    chords = [replace(span, chord=old.get((span.onset, span.chord), span.chord)) for span in made.chords]
    return replace(made, chords=tuple(chords))


def _both(model: Model, score: Score, spans: Sequence[Span], options: SuggestOptions) -> list[Suggestion]:
    """Other chords first, which do not listen to the notes that go, then notes over each of them."""
    count = min(options.count, 8)
    over = _chords(model, score, spans, replace(options, count=count), listens=False)
    share = max(8, options.candidates // max(1, len(over)))
    found = []
    for number, chords in enumerate(over):
        wanted = -(-options.count // len(over))
        melodies = _melodies(
            model,
            chords.score,
            spans,
            replace(
                options, what="melody", count=wanted, candidates=share, seed=(options.seed + number) % 2**32
            ),
        )
        for each in melodies:
            reason = f"{chords.reason}; {each.reason}"
            found.append(replace(each, what="both", reason=reason, votes=chords.votes))
    weights = np.array([each.log_weight for each in found])
    order = by_weight(weights, list(range(len(found))), options.seed)
    return [found[place] for place in order[: options.count]]
