"""Humdrum files: `**kern` notes with chords in a `**harte` or `**mxhm` spine.

A file is a table of spines, columns that begin with their kind (`**kern`) and end with `*-`; rows are
moments. Durations are parts of a whole note ("4", "8.", "0" for a breve). Spines that split and join (`*^`,
`*v`) are followed. Expansion lists (`*>[A,A,B]`) are played, and repeat signs of bar lines (`=:|!`) where a
file has no list.

No kept library was found that is light: music21 and converter21 are large and slow to import, kernpy is made
for optical recognition and keeps tokens, not places and pitches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from hrpe_jax.formats.repeat_signs import Signs, play_order
from hrpe_jax.formats.text import TextFileError, read_lines
from hrpe_jax.theory.chord import Chord, ChordError, parse_harte, parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

MAX_ROWS = 200_000
MAX_SPINES = 64
MAX_SECTIONS = 1_000
_BAR = re.compile(r"=+\d*[a-z]?(:?)[|!]*(:?)")
_NOTE = re.compile(r"([a-gA-G])\1*")
_RECIP = re.compile(r"(\d{1,3})(?:%(\d{1,3}))?(\.{0,3})")
_KINDS = {"major": "", "minor": "m", "dominant": "7", "major-seventh": "maj7", "minor-seventh": "m7",
          "diminished": "dim", "augmented": "+", "half-diminished": "m7b5", "diminished-seventh": "dim7",
          "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
          "minor-ninth": "m9", "suspended-fourth": "sus4", "suspended-second": "sus2", "power": "5",
          "dominant-11th": "11", "dominant-13th": "13", "minor-major": "m(maj7)",
          "major-minor": "m(maj7)"}  # fmt: skip


@dataclass(frozen=True)
class KernNote:
    """A note: place and length in whole notes, MIDI pitch, and the spine it is from."""

    onset: Fraction
    duration: Fraction
    pitch: int
    spine: int


@dataclass
class Humdrum:
    """What a file says, in playing order; all times in whole notes.

    Attributes:
        title: empty where there is none.
        names: of the `**kern` spines (instrument, class or label), by number.
        notes: sorted by onset.
        chords: (place, chord) of the chord spine, in order.
        bars: places of bar lines.
        meters: (place, meter).
        fifths: of the first signature; None where there is none.
        key: that is named; None where none is.
        tempo_bpm: None where none is named.
        end: where the music ends.
        unread: how many chords could not be read.
    """

    title: str = ""
    names: dict[int, str] = field(default_factory=dict)
    notes: list[KernNote] = field(default_factory=list)
    chords: list[tuple[Fraction, Chord]] = field(default_factory=list)
    bars: list[Fraction] = field(default_factory=list)
    meters: list[tuple[Fraction, Meter]] = field(default_factory=list)
    fifths: int | None = None
    key: Key | None = None
    tempo_bpm: float | None = None
    end: Fraction = Fraction(0)
    unread: int = 0


def read_humdrum(path: str | Path) -> Humdrum:
    """Read a Humdrum file.

    Raises:
        TextFileError: the file cannot be read, or has neither notes nor chords ("no_chords").
    """
    lines = read_lines(path)
    if len(lines) > MAX_ROWS:
        raise TextFileError("too_long", f"{path}: more than {MAX_ROWS} rows")
    reader = _Reader(str(path))
    try:
        for number in _order(lines):
            reader.row(lines[number], number)
    except TextFileError:  # columns that change in a repeated part
        reader = _Reader(str(path))
        for number, line in enumerate(lines):
            reader.row(line, number)
    score = reader.score
    score.end = max([reader.now, *(note.onset + note.duration for note in score.notes)])
    score.notes.sort(key=lambda note: (note.onset, note.pitch))
    if not score.notes and not any(not chord.is_none for _, chord in score.chords):
        raise TextFileError(
            "no_chords", f"{path}: no notes and no chords: expected a **kern or **harte spine"
        )
    return score


def _order(lines: list[str]) -> list[int]:
    """Numbers of the rows in the order of playing, by the file's expansion list."""
    wanted: list[str] = []
    sections: dict[str, tuple[int, int]] = {}
    name, begin, end = "", 0, len(lines)
    for number, line in enumerate(lines):
        token = line.split("\t", 1)[0]
        if (match := re.fullmatch(r"\*>\[([^\]]{1,4000})\]", token)) is not None:
            wanted = wanted or [label.strip() for label in match[1].split(",")][:MAX_SECTIONS]
        elif token == "*-":
            end = number
            break
        elif token.startswith("*>") and "[" not in token:
            sections.setdefault(name, (begin, number))
            name, begin = token[2:], number
    sections.setdefault(name, (begin, end))
    if not wanted or not set(wanted) <= set(sections):
        return _with_repeats(lines)
    first = sections.get("", (0, 0))
    order = list(range(*first))
    for label in wanted:
        if len(order) > MAX_ROWS:
            break
        order.extend(range(*sections[label]))
    return order


