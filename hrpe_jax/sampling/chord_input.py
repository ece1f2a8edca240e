"""Chords as a user writes them, with places that are left to the model.

    C Am F G            one bar each; "C*2 Am*2 F" gives beats, a chord without them fills its bar
    C | Am F | G7 | %   bars between lines; the chords of a bar share it, "%" is the bar before once more
    C | ? | F ? | G     "?" (or "_"), a bar or a part of one, is for the model to fill with some chords
    ii V7/V bVII i6     roman numerals, in the key that is asked for or that the other chords are in
    1 6- 4 57 1/3       Nashville numbers, likewise
    Do Lam Fa Sol7      solfège, and German names (Em H7 B), where the whole text is written with them

A chord is written as on a lead sheet (F#m7b5/C), in Harte's syntax (F#:hdim7/b5) or as a roman numeral;
"N.C." is no chord. A beat is a quarter, in 6/8, 9/8 and 12/8 a dotted quarter.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from hrpe_jax.analysis.keys import find_keys
from hrpe_jax.errors import UserError, cut
from hrpe_jax.sampling.form_input import MAX_BARS
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import Chord, ChordError, parse_harte, parse_lead_sheet, to_lead_sheet
from hrpe_jax.theory.chord_parser import MAX_LABEL, Naming, find_naming, to_english
from hrpe_jax.theory.function import is_nashville, is_roman, parse_nashville, parse_roman
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

GAP = None
"""In place of a chord: the model fills it."""

Timed = list[tuple[Chord | None, int]]
"""Chords (or `GAP`) with their beats."""

_GAPS = ("?", "_")


def read_chords(text: str, meter: Meter, key: Key | None = None) -> tuple[Timed, Key | None]:
    """Chords and gaps with their beats, whole bars in all, and their key.

    The module says how they are written.

    Args:
        text: of the user.
        meter: says how many beats a bar has.
        key: in which roman numerals are read; None for that of the chords which are no numerals.

    Returns:
        The chords, and `key` or the one that was found; None where there are no chords to find it by.

    Raises:
        UserError: a name that is no chord, a bar that is not full, numerals without a key, or no chord at
            all; the message names the symbol and its bar.
    """
    if "|" not in text:
        bars = _bars_of(text, meter.beats_per_bar)
    else:
        inner = text.strip().removeprefix("|").removesuffix("|").split("|")
        bars = [part.split() for part in inner]
    _check(len(bars) <= MAX_BARS, f"at most {MAX_BARS} bars expected, got {len(bars)}")
    _check(any(bars), 'none given; expected names such as "C Am F G" or "C | Am F | G7 | ?"')
    bars, _ = _in_english(bars)
    key = key or _key_of_names(bars)
    timed: Timed = []
    before: Timed = []
    for number, names in enumerate(bars, 1):
        if names == ["%"]:
            _check(bool(before), f'bar {number}: "%" needs a bar before it')
        else:
            before = _bar(names, meter, number, key)
        timed += before
    return timed, key or key_of(timed)


def reading_notes(text: str, chords: Iterable[Chord | None]) -> list[str]:
    """What to say of chords that were read, each thing once: whose note names they have, which of them the
    vocabulary cannot hold, and what is used instead.

    Args:
        text: of the user.
        chords: as read from it.
    """
    names = text.replace("|", " ").split()
    labels = [name.rstrip(",").partition("*")[0] for name in names]
    notes = []
    naming = find_naming(labels)
    if naming != "english":
        notes.append(f"--chords: read as {_NAMINGS[naming]}")
    numbers = [label for label in labels if is_nashville(label)]
    plain = {label for label in numbers if label in ("2", "3", "6")}
    if plain and not any("-" in label or "m" in label for label in numbers):
        notes.append(f"--chords: {', '.join(sorted(plain))}: a number alone is a major chord; 6- is minor")
    near = {to_lead_sheet(chord): chord for chord in chords if chord is not None and not chord.is_exact}
    if near:
        used = ", ".join(
            f"{shown} as {to_lead_sheet(chord, as_written=False)}"
            for shown, chord in list(near.items())[:_TOLD]
        )
        notes.append(f"--chords: not in the vocabulary, so the nearest is used: {used}")
    return notes


_NAMINGS = {
    "german": "German names: H is B, B is Bb",
    "dutch": "Dutch names: Bes is Bb",
    "latin": "solfège: Do is C",
}
_TOLD = 8
"""Chords that a note names."""


def as_typed(spans: Sequence[ChordSpan], typed: Sequence[ChordSpan]) -> tuple[ChordSpan, ...]:
    """Chords shown as they were typed, where they are those.

    Args:
        spans: of a piece, from tokens, which only know the vocabulary.
        typed: as the user or a prime wrote them, sorted, not overlapping.
    """
    onsets = [span.onset for span in typed]
    shown: list[ChordSpan] = []
    for span in spans:
        first = max(0, bisect_right(onsets, span.onset) - 1)
        inside = typed[first : bisect_left(onsets, span.end)]
        now = span.onset
        pieces: list[ChordSpan] = []
        for said in inside:
            chord = said.chord.absorb_bass()
            onset, end = max(said.onset, span.onset), min(said.end, span.end)
            # Tokens have no place for a bass that is foreign to the chord.
            known = chord if chord.inversion else Chord(chord.root, chord.quality)
            if known != span.chord or end <= onset:
                continue
            if pieces and pieces[-1].chord.is_same(chord):
                continue
            if pieces or onset > now:
                before = pieces.pop() if pieces else ChordSpan(now, 1, span.chord)
                pieces.append(ChordSpan(before.onset, onset - before.onset, before.chord))
            pieces.append(ChordSpan(onset, span.end - onset, chord))
        shown.extend(pieces or [span])
    return tuple(shown)


def _in_english(bars: Sequence[Sequence[str]]) -> tuple[list[list[str]], Naming]:
    """The names of bars with English note names, and whose they were."""
    labels = [name.rstrip(",").partition("*")[0] for names in bars for name in names]
    naming = find_naming(label for label in labels if len(label) <= MAX_LABEL)
    if naming == "english":
        return [list(names) for names in bars], naming

    def english(name: str) -> str:
        label, star, beats = name.partition("*")
        bare = label.rstrip(",")
        numeral = len(bare) > MAX_LABEL or is_roman(bare) or is_nashville(bare)
        return name if numeral else to_english(bare, naming) + star + beats

    return [[english(name) for name in names] for names in bars], naming


def key_of(chords: Sequence[tuple[Chord | None, int]]) -> Key | None:
    """The key that best explains some chords (`analysis.keys`); None where none sounds."""
    spans, beat = [], 0
    for chord, beats in chords:
        if chord is not None and not chord.is_none:
            spans.append(ChordSpan(beat, beats, chord))
        beat += beats
    return find_keys([], [], [], spans, bars=[0]).key if spans else None


def come_round(chords: Timed, beats: int) -> Timed:
    """The chords again and again until so many beats are full."""
    filled: Timed = []
    while beats > 0:
        for chord, length in chords:
            if beats > 0:
                filled.append((chord, min(length, beats)))
                beats -= length
    return filled


def per_beat(chords: Sequence[tuple[Chord | None, int]]) -> list[Chord | None]:
    """What is asked of each beat."""
    return [chord for chord, beats in chords for _ in range(beats)]


def _key_of_names(bars: Sequence[Sequence[str]]) -> Key | None:
    """The key of the chords that are no numerals, each counted once; None without numerals or such chords."""
    labels = [name.rstrip(",").partition("*")[0] for names in bars for name in names]
    if not any(map(_is_number, labels)):
        return None
    chords = []
    for label in labels:
        try:
            chords.append(
                (_symbol(label), 1) if label not in ("%", *_GAPS) and not _is_number(label) else (None, 1)
            )
        except ChordError:  # told with its bar when the bars are read
            continue
    return key_of(chords)


def _is_number(label: str) -> bool:
    """Whether a label is a degree of the key: a roman numeral or a Nashville number."""
    return is_roman(label) or is_nashville(label)


def _symbol(label: str) -> Chord:
    """A lead-sheet symbol or a label in Harte's syntax."""
    return parse_harte(label) if ":" in label else parse_lead_sheet(label)


