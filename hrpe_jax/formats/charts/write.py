"""Chord charts for players who want changes only: a text grid, ChordPro, and a link for iReal Pro."""

from __future__ import annotations

import os
from bisect import bisect_right
from pathlib import Path
from urllib.parse import quote

from hrpe_jax.score.notation import bar_lengths
from hrpe_jax.score.score import Score
from hrpe_jax.score.written import Measure, cut_pickup, lay_out
from hrpe_jax.theory.chord import Chord, bass_name, root_name, to_lead_sheet
from hrpe_jax.theory.key import Key

_SAME = "%"
# A quality as iReal Pro writes it.
_IREAL = {
    "maj": "", "min": "-", "dim": "o", "aug": "+", "maj6": "6", "min6": "-6", "7": "7", "maj7": "^7",
    "min7": "-7", "minmaj7": "-^7", "dim7": "o7", "hdim7": "h7", "sus2": "2", "sus4": "sus", "7sus4": "7sus",
    "5": "5", "add9": "add9", "minadd9": "-", "9": "9", "maj9": "^9", "min9": "-9", "11": "11", "13": "13",
    "min11": "-11", "maj13": "^13", "7b9": "7b9", "7#9": "7#9", "7#11": "7#11", "7#5": "7#5", "6/9": "69",
    "maj7#5": "^7#5", "9sus4": "9sus",
}  # fmt: skip
_IREAL_CELLS = 4
"""Places for chords in a bar of iReal Pro."""
_IREAL_MARK = "1r34LbKcu7"
_SCRAMBLED = 50


def write_chord_grid(score: Score, path: str | os.PathLike[str]) -> None:
    """Writes the chords as a grid of text, four bars a line; the folder must exist."""
    _write(path, chord_grid(score))


def write_chordpro(score: Score, path: str | os.PathLike[str]) -> None:
    """Writes the chords, and the words where there are any, as a ChordPro file; the folder must exist."""
    _write(path, chordpro(score))


def write_irealb(score: Score, path: str | os.PathLike[str]) -> None:
    """Writes the link that opens the chords in iReal Pro; the folder must exist."""
    _write(path, irealb_link(score) + "\n")


def _write(path: str | os.PathLike[str], text: str) -> None:
    Path(path).write_text(text, encoding="utf-8", newline="\n")


def chord_grid(score: Score) -> str:
    """The chords as text: a bar in each column, section letters before the lines, repeats as signs."""
    score = cut_pickup(score)
    about = f"{score.key.name}, {score.meter}, {score.tempo_bpm:.6g} quarter notes a minute"
    head = [score.title or score.id, *([score.composer] if score.composer else []), about, ""]
    lines: list[tuple[str, list[str]]] = []
    measures = lay_out(score)
    cells = [_cell(score, measure) for measure in measures]
    for measure, cell in zip(measures, cells, strict=True):
        if not lines or measure.new_system:
            lines.append((measure.section, []))
        ending = f"{measure.ending}. " if measure.ending_start else ""
        before = "|:" if measure.repeat_start else "| "
        after = ":|" if measure.repeat_end else ""
        lines[-1][1].append(f"{before} {ending}{cell} {after}")
    width = max((len(bar) for _, bars in lines for bar in bars), default=0)
    margin = max((len(letter) for letter, _ in lines), default=0)
    body = [
        f"{letter:<{margin}} {''.join(bar.ljust(width) for bar in bars).rstrip()} |".replace(":| |", ":|")
        for letter, bars in lines
    ]
    return "\n".join([*head, *body, ""])


def _cell(score: Score, measure: Measure) -> str:
    """The chords of a bar as words; a chord's beats as slashes where the bar has several."""
    start, end = measure.bar.start, measure.bar.end
    spans = [span for span in score.chords if span.onset < end and span.end > start]
    if not spans:
        return "N.C."
    words = []
    entered = measure.chord is not None or measure.new_system or not start
    for span in spans:
        name = to_lead_sheet(span.chord, score.key)
        beats = (min(span.end, end) - max(span.onset, start)) // score.meter.beat_ticks
        shown = name if span.onset >= start or entered or len(spans) > 1 else _SAME
        words.append(" ".join([shown, *["/"] * (beats - 1)]) if len(spans) > 1 else shown)
    return " ".join(words)


def chordpro(score: Score) -> str:
    """A ChordPro song: its words with chords over them, or a grid where nothing is sung."""
    score = cut_pickup(score)
    tonic, mode = score.key.name.split()
    head = [f"{{title: {score.title or score.id}}}"]
    head += [f"{{composer: {score.composer}}}"] if score.composer else []
    head += [
        f"{{key: {tonic}{'m' if mode == 'minor' else ''}}}",
        f"{{time: {score.meter}}}",
        f"{{tempo: {score.tempo_bpm:.6g}}}",
        "",
    ]
    body = _sung(score) if any(note.lyric for note in score.melody) else _grid(score)
    return "\n".join([*head, *body, ""])


def _grid(score: Score) -> list[str]:
    lines: list[str] = ["{start_of_grid}"]
    row: list[str] = []
    measures = lay_out(score)
    for index, measure in enumerate(measures):
        if measure.new_system and row:
            lines.append(f"| {' | '.join(row)} |")
            row = []
        if measure.section and index:
            lines += ["{end_of_grid}", "", "{start_of_grid: " + measure.section + "}"]
        row.append(_cell(score, measure).replace("/ ", ". ").replace(" /", " ."))
    return [*lines, f"| {' | '.join(row)} |", "{end_of_grid}"]