def _with_repeats(lines: list[str]) -> list[int]:
    """Numbers of the rows in the order of playing, by the repeat signs of bar lines."""
    starts = [number for number, line in enumerate(lines) if line.startswith("=")]
    if not any(":" in lines[number].split("\t", 1)[0] for number in starts):
        return list(range(len(lines)))
    bounds = [0, *starts, len(lines)]
    signs = [Signs()] * (len(bounds) - 1)
    for place, number in enumerate(starts):
        match = _BAR.match(lines[number])
        if match is not None and match[1]:
            signs[place] = replace(signs[place], backward=2)
        if match is not None and match[2]:
            signs[place + 1] = replace(signs[place + 1], forward=True)
    if signs[0].backward or not any(sign.forward for sign in signs):
        first = next((place for place, number in enumerate(bounds[:-1]) if number > 0), 0)
        begin = first if not _has_notes(lines[: bounds[first]]) else 0
        signs[begin] = replace(signs[begin], forward=True)
    order = play_order(signs, MAX_ROWS)
    if order is None:
        return list(range(len(lines)))
    rows = [number for place in order for number in range(bounds[place], bounds[place + 1])]
    return rows if len(rows) <= MAX_ROWS else list(range(len(lines)))


def _has_notes(lines: list[str]) -> bool:
    """Whether rows before the first bar line are a pickup."""
    return any(line and line[0] not in "*!=" for line in lines)


