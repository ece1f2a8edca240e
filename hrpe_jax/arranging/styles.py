"""The styles of the band: pattern files, and which style fits a piece.

A file has settings, then roles in square brackets with rows of steps:

    title: Bossa nova
    meter: 4/4
    tempo: 100-170
    programs: comp=24 bass=32
    push: 1/8

    [main]
    comp      |x-.x-.x-|.x-.x-..|
    bass      |1--51--5|
    kick      |x--xx--x|
    rim 3     |x..x..x.|..x.x...|

Every row is a part or a drum, a weight where there are several rows for one part (they are drawn by it), and
bars between lines. The signs of a bar share it evenly: 8 are eighths in 4/4, 12 are triplets. Roles are
`main` (needed), `quiet` (introductions, interludes), `full` (the second letter of a form and later ones),
`fill` (the last bar of a section) and `end` (the last bar). The last two change only the rows that they name.

Signs:  `.` silence  `-` goes on  `x` play  `X` loud  `o` soft
comp:   `1` to `4` one voice from below, `d` and `u` strummed down and up, `>` what sounds next, early
bass:   `1` root, `3` `5` `7` `8` chord tones, `w` walks, `a` leads on, `>` the next root, early
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from statistics import median

from hrpe_jax.errors import Unusable, UserError
from hrpe_jax.score.score import Score
from hrpe_jax.theory.meter import TICKS_PER_WHOLE, Meter

ROLES = ("main", "quiet", "full", "fill", "end")
DRUMS = {
    "kick": 36, "rim": 37, "snare": 38, "clap": 39, "brush": 40, "hat": 42, "pedal": 44, "open": 46,
    "low_tom": 45, "mid_tom": 47, "crash": 49, "high_tom": 50, "ride": 51, "bell": 53, "tambourine": 54,
    "cowbell": 56,
    "shaker": 70, "maracas": 70, "claves": 75, "triangle": 81,
}  # fmt: skip
"""Names of drums, and their keys in General MIDI."""
_SIGNS = {"comp": ".-xXo1234du>", "bass": ".-135678wa>xX"}
_DRUM_SIGNS = ".-xXo"
_SETTINGS = ("title", "meter", "tempo", "programs", "swing", "push", "voices")
MAX_BYTES, MAX_STEPS = 100_000, 96


@dataclass(frozen=True)
class Row:
    """A rhythm of one part: a string of signs for each of its bars."""

    bars: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Style:
    """A style of accompaniment.

    Attributes:
        name: what `--band` calls it.
        title: for people.
        meter: of its bars.
        tempo: slowest and fastest, quarter notes a minute.
        programs: General MIDI programs of "melody", "comp" and "bass".
        swing: share of a beat that its first eighth has.
        push: ticks by which a section is begun early; 0 for on the beat.
        voices: of the comping, at most.
        roles: role -> part or drum -> its rows.
    """

    name: str
    title: str
    meter: Meter
    tempo: tuple[float, float]
    programs: dict[str, int]
    swing: float = 0.5
    push: int = 0
    voices: int = 4
    roles: dict[str, dict[str, tuple[Row, ...]]] = field(default_factory=dict)


def read_style(path: Path) -> Style:
    """Reads a pattern file.

    Raises:
        UserError: it cannot be read, or a line is wrong: the file, the line and what was expected.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unusable(f"{path}: cannot be read ({error.strerror}); expected a pattern file") from None
    if len(data) > MAX_BYTES:
        raise Unusable(f"{path}: expected a pattern file of at most {MAX_BYTES} bytes")
    try:
        return parse_style(data.decode("utf-8", errors="replace"), path.stem, str(path))
    except UserError as error:
        raise Unusable(str(error)) from None


def parse_style(text: str, name: str, where: str) -> Style:
    """Reads the text of a pattern file; `where` is what messages call it.

    Args:
        text: of the file.
        name: of the style.
        where: what messages call the file.
    """
    settings: dict[str, tuple[str, int]] = {}
    roles: dict[str, dict[str, tuple[Row, ...]]] = {}
    role = ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        place = f"{where}: line {number}"
        if not line:
            continue
        if line.startswith("["):
            role = line.strip("[]").strip()
            if role not in ROLES or not line.endswith("]"):
                raise UserError(f"{place}: {line[:40]!r}: expected one of [{'], ['.join(ROLES)}]")
            if role in roles:
                raise UserError(f"{place}: [{role}] a second time: expected each role once")
            roles[role] = {}
        elif not role:
            key, colon, value = line.partition(":")
            if not colon or key.strip() not in _SETTINGS:
                raise UserError(
                    f"{place}: {line[:40]!r}: expected a setting ({', '.join(_SETTINGS)}) and a colon"
                )
            settings[key.strip()] = value.strip(), number
        else:
            part, row = _row(line, place)
            roles[role][part] = (*roles[role].get(part, ()), row)
    if not roles.get("main"):
        raise UserError(f"{where}: expected a role [main] with rows")
    return _style(name, settings, roles, where)


