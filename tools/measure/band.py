"""Measures the band, its sound and the printed lead sheet on real songs.

    python -m tools.measure.band --data=../shared/data --songs=150

prints a table and a JSON line: how often the melody meets the chords under it, how long a piece of 32 bars
takes, how loud and bright it sounds (beside FluidSynth, where that program is installed), and how many lead
sheets come back equal from MusicXML. Seconds are of one processor (`time.process_time`): other work on
the machine does not count. That every chord is printed as its usual symbol is held by
`tests/formats/test_engrave.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.arranging.arrange import BandOptions, arrange
from hrpe_jax.arranging.styles import band_names, read_band
from hrpe_jax.errors import UserError
from hrpe_jax.formats.audio import RATE, default_soundfont, loudness, render
from hrpe_jax.formats.midi.write import midi_bytes
from hrpe_jax.readers.musicxml import read_lead_sheet
from hrpe_jax.score.form import Section
from hrpe_jax.score.notation import write_bars
from hrpe_jax.score.score import Score
from hrpe_jax.score.written import lay_out

BARS = 32
SLACK = 0.02
"""Seconds by which players differ: a chord that stops so little after the melody moves does not meet it."""
_FORM_BARS = 8


def read_songs(data: Path, count: int) -> list[Score]:
    """Lead sheets of OpenEWLD, drawn with a seed, with a form of eight bars where these come again."""
    files = sorted((data / "openewld").rglob("*.mxl"))
    random.Random(0).shuffle(files)
    scores = []
    for file in files[:count]:
        try:
            scores.append(with_form(read_lead_sheet(file).score))
        except UserError as error:
            print(f"{file.name}: {error}", file=sys.stderr)
    return scores


def with_form(score: Score) -> Score:
    """The score with sections of eight bars, equal letters for those whose first six are the same."""
    bars = write_bars(score)
    first = int(bars[0].number == 0)
    names: dict[str, str] = {}
    sections = []
    for start in range(first, len(score.bar_starts()) - _FORM_BARS + 1, _FORM_BARS):
        inside = [
            [(s.onset - bar.start, s.duration, None if s.note is None else score.melody[s.note].pitch)
             for s in bar.symbols]
            for bar in bars[start : start + _FORM_BARS - 2]
        ]  # fmt: skip
        letter = names.setdefault(str(inside), chr(ord("A") + min(25, len(names))))
        sections.append(Section(letter, start, _FORM_BARS))
    return replace(score, form=tuple(sections))


def meetings(score: Score, name: str) -> tuple[int, int, int]:
    """(melody notes, those at or under the highest note of a chord meanwhile, those at the pitch of one)."""
    arrangement = arrange(score, BandOptions(read_band(name), swing=0.5))
    comp = arrangement.part("CHORDS")
    slack = SLACK * score.tempo_bpm * 12 / 60
    at = same = 0
    for sung in score.melody:
        pitches = [
            note.pitch
            for note in (comp.notes if comp else ())
            if note.onset < sung.end - slack and note.end > sung.onset + slack
        ]
        at += bool(pitches) and max(pitches) >= sung.pitch
        same += sung.pitch in pitches
    return len(score.melody), at, same


def returns(scores: list[Score]) -> dict[str, Any]:
    """Lead sheets written as MusicXML and read back: notes, lyrics, chords, key, meter, bars, titles."""
    equal = repeats = pickups = 0
    with tempfile.TemporaryDirectory() as folder:
        for score in scores:
            measures = lay_out(score)
            repeats += any(measure.repeat_end for measure in measures)
            pickups += measures[0].bar.number == 0
            back = read_lead_sheet(score.write(Path(folder) / f"{score.id[:40]}.musicxml")).score
            plain = [replace(s, id="", source="", form=()) for s in (score, back)]
            lyrics = [[note.lyric for note in s.melody] for s in plain]
            equal += harmony(plain[0]) == harmony(plain[1]) and lyrics[0] == lyrics[1]
    return {"songs": len(scores), "equal": equal, "with_repeats": repeats, "with_pickups": pickups}


def harmony(score: Score) -> Score:
    """The score without explicit no-chords, which no symbol says at the beginning."""
    return replace(score, chords=tuple(span for span in score.chords if not span.chord.is_none))


def high_energy(samples: np.ndarray, rate: int) -> float:
    """Decibels of what lies over 4 kHz, against all."""
    power = np.abs(np.fft.rfft(samples.mean(axis=1))) ** 2
    return float(10 * np.log10(power[np.fft.rfftfreq(len(samples), 1 / rate) > 4000].sum() / power.sum()))


def other_renderer(midi: bytes) -> np.ndarray | None:
    """The same MIDI file by FluidSynth with the same sound font; None where it is not installed."""
    if shutil.which("fluidsynth") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file, sound = Path(folder) / "a.mid", Path(folder) / "a.wav"
        file.write_bytes(midi)
        command = ["fluidsynth", "-ni", "-q", "-r", str(RATE), "-F", str(sound)]
        subprocess.run([*command, str(default_soundfont()), str(file)], check=True, capture_output=True)
        with wave.open(str(sound)) as heard:
            samples = np.frombuffer(heard.readframes(heard.getnframes()), "<i2")
    return samples.reshape(-1, 2) / 32768


def sound_of(score: Score, name: str) -> dict[str, Any]:
    """Seconds, loudness and brightness of the first 32 bars."""
    end = score.bar_starts()[BARS] if len(score.bar_starts()) > BARS else score.end
    piece = replace(
        score,
        melody=tuple(note for note in score.melody if note.end <= end),
        chords=tuple(span for span in score.chords if span.end <= end),
        form=(),
    )
    start = time.process_time()
    arrangement = arrange(piece, BandOptions(read_band(name)))
    arranged = time.process_time()
    samples = render(piece, arrangement)
    rendered = time.process_time()
    other = other_renderer(midi_bytes(piece, arrangement))
    return {
        "band": name,
        "bars": len(piece.bar_starts()),
        "seconds_band": round(arranged - start, 3),
        "seconds_sound": round(rendered - arranged, 2),
        "lufs": round(loudness(samples), 1),
        "peak_db": round(20 * float(np.log10(np.abs(samples).max())), 2),
        "over_4k_db": round(high_energy(samples, RATE), 1),
        "over_4k_fluidsynth_db": None if other is None else round(high_energy(other, RATE), 1),
    }


def measure(data: Path, count: int) -> dict[str, Any]:
    """All figures."""
    scores = read_songs(data, count)
    met = {}
    for name in band_names():
        if name != "none":
            totals = np.sum([meetings(score, name) for score in scores[:40]], axis=0)
            met[name] = [round(float(part / totals[0]), 4) for part in totals[1:]]
    longest = max(scores[:40], key=lambda score: len(score.melody) if score.meter.numerator == 4 else 0)
    arrange(longest)  # reads the patterns
    render(replace(longest, melody=longest.melody[:4], chords=longest.chords[:1], form=()))  # loads the font
    return {
        "melody_at_or_under_top_and_on_pitch": met,
        "sound": [sound_of(longest, name) for name in ("pop", "swing", "bossa", "ballad")],
        "musicxml": returns(scores),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the data sets")
    parser.add_argument("--songs", type=int, default=150, help="lead sheets that are written and read back")
    args = parser.parse_args()
    figures = measure(args.data, args.songs)
    for name, (at, same) in figures["melody_at_or_under_top_and_on_pitch"].items():
        print(f"{name:10} melody at or under the top voice {at:7.2%}, on a voice's pitch {same:7.2%}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
