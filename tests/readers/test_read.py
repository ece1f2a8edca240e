"""One file of any kind, read as a score."""

from __future__ import annotations

from pathlib import Path

import pytest

import hrpe_jax
from hrpe_jax.errors import UserError
from hrpe_jax.theory.key import Key

BOOK = 'X:1\nT:empty\nK:C\n|\n\nX:2\nT:Full\nM:4/4\nL:1/4\nK:G\n"G"GABc|"D7"dcBA|"G"G4|]\n'


def test_the_first_tune_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text(BOOK)
    score = hrpe_jax.read_score(path)
    assert (score.title, score.key, len(score.melody), len(score.chords)) == ("Full", Key(7, "major"), 9, 3)


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk")
    (tmp_path / "a.abc").write_text(BOOK)
    (tmp_path / "b.abc").write_text(BOOK)
    for path, message in (
        (tmp_path / "notes.txt", "holds no music that can be read"),
        (tmp_path, "is a folder; expected one file"),
        (tmp_path / "gone.mid", "no such file"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            hrpe_jax.read_score(path)
        assert "\n" not in str(caught.value)