def _read(label: str, number: int, key: Key | None) -> Chord | None:
    if label in _GAPS:
        return GAP
    if len(label) > MAX_LABEL:
        raise UserError(
            f"--chords: bar {number}: {cut(label)!r} is no chord; names have at most {MAX_LABEL} characters"
        )
    try:
        if _is_number(label):
            _check(
                key is not None,
                f"bar {number}: {label!r} needs a key: add --key, such as --key=Eb",
            )
            assert key is not None
            return parse_nashville(label, key) if is_nashville(label) else parse_roman(label, key)
        return _symbol(label)
    except ChordError as error:
        meant = suggest(label, key)
        hint = f"; did you mean {meant}?" if meant else ""
        raise UserError(f"--chords: bar {number}: {error}{hint}") from None


def suggest(label: str, key: Key | None = None) -> str | None:
    """A chord that an unreadable label could have been, or None.

    Tried in this order: the letter in upper case, the German H, other case of a numeral, and what is left
    when letters are taken from the end.
    """
    bare = label.strip("()[]{}.,;\"'")
    starts = [bare, bare[:1].upper() + bare[1:]]
    if bare[:1] in "Hh":
        starts.append("B" + bare[1:])
    if (english := to_english(bare, "latin")) != bare:  # one of them among English names
        starts.insert(0, english)
    for start in starts:
        for end in range(len(start), 0, -1):
            text = start[:end].rstrip("/:(*")
            try:
                parse_roman(text, key or Key(0, "major")) if is_roman(text) else _symbol(text)
            except ChordError:
                continue
            if text and text != label:
                return text
    return None


