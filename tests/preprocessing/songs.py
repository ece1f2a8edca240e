"""Small made-up songs in the files of POP909."""

from __future__ import annotations

from pathlib import Path

from hrpe_jax.formats.midi.read import write_midi
from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

LABELS = ("C:maj", "A:min7", "F:maj7", "G:7")


def write_song(folder: Path, *, seed: int = 1, bars: int = 8) -> Path:
    """Writes a song of 4/4 bars at 120 a minute, a chord a bar; other seeds are other melodies."""
    folder.mkdir(parents=True)
    pitches = [60 + (at * at * seed + at) % 17 for at in range(bars * 4)]
    notes = tuple(Note(at * 12, 12, pitch) for at, pitch in enumerate(pitches))
    score = Score(folder.name, "", Key(0, "major"), Meter(4, 4), 120.0, notes, ())
    write_midi(score, folder / f"{folder.name}.mid")
    chords = (f"{bar * 2.0}\t{bar * 2.0 + 2.0}\t{LABELS[(bar * seed) % 4]}\n" for bar in range(bars))
    (folder / "chord_midi.txt").write_text("".join(chords))
    beats = (f"{beat * 0.5} {float(beat % 2 == 0)} {float(beat % 4 == 0)}\n" for beat in range(bars * 4 + 1))
    (folder / "beat_midi.txt").write_text("".join(beats))
    (folder / "key_audio.txt").write_text(f"0.0\t{bars * 2.0}\tC:maj\n")
    return folder


def write_songs(root: Path, count: int) -> Path:
    """Writes songs 001, 002, ..."""
    for seed in range(1, count + 1):
        write_song(root / f"{seed:03d}", seed=seed)
    return root
