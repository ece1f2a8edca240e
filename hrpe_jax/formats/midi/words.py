"""Texts in MIDI files: the words of a karaoke file, and chord names.

When the words of a karaoke file are sung.

Programs write syllables as lyric events or, in the older way, as plain texts, in a track of their own or
among the notes. Their times name the melody better than any track name does.

Chord names in MIDI files: as lyrics, texts, markers or cue points, and as Yamaha's XF events.

Programs that write an arrangement often write its chords as text. Whether a stream of texts is chords is told
from all of it: words and section letters are none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np

from hrpe_jax.formats.midi.limits import track_chunks
from hrpe_jax.theory.chord import Chord, ChordError, Written, parse_harte, parse_lead_sheet
from hrpe_jax.theory.chord_parser import Naming, find_naming, to_english

MIN_SYLLABLES = 20
"""Texts of one kind in one track below which they are remarks, not words."""

_KINDS = (1, 5)  # text, lyric
_LETTER = re.compile(rb"[^\W_]|[\x80-\xff]")


def syllable_ticks(data: bytes) -> tuple[int, ...]:
    """The ticks at which syllables are sung, increasing; empty where a file has no words.

    Where several tracks have words, those with the most syllables are meant. A damaged track counts up to the
    damage.

    Args:
        data: a MIDI file of format 0 or 1.
    """
    best: list[int] = []
    if data.count(b"\xff") < MIN_SYLLABLES:  # one byte is counted many times as fast as two
        return ()
    if all(data.count(bytes([0xFF, kind])) < MIN_SYLLABLES for kind in _KINDS):
        return ()
    for begin, end in track_chunks(data):
        track = data[begin:end]
        counts = [track.count(bytes([0xFF, kind])) for kind in _KINDS]
        if max(counts) <= max(MIN_SYLLABLES, len(best)):
            continue
        times: dict[int, list[int]] = {kind: [] for kind in _KINDS}
        for tick, kind, text in meta_texts(track):
            if kind in times and _is_syllable(text) and tick not in times[kind][-1:]:
                times[kind].append(tick)
        best = max(best, *times.values(), key=len)
    return tuple(best) if len(best) >= MIN_SYLLABLES else ()


def _is_syllable(text: bytes) -> bool:
    return not text.startswith((b"@", b"#")) and _LETTER.search(text) is not None


def meta_texts(track: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(tick, kind, content) of the meta events of a track."""
    tick = position = status = 0
    try:
        while position < len(track):
            delta = track[position] & 0x7F
            while track[position] & 0x80:
                position += 1
                delta = delta << 7 | track[position] & 0x7F
            tick += delta
            position += 1
            if track[position] & 0x80:
                status = track[position]
                position += 1
            if status < 0xF0:
                position += 1 if status & 0xE0 == 0xC0 else 2
                continue
            kind = -1
            if status == 0xFF:
                kind = track[position]
                position += 1
            length = 0
            while True:
                byte = track[position]
                position += 1
                length = length << 7 | byte & 0x7F
                if byte < 0x80:
                    break
            if kind >= 0:
                yield tick, kind, track[position : position + length]
            position += length
    except IndexError:
        return  # cut off in the middle of an event


MAX_TEXTS = 10_000
"""Of a track, from which on they are no chords of a song."""
KINDS = (1, 5, 6, 7)
"""Meta events: text, lyric, marker, cue point."""
_SEQUENCER = 0x7F
_XF = b"\x43\x7b\x01"
_MIN_CHORDS = 2
_MOST_NAMES = 200
"""Different names from which on they are words."""
_SHARE = 0.9
"""Of the texts of a stream that must be chord names."""
_MOST_LETTERS = 8
"""Quarters between two letters up to which they can be chords, where they come in the order of sections."""
_SLOWEST = 32
"""Quarters between two letters from which on they are sections in any order."""
_FASTEST = 1.5
"""Quarters between two bare names of solfège (Do, Sol) below which they are what is sung."""
_BARE = ("do", "re", "ré", "mi", "fa", "sol", "la", "si", "ti")
_HEARD = 0.5
"""Share of the time of all notes that are in the chords of their places, where these may be sections."""
_SECTION = re.compile(
    r"(?:pre)?(?:intro|verse|chorus|refrain|bridge|solo|outro|ending?|coda|fine|fill|break|interlude|part|theme"
    r"|main|start|loop|setup|tempo|copyright|count)\b.*",
    re.IGNORECASE,
)
_WRAPPED = re.compile(r"^(?:chord\s*[:=]\s*|[\[({<%])?(.*?)[\])}>]?$", re.IGNORECASE)
_CHORD_LETTER = re.compile(r"[A-H]['0-9]?")

