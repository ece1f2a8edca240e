"""Sound files of the text formats that no folder of real music holds: what `fuzz_readers` damages.

`write_sources(folder, songs)` writes songs that were read as links of iReal Pro, ChordPro songs, text grids,
Nashville numbers and Humdrum, and adds files made by hand that use every sign of a format.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

from hrpe_jax.formats.charts.write import chord_grid, chordpro, irealb_link
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import Chord, root_name, to_harte, to_lead_sheet
from hrpe_jax.theory.key import MAJOR_SCALE
from hrpe_jax.theory.meter import TICKS_PER_WHOLE
from hrpe_jax.theory.pitch import midi_name

SUFFIXES = {
    "humdrum": ".krn", "ireal": ".html", "chordpro": ".cho", "grid": ".txt", "nashville": ".numbers",
}  # fmt: skip
"""The kinds that are written here, and how their files end."""

_IREAL = "irealbook://" + quote(
    "Signs=Last First=Ballad=D-=n=*i[T44D-   |SA7b9,sG-,C7,l|F^7(Bb^7)   |x ]*A{Q N1Eh7 A7alt |r| |N2 "
    "D-/C   }<3x>*B[T34G-7*sus*   |W/F  |n |p |f Y|<D.S. al Coda>U]<Fine>Q[E7b9#5/G# Z"
)
_CHORDPRO = """{title: Every Sign}
{subtitle: of a format}
{artist: Nobody}
{meta: composer Somebody}
{key: Bbm}
{tempo: 96.5}
{time: 6/8}
{capo: 2}
{define: Bbm base-fret 1 frets x 1 3 3 2 1}
# a remark
{start_of_verse: Verse 1}
[Bbm]Words and [Gb/Db]more of [*Slowly]them [Ab7sus4]here [N.C.]end (x2)
[|] [Bbm] [|] [Eb7] [|] [%] [|]
{end_of_verse}
{soc}
[Db]Row, [Gbmaj7]row [F7#9]row
{eoc}
{sot}
e|--1--3--|
{eot}
{start_of_grid: Solo}
|: Bbm . . | Gb . Ab7 | % | %% :| x3
{end_of_grid}
{c: again}
{chorus}
"""
_GRID = """A Song of Signs
Key: Eb   Tempo: 120   Time: 4/4
Composer: Nobody

[Intro] | Eb / / / | Cm7 F7 | % | Bb7sus4 . . N.C. | x2
A: |: Fm7 Bb7 | Ebmaj7 |1. Cm7 :|2. Eb6 | C,F | Gm7b5 C7(b9) Fm Abm6 ||
[B] | Eb/G - - Gb\u00b07 | ./. | B\u266d7 | E\u266d | (x3)
"""
_NUMBERS = ("1 6- 4 57", "1 | 4 1/3 | 5sus 5 | b7 | ? | %", "Key: Bb\n| 1 | 6- 4 | 2-7 57 | #4o b6 | x2\n")
_HUMDRUM = """!!!OTL: Every Sign
**kern\t**kern\t**mxhm\t**text
*Ipiano\t*I"Voice\t*\t*
*>[A,B,A]\t*>[A,B,A]\t*>[A,B,A]\t*>[A,B,A]
*k[b-e-]\t*k[b-e-]\t*\t*
*g:\t*g:\t*\t*
*M3/4\t*M3/4\t*\t*
*MM[96]\t*MM[96]\t*\t*
*>A\t*>A\t*>A\t*>A
4r\t(4d/\t.\tLa
=1\t=1\t=1\t=1
*^\t*\t*\t*
2.GG\t4r\t8b-L\tG minor\tla
.\t.\t8aJ\t.\t.
.\t2B- d\t[4g\t.\t-
.\t.\t4g]\tE- major-seventh/G\t.
*v\t*v\t*\t*\t*
*>B\t*>B\t*>B\t*>B
=2\t=2\t=2\t=2
4D 4F#\t12f#q\tD dominant\t.
.\t12a\t.\t.
.\t12cc\t.\t.
.\t12b-\t.\t.
2r\t2a;\tnone\t.
==\t==\t==\t==
*-\t*-\t*-\t*-
"""


def write_sources(folder: Path, songs: Sequence[Score]) -> dict[str, list[str]]:
    """Writes files of every kind and gives their paths, by kind.

    Args:
        folder: must exist.
        songs: with chords; where there are none, only the files made by hand are written.
    """
    texts: dict[str, list[str]] = {
        "humdrum": [_HUMDRUM, *map(humdrum, songs)],
        "ireal": [f'<a href="{link}">list</a>\n' for link in (_IREAL, *map(irealb_link, songs))],
        "chordpro": [_CHORDPRO, *map(chordpro, songs)],
        "grid": [_GRID, *map(chord_grid, songs)],
        "nashville": [*_NUMBERS, *map(nashville, songs)],
    }
    paths: dict[str, list[str]] = {}
    for kind, written in texts.items():
        paths[kind] = []
        for number, text in enumerate(written):
            path = folder / f"{kind}{number:03d}{SUFFIXES[kind]}"
            path.write_bytes(text.encode())
            paths[kind].append(str(path))
    return paths


def nashville(score: Score) -> str:
    """The chord at the beginning of each bar as a number of the major scale on the tonic."""
    starts = [span.onset for span in score.chords]
    heard = [score.chords[max(0, bisect_right(starts, bar) - 1)].chord for bar in score.bar_starts()]
    return " | ".join(_number(chord, score) for chord in heard)


def _number(chord: Chord, score: Score) -> str:
    if chord.is_none:
        return "N.C."
    name = to_lead_sheet(Chord(chord.root, chord.quality), score.key, as_written=False)
    suffix = name.removeprefix(root_name(chord, score.key))
    low = f"/{_degree(chord.bass - score.key.tonic)}" if chord.bass != chord.root else ""
    return _degree(chord.root - score.key.tonic) + suffix + low


def _degree(steps: int) -> str:
    steps %= 12
    if steps in MAJOR_SCALE:
        return str(MAJOR_SCALE.index(steps) + 1)
    return f"b{MAJOR_SCALE.index(steps + 1) + 1}"


def humdrum(score: Score) -> str:
    """The melody as `**kern` and the chords as `**harte`."""
    notes = {note.onset: (_recip(note.duration) + _kern(note.pitch), note.end) for note in score.melody}
    chords = {span.onset: span.chord for span in score.chords}
    bars = set(score.bar_starts())
    places = sorted({*notes, *chords, *bars, *(end for _, end in notes.values()), score.end})
    rows = ["**kern\t**harte", f"*M{score.meter}\t*", f"*MM{score.tempo_bpm:.0f}\t*"]
    until = 0
    for place, after in zip(places, [*places[1:], score.end], strict=True):
        if place in bars:
            rows.append("=\t=")
        if place in notes:
            token, until = notes[place]
        else:
            token = "." if place < until else _recip(after - place) + "r"
        if after > place:
            rows.append(f"{token}\t{to_harte(chords[place]) if place in chords else '.'}")
    return "\n".join([*rows, "==\t==", "*-\t*-", ""])


def _recip(ticks: int) -> str:
    length = Fraction(max(1, ticks), TICKS_PER_WHOLE)
    return f"{length.denominator}%{length.numerator}" if length.numerator > 1 else str(length.denominator)


def _kern(pitch: int) -> str:
    name = midi_name(pitch)
    letter, sign, octave = name[0], name[1:-1].replace("b", "-"), int(name[-1])
    return (letter.lower() * (octave - 3) if octave > 3 else letter * (4 - octave)) + sign
