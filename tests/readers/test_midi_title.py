from __future__ import annotations

import pytest

from hrpe_jax.formats.midi.read import MidiFile
from hrpe_jax.readers.song import song_title


@pytest.mark.parametrize(
    ("title", "path", "expected"),
    [
        ("Yesterday", "songs/yest01.mid", "Yesterday"),
        ("", "songs/Let_it_be.mid", "Let it be"),
        ("untitled", "Danny_boy_kar_tt.mid", "Danny boy"),
        ("Track 1", "A_quarter_to_three_gr_kar.mid", "A quarter to three gr"),
        ("Piano", "Awhitershadeofpale.kar.mid", "Awhitershadeofpale"),
        ("*** SEQ ***", "Karma_police.mid", "Karma police"),
        ("Piano Man", "x.mid", "Piano Man"),
        ("_", "_kar.mid", "_kar"),
    ],
)
def test_title(title: str, path: str, expected: str) -> None:
    name, shown = song_title(MidiFile(480, (), ((0, 120.0),), title=title), path)
    assert shown == expected
    assert name == path.rsplit("/", 1)[-1].removesuffix(".mid")