# Yamaha's chord types in order, as lead-sheet suffixes; None for a chord that is not there.
_XF_TYPES = (
    "", "6", "maj7", "maj7#11", "add9", "maj9", "6/9", "+", "m", "m6", "m7", "m7b5", "m(add9)", "m9", "m11",
    "mmaj7", "mmaj9", "dim", "dim7", "7", "7sus4", "7b5", "9", "7#11", "13", "7b9", "7b13", "7#9", "maj7#5",
    "7#5", "5", "5", "sus4", "sus2", None,
)  # fmt: skip
_XF_NOTES = "CDEFGAB"
_XF_SIGNS = ("bbb", "bb", "b", "", "#", "##", "###")


class ChordNames(NamedTuple):
    """What a file names.

    Attributes:
        chords: (tick, chord), increasing.
        naming: whose note names they were written with.
        doubtful: whether they may be letters of sections all the same; see `is_heard`.
    """

    chords: tuple[tuple[int, Chord], ...]
    naming: Naming
    doubtful: bool = False


NOTHING = ChordNames((), "english")


def find_chord_names(data: bytes, ticks_per_quarter: int) -> ChordNames:
    """The chords that a file names.

    Args:
        data: a MIDI file of format 0 or 1.
        ticks_per_quarter: of the file.

    Returns:
        Of several streams that name chords the one with most; nothing where no stream does.
    """
    events = data.count(b"\xff\x7f") if _XF in data else 0
    if all(data.count(bytes([0xFF, kind])) < _MIN_CHORDS for kind in KINDS) and events < _MIN_CHORDS:
        return NOTHING
    best = NOTHING
    for begin, end in track_chunks(data):
        track = data[begin:end]
        if sum(track.count(bytes([0xFF, kind])) for kind in (*KINDS, _SEQUENCER)) < _MIN_CHORDS:
            continue
        streams: dict[int, list[tuple[int, bytes]]] = {}
        count = 0
        for tick, kind, content in meta_texts(track):
            if kind in KINDS or (kind == _SEQUENCER and content.startswith(_XF)):
                streams.setdefault(kind, []).append((tick, content))
                count += 1
                if count > MAX_TEXTS:
                    return NOTHING
        for kind, stream in streams.items():
            found = _xf_chords(stream) if kind == _SEQUENCER else _named(stream, ticks_per_quarter)
            if len(found.chords) > len(best.chords):
                best = found
    return best


def _named(stream: Sequence[tuple[int, bytes]], ticks_per_quarter: int) -> ChordNames:
    """The chords of a stream of texts."""
    texts = [(tick, _plain(content)) for tick, content in stream]
    texts = [(tick, text) for tick, text in texts if text and text[0] not in "@#\\/"]
    texts = [(tick, text) for tick, text in texts if not _SECTION.fullmatch(text)]
    if len(texts) < _MIN_CHORDS or sum(len(text) > 20 for _, text in texts) > 0.1 * len(texts):
        return NOTHING
    different = {text for _, text in texts}
    if len(different) > _MOST_NAMES:
        return NOTHING
    naming = find_naming(different)
    if naming == "latin" and _are_syllables(texts, different, ticks_per_quarter):
        return NOTHING
    names = {text: _chord(text, naming) for text in different}
    chords: dict[int, Chord] = {}
    unread = 0
    for tick, text in texts:
        chord = names[text]
        if chord is not None:
            chords[tick] = chord
        else:
            unread += tick > 0  # remarks stand at the beginning
    sounding = [tick for tick, chord in chords.items() if not chord.is_none]
    if len(sounding) < _MIN_CHORDS or len(chords) < _SHARE * (len(chords) + unread):
        return NOTHING
    if len({chords[tick] for tick in sounding}) < _MIN_CHORDS:  # "la la la"
        return NOTHING
    labels = [text for _, text in texts]
    if _are_sections(labels, sorted(chords), ticks_per_quarter):
        return NOTHING
    ordered = tuple(sorted(chords.items(), key=lambda item: item[0]))
    apart = median(b - a for (a, _), (b, _) in pairwise(ordered)) / ticks_per_quarter
    bare = all(_CHORD_LETTER.fullmatch(text) for text in labels)
    doubtful = bare and apart > _MOST_LETTERS / 2 and _in_alphabetical_order(labels)
    return ChordNames(ordered, naming, doubtful)


