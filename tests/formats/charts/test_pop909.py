"""POP909's label files, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.formats.charts.labels import LabelError, read_pop909_labels

GOOD = {
    "beat_midi.txt": "0.5 1.0 1.0\n1.0 0.0 0.0\n\n1.5 1.0 0.0\n",
    "chord_midi.txt": "0.5\t1.0\tN\n1.0\t2.0\tC#:min7/b3\n",
    "key_audio.txt": "0.5\t2.0\tGb:maj\n",
}


def _write(folder: Path, **changes: str | None) -> Path:
    for name, text in {**GOOD, **{f"{key}.txt": value for key, value in changes.items()}}.items():
        if text is not None:
            (folder / name).write_text(text)
    return folder


def test_reading(tmp_path: Path) -> None:
    labels = read_pop909_labels(_write(tmp_path))
    assert labels.beats == (0.5, 1.0, 1.5)
    assert labels.bars == (True, False, False)
    assert labels.half_bars == (True, False, True)
    assert [row.label for row in labels.chords] == ["N", "C#:min7/b3"]
    assert labels.keys[0].end == 2.0


@pytest.mark.parametrize(
    ("name", "text", "reason", "words"),
    [
        ("beat_midi", None, "missing_file", "beat_midi.txt: no such file"),
        ("beat_midi", "0 1\n", "bad_line", ":1: 2 columns"),
        ("beat_midi", "0 1 1\nnan 0 0\n", "bad_number", ":2: 'nan'"),
        ("beat_midi", "1 1 1\n1 0 0\n", "bad_line", "after 1.0 s"),
        ("chord_midi", "\n", "empty", "empty"),
        ("chord_midi", "2 1 C:maj\n", "bad_line", "in order"),
        ("key_audio", "x" * 1_000_001, "too_large", "1000001 bytes"),
    ],
)
def test_damage_is_named(tmp_path: Path, name: str, text: str | None, reason: str, words: str) -> None:
    with pytest.raises(LabelError) as error:
        read_pop909_labels(_write(tmp_path, **{name: text}))
    assert error.value.reason == reason
    assert words in str(error.value)
    assert "\n" not in str(error.value)