class _Reader:
    """The spines while rows are read."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.score = Humdrum()
        self.kinds: list[str] = []
        self.voices: list[int] = []  # the spine that each column came from
        self.now = Fraction(0)
        self.free: list[Fraction] = []  # when the note of each column ends
        self.open: dict[tuple[int, int], int] = {}  # (spine, pitch) of tied notes -> their place
        self.started = False

    def row(self, line: str, number: int) -> None:
        """Take a row."""
        if line.startswith("!!!OTL") and not self.score.title:
            self.score.title = line.partition(":")[2].strip()[:200]
        if not line.strip() or line.startswith("!"):
            return
        tokens = line.split("\t")
        if tokens[0].startswith("**"):
            if self.started:
                return
            self.started = True
            self.kinds = [token[2:] for token in tokens[:MAX_SPINES]]
            self.voices = list(range(len(self.kinds)))
            self.free = [Fraction(0)] * len(self.kinds)
            return
        more = [token for token in tokens[len(self.kinds) :] if token.strip()] if self.started else []
        if len(tokens) < len(self.kinds) or (more and len(self.kinds) < MAX_SPINES - 1):
            raise TextFileError(
                "bad_line", f"{self.where}:{number + 1}: {len(tokens)} columns: expected {len(self.kinds)}"
            )
        if tokens[0].startswith("="):
            if not self.score.bars or self.score.bars[-1] != self.now:
                self.score.bars.append(self.now)
        elif tokens[0].startswith("*"):
            self.interpretation(tokens)
        else:
            self.data(tokens)

    def interpretation(self, tokens: list[str]) -> None:
        """Changes of spines, and what holds from here on."""
        kinds: list[str] = []
        voices: list[int] = []
        free: list[Fraction] = []
        previous = ""
        for column, token in enumerate(tokens[: len(self.kinds)]):
            kind, voice, until = self.kinds[column], self.voices[column], self.free[column]
            joined = token == "*v" and previous == "*v" and voices and voices[-1] == voice
            previous = token
            if token == "*-" or joined:
                continue
            for _ in range(2 if token == "*^" and len(kinds) < MAX_SPINES - 1 else 1):
                kinds.append(kind)
                voices.append(voice)
                free.append(until)
            self.said(token, voice)
        if any(token in ("*^", "*v", "*-") for token in tokens):
            self.kinds, self.voices, self.free = kinds, voices, free

    def said(self, token: str, voice: int) -> None:
        """One interpretation."""
        score = self.score
        if (match := re.fullmatch(r"\*M(\d{1,2})/(\d{1,2})", token)) is not None:
            try:
                meter = Meter(int(match[1]), int(match[2]))
            except ValueError:
                return
            if not score.meters or score.meters[-1] != (self.now, meter):
                score.meters.append((self.now, meter))
        elif (match := re.fullmatch(r"\*k\[([a-g#n-]*)\]", token)) is not None and score.fifths is None:
            score.fifths = match[1].count("#") - match[1].count("-")
        elif (match := re.fullmatch(r"\*([a-gA-G])([#-]?):", token)) is not None and score.key is None:
            name = match[1].upper() + match[2].replace("-", "b")
            score.key = Key.parse(f"{name} {'minor' if match[1].islower() else 'major'}")
        elif (match := re.fullmatch(r"\*MM\[?(\d{2,3}(?:\.\d{1,3})?)\]?", token)) is not None:
            tempo = float(match[1])
            score.tempo_bpm = tempo if score.tempo_bpm is None and 20 <= tempo <= 400 else score.tempo_bpm
        elif (match := re.match(r"\*I[\"']?(.{1,60})", token)) is not None:
            known = score.names.get(voice, "")
            score.names[voice] = f"{known} {match[1]}".strip()[:200]

    def data(self, tokens: list[str]) -> None:
        """A moment: what begins now, and how long until the next."""
        begins = []
        for column, (kind, token) in enumerate(zip(self.kinds, tokens, strict=False)):
            if token in (".", ""):
                continue
            if kind == "kern":
                duration = self.notes(column, token)
                if duration:
                    self.free[column] = self.now + duration
                    begins.append(duration)
            elif kind in ("harte", "mxhm", "chord"):
                self.chord(token)
        kern = [until for until, kind in zip(self.free, self.kinds, strict=True) if kind == "kern"]
        later = [until for until in kern if until > self.now]
        if later:
            self.now = min(later)

    def notes(self, column: int, token: str) -> Fraction:
        """The notes of a `**kern` token; their length."""
        length = Fraction(0)
        for part in token.split(" ")[:16]:
            if "q" in part or "Q" in part:  # grace notes take no time
                continue
            recip = _RECIP.search(part)
            if recip is None:
                continue
            base = Fraction(2) if int(recip[1]) == 0 else Fraction(int(recip[2] or 1), int(recip[1]))
            length = max(length, base * (2 - Fraction(1, 2 ** len(recip[3]))))
            name = _NOTE.search(part)
            if "r" in part or name is None:
                continue
            self.note(self.voices[column], part, name, length)
        return length

    def note(self, spine: int, part: str, name: re.Match[str], length: Fraction) -> None:
        """One note, or the rest of one that is tied.

        Args:
            spine: its number.
            part: which of the spine's voices.
            name: the match of its pitch.
            length: of a whole note.
        """
        letter, count = name[1], len(name[0])
        octave = 3 + count if letter.islower() else 4 - count
        signs = re.match(r"[#n-]*", part[name.end() :])
        alter = signs[0].count("#") - signs[0].count("-") if signs is not None else 0
        pitch = 12 * (octave + 1) + "c d ef g a b".index(letter.lower()) + alter
        if not 0 <= pitch <= 127:
            return
        tied = self.open.get((spine, pitch))
        if tied is not None and ("]" in part or "_" in part):
            before = self.score.notes[tied]
            self.score.notes[tied] = KernNote(before.onset, before.duration + length, pitch, spine)
        else:
            tied = len(self.score.notes)
            self.score.notes.append(KernNote(self.now, length, pitch, spine))
        if "[" in part or "_" in part:
            self.open[spine, pitch] = tied
        else:
            self.open.pop((spine, pitch), None)

    def chord(self, token: str) -> None:
        """A token of a chord spine."""
        chord = read_chord_token(token)
        if chord is None:
            self.score.unread += 1
        else:
            self.score.chords.append((self.now, chord))


def read_chord_token(token: str) -> Chord | None:
    """A chord of a `**harte` spine ("C:maj7"), or of a `**mxhm` one ("A- major-seventh", "D minor/F").

    Returns:
        None where it cannot be read; the no-chord for "none" and "r".
    """
    text = token.strip()
    if text in ("none", "r", "N", "N.C."):
        return Chord.NONE
    try:
        return parse_harte(text)
    except ChordError:
        pass
    head, slash, bass = text.partition("/")
    root, _, kind = head.partition(" ")
    suffix = _KINDS.get(kind.strip(), kind.strip())
    name = re.sub(r"(?<=^[A-Ga-g])-", "b", root)
    low = re.sub(r"(?<=^[A-Ga-g])-", "b", bass.strip())
    try:
        return parse_lead_sheet(f"{name}{suffix}{slash}{low}")
    except ChordError:
        return None