def is_heard(chords: Sequence[tuple[int, Chord]], tracks: Sequence[np.ndarray]) -> bool:
    """Whether the notes of a file are, for the most part, those of its chords.

    Args:
        chords: (tick, chord), increasing.
        tracks: of pitched notes, each [notes, 4] onset, duration, pitch, velocity.
    """
    rows = np.concatenate([np.zeros((0, 4), dtype=np.int64), *tracks])
    ticks = np.array([tick for tick, _ in chords])
    tones = np.array([[pc in chord.pitch_classes for pc in range(12)] for _, chord in chords])
    under = np.searchsorted(ticks, rows[:, 0], side="right") - 1
    heard = tones[np.maximum(under, 0), rows[:, 2] % 12] & (under >= 0)
    return bool(rows[heard, 1].sum() >= _HEARD * max(1, rows[:, 1].sum()))


def _are_syllables(
    texts: Sequence[tuple[int, str]], different: Collection[str], ticks_per_quarter: int
) -> bool:
    """Whether solfège is what is sung: in small letters, or bare names that change from beat to beat."""
    if any(text[0].islower() for text in different):
        return True
    ticks = sorted({tick for tick, _ in texts})
    fast = len(ticks) > 1 and median(b - a for a, b in pairwise(ticks)) < _FASTEST * ticks_per_quarter
    return fast and all(text.isalpha() and text.lower() in _BARE for text in different)


def _chord(text: str, naming: Naming) -> Chord | None:
    try:
        return parse_harte(text) if ":" in text else parse_lead_sheet(to_english(text, naming))
    except ChordError:
        return None


def _plain(content: bytes) -> str:
    """A text without the signs that programs put around chord names."""
    text = content[:60].decode("utf-8", "replace").strip(" \t\r\n\0")
    match = _WRAPPED.match(text)
    inner = match[1].strip() if match is not None else text
    return inner if inner.count("(") == inner.count(")") else text


def _are_sections(texts: Sequence[str], ticks: Sequence[int], ticks_per_quarter: int) -> bool:
    """Whether single letters name sections: in alphabetical order as they first appear, or far apart."""
    if not all(_CHORD_LETTER.fullmatch(text) for text in texts):
        return False
    if any(text[1:] for text in texts):  # "A1": no chord has such a name
        return True
    apart = median(b - a for a, b in pairwise(ticks)) / ticks_per_quarter
    return apart >= _SLOWEST or (_in_alphabetical_order(texts) and apart > _MOST_LETTERS)


def _in_alphabetical_order(texts: Sequence[str]) -> bool:
    """Whether labels are the letters of sections as they come: A first, B before C."""
    first = list(dict.fromkeys(texts))
    return first == [chr(ord("A") + place) for place in range(len(first))]


def _xf_chords(stream: Sequence[tuple[int, bytes]]) -> ChordNames:
    """The chords of XF events: root, type, and the same of a bass (127 where there is none)."""
    chords: dict[int, Chord] = {}
    for tick, content in stream:
        if len(content) < len(_XF) + 4:
            continue
        root, kind, bass, _ = content[len(_XF) : len(_XF) + 4]
        name, low = _xf_note(root), _xf_note(bass)
        suffix = _XF_TYPES[kind] if kind < len(_XF_TYPES) else None
        if name is None or suffix is None:
            chords[tick] = Chord.NONE
            continue
        chord = parse_lead_sheet(f"{name}({suffix})/{low}" if low else f"{name}({suffix})")
        written = chord.written and Written(
            name, suffix if not chord.is_exact else None, low or "", chord.is_exact
        )
        chords[tick] = Chord(chord.root, chord.quality, chord.bass, written)
    if not any(not chord.is_none for chord in chords.values()):
        return NOTHING
    return ChordNames(tuple(sorted(chords.items(), key=lambda item: item[0])), "english")


def _xf_note(code: int) -> str | None:
    """The name of an XF note, such as 0x31 for C; None for no note."""
    sign, note = code >> 4, code & 0x0F
    if not 1 <= note <= 7 or sign >= len(_XF_SIGNS):
        return None
    return _XF_NOTES[note - 1] + _XF_SIGNS[sign]