def _row(line: str, place: str) -> tuple[str, Row]:
    match = re.fullmatch(r"(\w+)\s*(\d+(?:\.\d+)?)?\s*\|(.+)\|", line)
    if match is None:
        raise UserError(f"{place}: {line[:40]!r}: expected a row such as `bass |1---5---|`")
    part, weight, steps = match[1], float(match[2] or 1), match[3]
    if part not in _SIGNS and part not in DRUMS:
        raise UserError(f"{place}: part {part!r}: expected comp, bass or one of {', '.join(DRUMS)}")
    bars = tuple("".join(bar.split()) for bar in steps.split("|"))
    signs = _SIGNS.get(part, _DRUM_SIGNS)
    for bar in bars:
        wrong = sorted(set(bar) - set(signs))
        if wrong or not 1 <= len(bar) <= MAX_STEPS:
            what = f"sign {wrong[0]!r}" if wrong else f"{len(bar)} signs"
            raise UserError(f"{place}: {what} in a bar of {part}: expected 1 to {MAX_STEPS} of {signs}")
    if not weight > 0:
        raise UserError(f"{place}: weight {weight:g}: expected more than 0")
    return part, Row(bars, weight)


def _style(
    name: str,
    settings: dict[str, tuple[str, int]],
    roles: dict[str, dict[str, tuple[Row, ...]]],
    where: str,
) -> Style:
    def setting(key: str, default: str, pattern: str, expected: str) -> re.Match[str]:
        text, number = settings.get(key, (default, 0))
        match = re.fullmatch(pattern, text)
        if match is None:
            raise UserError(f"{where}: line {number}: {key} {text[:40]!r}: expected {expected}")
        return match

    number = r"\d{1,3}(?:\.\d{1,3})?"
    meter = setting("meter", "4/4", r"(\d{1,2})/(2|4|8|16)", "such as 4/4")
    bar = Meter(max(1, int(meter[1])), int(meter[2]))
    if not bar.is_supported:
        raise UserError(f"{where}: meter {bar}: expected one that pieces can have, such as 4/4 or 6/8")
    tempo = setting("tempo", "40-220", rf"({number})\s*-\s*({number})", "such as 90-140")
    programs = setting("programs", "", r"((?:(?:melody|comp|bass)=\d{1,3}\s*)*)", "such as comp=4 bass=33")
    numbers = {part: int(value) for part, value in re.findall(r"(melody|comp|bass)=(\d+)", programs[1])}
    if any(value > 127 for value in numbers.values()):
        raise UserError(f"{where}: programs: expected General MIDI programs 0 to 127")
    push = setting("push", "0", r"0|1/(4|8|16)", "0, 1/4, 1/8 or 1/16")
    swing = float(setting("swing", "0.5", number, "0.5 (even) to 0.75")[0])
    if not 0.5 <= swing <= 0.75:
        raise UserError(f"{where}: swing {swing:g}: expected 0.5 (even) to 0.75")
    voices = int(setting("voices", "4", "[1-4]", "1 to 4")[0])
    return Style(
        name=name,
        title=settings.get("title", (name, 0))[0],
        meter=bar,
        tempo=(float(tempo[1]), float(tempo[2])),
        programs={"melody": 0, "comp": 4, "bass": 33, **numbers},
        swing=swing,
        push=TICKS_PER_WHOLE // int(push[1]) if push[1] else 0,
        voices=voices,
        roles=roles,
    )


NONE, BLOCK = "none", "block"
PARTS = ("comp", "bass", "drums")
_ALIASES = {"6/8": "six_eight", "jazz": "swing", "strum": "folk", "bossa_nova": "bossa", "hymns": "hymn"}
_HYMNS = ("hymns", "chorales")
_SEVENTHS = 0.5
"""Share of chords with a seventh from which a piece is taken for jazz."""


@dataclass(frozen=True)
class Band:
    """What plays.

    Attributes:
        name: of the style, or "none" or "block".
        style: its patterns; None for "none" and "block".
        without: parts that are left out, among `PARTS`.
    """

    name: str
    style: Style | None = None
    without: frozenset[str] = frozenset()