def _bars_of(text: str, per_bar: int) -> list[list[str]]:
    """Names without bar lines, put into bars: those with beats until a bar is full, others by themselves."""
    bars: list[list[str]] = []
    left = 0
    for name in text.split():
        _, _, beats = name.rstrip(",").partition("*")
        lasts = int(beats) if beats.isascii() and beats.isdigit() and len(beats) < 7 else 0
        if left <= 0:
            bars.append([])
            left = per_bar
        bars[-1].append(name)
        left -= lasts or left
    return bars


def _bar(names: list[str], meter: Meter, number: int, key: Key | None) -> Timed:
    """The chords of one bar with beats that fill it."""
    per_bar = meter.beats_per_bar
    where = f"bar {number} ({cut(' '.join(names), 80)})"
    chords: list[Chord | None] = []
    beats: list[int | None] = []
    for name in names:
        label, star, said = name.rstrip(",").partition("*")
        chords.append(_read(label, number, key))
        digits = said.isascii() and said.isdigit() and len(said) < 7 and int(said) > 0
        _check(not star or digits, f'{where}: beats after "*" must be a whole number, got {cut(said)!r}')
        beats.append(int(said) if star else None)
    _check(bool(chords), f'bar {number}: empty; write a chord, "?", "%" or "N.C."')
    open_places = [place for place, value in enumerate(beats) if value is None]
    left = per_bar - sum(value or 0 for value in beats)
    fits = left >= len(open_places) if open_places else left == 0
    _check(fits, f"{where}: its chords do not fill the {per_bar} beats of a {meter} bar")
    for index, place in enumerate(open_places):
        share, rest = divmod(left, len(open_places))
        beats[place] = share + (index < rest)
    return [(chord, value or 0) for chord, value in zip(chords, beats, strict=True)]


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise UserError(f"--chords: {message}")