def _sung(score: Score) -> list[str]:
    """The words, a line for every four bars, with the chords in brackets where they begin."""
    bars = [start for start, _ in bar_lengths(score)]
    events: list[tuple[int, int, str]] = [
        (span.onset, 0, f"[{to_lead_sheet(span.chord, score.key)}]") for span in score.chords
    ]
    events += [(note.onset, 1, note.lyric) for note in score.melody if note.lyric]
    letters = {bars[section.first_bar]: section.letter for section in score.form}
    lines: list[str] = []
    line, number = "", -1
    for tick, kind, text in sorted(events):
        bar = bisect_right(bars, tick) - 1
        if bar // 4 != number:
            lines += [line.strip()] if line.strip() else []
            line, number = "", bar // 4
        if bars[bar] in letters:
            lines += [line.strip()] if line.strip() else []
            lines += ["", "{comment: " + letters.pop(bars[bar]) + "}"]
            line = ""
        if kind == 0:
            line += text
        else:
            line += text.strip("-") + ("" if text.endswith("-") else " ")
    return [*lines, line.strip()]


def irealb_link(score: Score) -> str:
    """The `irealb://` address of the chords: title, composer, style, key and the scrambled chart."""
    score = cut_pickup(score)
    tonic, mode = score.key.name.split()
    composer = score.composer or "Composer Unknown"
    key = f"{tonic}{'-' if mode == 'minor' else ''}"
    style = "Waltz" if score.meter.numerator == 3 else "Medium Swing" if _is_jazz(score) else "Pop Ballad"
    music = _IREAL_MARK + _scramble(_ireal_music(score))
    tempo = str(round(score.tempo_bpm))
    fields = [score.title or score.id, composer, "", style, key, "", music, "", tempo, "0"]
    return "irealb://" + "=".join(quote(field.replace("=", " "), safe="") for field in fields)


def _is_jazz(score: Score) -> bool:
    rich = sum(len(span.chord.pitch_classes) > 3 for span in score.chords)
    return 2 * rich > len(score.chords)


def _ireal_music(score: Score) -> str:
    """The chart in iReal Pro's signs: four cells a bar, sections as *A, repeats in braces, N1 and N2."""
    parts = []
    meter, measures = None, lay_out(score)
    for index, measure in enumerate(measures):
        bar = measure.bar
        text = "{" if measure.repeat_start else "[" if measure.section else "|"
        if measure.section:
            letter = measure.section[0]
            text += f"*{letter.upper() if letter.upper() in 'ABCD' else 'i' if letter == 'i' else 'V'}"
        if bar.meter != meter:
            text += f"T{bar.meter.numerator}{bar.meter.denominator}"[:3]
            meter = bar.meter
        if measure.ending_start:
            text += f"N{measure.ending}"
        text += _ireal_bar(score, measure)
        after = measures[index + 1] if index + 1 < len(measures) else None
        if measure.repeat_end:
            text += "}"
        elif after is None:
            text += "Z"
        elif measure.double_bar or after.section:
            text += "]"
        parts.append(text)
    # A line that is closed needs no line before the next bar.
    return "".join(parts).replace("}|", "}").replace("]|", "]")


def _ireal_bar(score: Score, measure: Measure) -> str:
    """Four cells: each chord at its quarter of the bar, blanks between."""
    start, length = measure.bar.start, measure.bar.length
    cells = [" "] * _IREAL_CELLS
    spans = [span for span in score.chords if span.onset < start + length and span.end > start]
    for span in spans:
        place = max(0, (span.onset - start) * _IREAL_CELLS // length)
        began_before = span.onset < start
        if began_before and measure.chord is None and len(spans) == 1:
            cells[0] = "x"
            continue
        name = _ireal_chord(span.chord, score.key)
        cells[place] = name if cells[place] == " " else f"s{cells[place]},{name}l"
    if not spans:
        cells[0] = "n"
    text = ""
    for cell, following in zip(cells, [*cells[1:], " "], strict=True):
        text += cell + ("," if cell != " " and following != " " else "")
    return text


def _ireal_chord(chord: Chord, key: Key) -> str:
    if chord.is_none:
        return "n"
    low = f"/{bass_name(chord, key)}" if chord.bass != chord.root else ""
    return root_name(chord, key) + _IREAL[chord.quality] + low


def _scramble(text: str) -> str:
    """As the app expects it: some pairs of signs are replaced, and blocks of fifty signs turned around."""
    text = text.replace("   ", "XyQ").replace("| x", "Kcl").replace(" |", "LZ")
    done = []
    while len(text) > _SCRAMBLED + 1:
        done.append(_turned(text[:_SCRAMBLED]))
        text = text[_SCRAMBLED:]
    return "".join([*done, text])


def _turned(block: str) -> str:
    """A block with its first five and last five signs, and the tenth to the twenty-fourth, changed over."""
    signs = list(block)
    for place in (*range(5), *range(10, 24)):
        signs[place], signs[49 - place] = signs[49 - place], signs[place]
    return "".join(signs)
