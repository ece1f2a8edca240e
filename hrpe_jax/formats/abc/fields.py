"""What the information fields of an ABC tune say: key, meter, unit length, tempo, clef, order of parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from hrpe_jax.theory.key import Key, Mode
from hrpe_jax.theory.meter import Meter

SHARPS = "FCGDAEB"
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
MAX_PARTS = 1000

# Steps along the line of fifths from the major signature on the same tonic, and which of our two modes has
# the same third.
_MODES: dict[str, tuple[int, Mode]] = {
    "maj": (0, "major"), "ion": (0, "major"), "mix": (-1, "major"), "lyd": (1, "major"),
    "dor": (-2, "minor"), "min": (-3, "minor"), "aeo": (-3, "minor"), "m": (-3, "minor"),
    "phr": (-4, "minor"), "loc": (-5, "minor"),
}  # fmt: skip
_PLAIN = frozenset({"maj", "ion", "min", "aeo", "m", ""})
_KEY = re.compile(r"([A-Ga-g])([#b♯♭]?)\s*([A-Za-z]*)")
_EXPLICIT = re.compile(r"(?<![A-Za-z0-9=])(\^{1,2}|_{1,2}|=)\s?([A-Ga-g])(?![A-Za-z])")
_ALTERS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}


@dataclass(frozen=True)
class AbcKey:
    """A key as ABC says it.

    Attributes:
        key: the major or minor key on the same tonic with the same third; None where none is named.
        fifths: sharps (positive) or flats of the mode's signature; None where none is named.
        alters: semitones by which the signature moves each letter that it moves.
        mode_named: whether a mode is written, and not only a tonic.
        modal: whether it is another mode than major and minor, or has accidentals of its own.
    """

    key: Key | None = None
    fifths: int | None = None
    alters: tuple[tuple[str, int], ...] = ()
    mode_named: bool = False
    modal: bool = False

    def sounding(self, semitones: int) -> AbcKey:
        """The key that is heard where a transposing instrument reads this one; the signature's alterations
        stay those of the page."""
        if not semitones:
            return self
        fifths = None if self.fifths is None else (self.fifths + 7 * semitones + 6) % 12 - 6
        return replace(self, key=self.key and self.key.transpose(semitones), fifths=fifths)


def parse_key(text: str) -> AbcKey | None:
    """Read the value of a `K:` field: "G", "Ador", "F#m", "Bb mixolydian", "D exp _b ^f", "HP", "none".

    Returns:
        None where the field says a clef only, and the key stays.
    """
    text = text.strip()
    low = text.lower()
    if low.startswith("hp"):  # Highland pipes: A Mixolydian, written without signature or with two sharps
        return AbcKey(Key(9, "major"), 2, (("C", 1), ("F", 1)), True, True)
    if not text or low.startswith("none"):
        return AbcKey()
    explicit = tuple((match[2].upper(), _ALTERS[match[1]]) for match in _EXPLICIT.finditer(text))
    match = _KEY.match(text)
    mode = match[3].lower()[:3] if match else ""
    word = bool(match and match[3]) and mode not in _MODES
    if match is None or (word and match[1].islower()):  # "clef=bass"
        return AbcKey(alters=explicit, modal=True) if explicit else None
    if match[3] == "M":
        mode = "maj"
    accidental = {"#": 1, "♯": 1, "b": -1, "♭": -1, "": 0}[match[2]]
    letter = match[1].upper()
    steps, third = _MODES.get(mode, (0, "major"))
    fifths = SHARPS.index(letter) - 1 + 7 * accidental + steps
    alters = {} if re.search(r"\bexp\b", low) else _signature(fifths)
    alters.update(explicit)
    return AbcKey(
        key=Key((LETTERS[letter] + accidental) % 12, third),
        fifths=fifths,
        alters=tuple(sorted(alters.items())),
        mode_named=mode in _MODES,
        modal=bool(explicit) or (mode in _MODES and mode not in _PLAIN),
    )


def _signature(fifths: int) -> dict[str, int]:
    """Semitones by which so many sharps (or flats, negative) move each letter."""
    order = SHARPS if fifths > 0 else SHARPS[::-1]
    alters: dict[str, int] = {}
    for i in range(abs(fifths)):
        alters[order[i % 7]] = alters.get(order[i % 7], 0) + (1 if fifths > 0 else -1)
    return alters


class AbcMeter(NamedTuple):
    """A meter, None for free time, and how long its bar is in whole notes."""

    meter: Meter | None
    whole: Fraction


def parse_meter(text: str) -> AbcMeter | None:
    """Read the value of an `M:` field: "6/8", "C", "C|", "2+3/8", "(2+2+3)/8", "none"; None if unreadable."""
    text = text.strip()
    if text.startswith("C|"):
        return AbcMeter(Meter(2, 2), Fraction(1))
    if text.startswith("C"):
        return AbcMeter(Meter(4, 4), Fraction(1))
    if text.lower().startswith("none") or not text:
        return AbcMeter(None, Fraction(1))
    match = re.match(r"\(?([\d+ ]{1,40})\)?\s*/\s*(\d{1,2})", text)
    if match is None:
        return None
    numerator = sum(int(part) for part in re.findall(r"\d{1,3}", match[1]))
    if not 1 <= numerator <= 64 or int(match[2]) not in (1, 2, 4, 8, 16, 32, 64):
        return None
    meter = Meter(numerator, int(match[2]))
    return AbcMeter(meter, Fraction(numerator, meter.denominator))


def default_unit(meter: AbcMeter | None) -> Fraction:
    """Unit note length where no `L:` says it: a sixteenth in meters shorter than 3/4, else an eighth."""
    return Fraction(1, 16) if meter is not None and meter.whole < Fraction(3, 4) else Fraction(1, 8)


def parse_unit(text: str) -> Fraction | None:
    """Read the value of an `L:` field, 1 to 1/64 of a whole note; None if it is no such length."""
    match = re.match(r"\s*(\d{1,2})(?:\s*/\s*(\d{1,3}))?", text)
    if match is None or int(match[1]) == 0 or int(match[2] or 1) == 0:
        return None
    unit = Fraction(int(match[1]), int(match[2] or 1))
    return unit if Fraction(1, 256) <= unit <= 4 else None


def parse_tempo(text: str, unit: Fraction) -> float | None:
    """Quarter notes a minute that a `Q:` field says: "1/4=120", "120", "3/8 1/8=60"; None if it says none.

    Args:
        text: the field's value.
        unit: unit note length, which the old spellings "120" and "C=120" count in.
    """
    text = re.sub(r'"[^"]*"?', " ", text)
    match = re.match(r"([^=]{0,60})=\s*(\d{1,4}(?:\.\d{1,3})?)", text)
    if match is not None:
        beats = re.findall(r"(\d{1,3})\s*/\s*(\d{1,3})", match[1])
        beat = sum((Fraction(int(n), int(d)) for n, d in beats if int(d)), Fraction(0))
        if not beat:  # "C=120", "C3=120"
            times = re.search(r"C\s*(\d{1,2})", match[1])
            beat = unit * (int(times[1]) if times else 1)
        speed = match[2]
    else:
        plain = re.match(r"\s*(\d{1,4}(?:\.\d{1,3})?)\s*$", text)
        if plain is None:
            return None
        beat, speed = unit, plain[1]
    bpm = float(speed) * float(beat) * 4
    return bpm if 10 <= bpm <= 1000 else None


class AbcShift(NamedTuple):
    """Semitones by which sounds lie over what is written.

    Attributes:
        octaves: of the notes alone: octave=, clefs with -8 or +8.
        transpose: of notes, chords and key: a transposing instrument. None where nothing is said of it.
    """

    octaves: int = 0
    transpose: int | None = None


def parse_shift(text: str) -> AbcShift | None:
    """Read octave=, clefs with -8 or +8, and transposition from a `V:` or `K:` field.

    Transposition is `transpose=-2`, or the sounding note for a written one: `sound=c_B`, `shift=CD`,
    `shift-sound=c_B`, `instrument=_B`.

    Returns:
        None where the field says nothing of it.
    """
    octaves, transpose, said = 0, None, False
    for name, value in re.findall(r"\b(octave|transpose)\s*=\s*([+-]?\d{1,2})", text):
        if name == "octave":
            octaves += 12 * int(value)
        else:
            transpose = (transpose or 0) + int(value)
        said = True
    for value in re.findall(r"(?<![\w-])(?:shift-sound|sound|shift|instrument)\s*=\s*([A-Ga-g^_=,']+)", text):
        interval = _interval(value)
        if interval is not None:
            transpose, said = (transpose or 0) + interval, True
    octave = re.search(r"\b(?:treble|bass|alto|tenor|soprano|mezzo|baritone|[GFC])[1-5]?([+-])8", text)
    if octave is not None:
        octaves += 12 if octave[1] == "+" else -12
        said = True
    if not said:
        return None
    transpose = None if transpose is None else max(-60, min(60, transpose))
    return AbcShift(max(-60, min(60, octaves)), transpose)


_NOTE = re.compile(r"(\^{1,2}|_{1,2}|=)?([A-Ga-g])([,']{0,4})")


def _interval(value: str) -> int | None:
    """Semitones from the first note of a value to its second, or from c to the only one: `_B` is -2."""
    notes = [
        LETTERS[letter.upper()] + 12 * (letter.islower() + marks.count("'") - marks.count(","))
        + _ALTERS.get(sign, 0)
        for sign, letter, marks in _NOTE.findall(value)
    ]  # fmt: skip
    if not 1 <= len(notes) <= 2:
        return None
    return notes[-1] - (notes[0] if len(notes) == 2 else 12)


def parse_midi_transpose(value: str) -> int | None:
    """Semitones of a directive such as `MIDI transpose -2`; None where it is another."""
    match = re.match(r"MIDI\s+(?:rtranspose|transpose)\s*=?\s*([+-]?\d{1,2})\b", value)
    return max(-60, min(60, int(match[1]))) if match is not None else None


_CLEF = re.compile(
    r"(?:\bclef\s*=\s*|(?<=\s))(treble|bass|alto|tenor|soprano|mezzo|baritone|perc)\w*", re.IGNORECASE
)


class AbcVoiceField(NamedTuple):
    """What a `V:` field says of its voice: a name for people and its clef ("treble", "bass", ...); both may
    be empty."""

    name: str
    clef: str


def parse_voice(text: str) -> AbcVoiceField:
    """Read name= (or nm=) and clef of a `V:` field."""
    match = re.search(r"\b(?:name|nm)\s*=\s*(?:\"([^\"]*)\"?|(\S+))", text)
    name = "" if match is None else (match[1] if match[1] is not None else match[2] or "")
    bare = re.sub(r'"[^"]*"?', " ", text)
    clef = re.search(
        r"(?:\bclef\s*=\s*|(?<=\s))(treble|bass|alto|tenor|soprano|mezzo|baritone|perc)\w*",
        bare,
        re.IGNORECASE,
    )
    return AbcVoiceField(" ".join(name.replace("\\n", " ").split())[:100], clef[1].lower() if clef else "")


def parse_part_order(text: str) -> tuple[str, ...] | None:
    """The labels that a `P:` field of the header lists: "AABB", "A2(BC)3", "A.B"; None if it lists none.

    At most `MAX_PARTS` labels are given.
    """
    pieces = re.findall(r"([A-Za-z])|([(])|([)])|(\d{1,3})", text)
    if not pieces or re.search(r"[^A-Za-z0-9(). \t]", text):
        return None
    stack: list[list[str]] = [[]]
    last: list[str] = []
    for label, opening, closing, number in pieces:
        if label:
            last = [label]
        elif opening:
            stack.append([])
            continue
        elif closing:
            if len(stack) == 1:
                return None
            last = stack.pop()
        else:
            last = last * max(0, min(int(number), MAX_PARTS) - 1)
        stack[-1].extend(last[:MAX_PARTS])
        if len(stack[-1]) > MAX_PARTS or len(stack) > MAX_PARTS:
            return None
    return tuple(stack[0]) if len(stack) == 1 and stack[0] else None