@cache
def band_names() -> tuple[str, ...]:
    """What `--band` may be, apart from a pattern file."""
    names = sorted(entry.name for entry in files(__package__).joinpath("patterns").iterdir())
    return (NONE, BLOCK, *(name.removesuffix(".txt") for name in names if name.endswith(".txt")))


@cache
def load_style(name: str) -> Style:
    """The style of the package with this name."""
    with as_file(files(__package__).joinpath("patterns", f"{name}.txt")) as path:
        return parse_style(path.read_text(encoding="utf-8"), name, f"{name}.txt")


def read_band(text: str) -> Band:
    """Reads what a user asks for: "swing", "swing-drums" (without them), or a pattern file.

    Raises:
        UserError: no such style, with the nearest names; or a pattern file that is wrong.
    """
    if text.endswith(".txt"):
        style = read_style(Path(text))
        return Band(style.name, style)
    words = re.split(r"\s*-\s*", text.strip().lower())
    name, left_out = words[0].replace(" ", "_"), words[1:]
    name = _ALIASES.get(name, name)
    unknown = [part for part in left_out if part not in PARTS]
    if unknown:
        raise UserError(f"--band: part {unknown[0]!r}: expected {', '.join(PARTS)}, such as swing-drums")
    if name not in band_names():
        near = difflib.get_close_matches(name, band_names(), 3, 0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UserError(
            f"--band: {text!r}: {hint}expected one of {', '.join(band_names())}, or a pattern file (.txt)"
        )
    return Band(name, None if name in (NONE, BLOCK) else load_style(name), frozenset(left_out))


def fitting_band(score: Score, style: str = "") -> Band:
    """The band that fits a piece.

    Args:
        score: whose meter, tempo and harmony count.
        style: of the music, such as "folk" or "hymns"; "" where it is not known.
    """
    return Band(name := _fitting(score, style), load_style(name))


def _fitting(score: Score, style: str) -> str:
    spans = [span for span in score.chords if not span.chord.is_none]
    triple = score.meter.numerator % 3 == 0 and score.meter.numerator < 9
    if score.meter.is_compound:
        return "six_eight"
    if style in _HYMNS:
        return "hymn_three" if triple else "hymn"
    if triple:
        return "waltz"
    if style == "folk":
        return "folk"
    if style == "pop":
        return _popular(score.tempo_bpm)
    rich = sum(len(span.chord.pitch_classes) > 3 for span in spans)
    if style == "standards" or (spans and rich >= _SEVENTHS * len(spans) and not _changes_every_beat(score)):
        return "swing" if score.tempo_bpm >= 110 else "bossa" if score.tempo_bpm >= 85 else "ballad"
    return "hymn" if _changes_every_beat(score) else _popular(score.tempo_bpm)


def _changes_every_beat(score: Score) -> bool:
    lengths = [span.duration for span in score.chords if not span.chord.is_none]
    return bool(lengths) and median(lengths) <= score.meter.beat_ticks


def _popular(tempo: float) -> str:
    return "ballad" if tempo < 84 else "pop" if tempo < 132 else "rock"


def style_for_meter(style: Style, meter: Meter) -> tuple[Style, str]:
    """A style that can play a meter.

    Returns:
        The style itself, or the nearest that has such bars; and what to tell about that, in a line ("" where
        there is nothing to tell).
    """
    if _beats_alike(style.meter, meter):
        return style, ""
    if meter.is_compound:
        other = load_style("six_eight")
    elif meter.numerator % 3 == 0:
        other = load_style("hymn_three" if style.name == "hymn" else "waltz")
    elif style.meter.is_compound or style.meter.numerator % 3 == 0:
        other = load_style("hymn" if style.name == "hymn_three" else "pop")
    else:  # bars of fours, cut or gone on with
        return style, f"{style.name} has no pattern for {meter}: its {style.meter} bars are cut to fit"
    return other, f"{style.name} has no pattern for {meter}: the band plays {other.name}"


def _beats_alike(own: Meter, other: Meter) -> bool:
    """Whether whole bars of the pattern fill whole bars of the piece, or halves of them."""
    if own.is_compound != other.is_compound:
        return False
    longer, shorter = max(own.bar_ticks, other.bar_ticks), min(own.bar_ticks, other.bar_ticks)
    return longer % shorter == 0 and (longer // shorter in (1, 2))
