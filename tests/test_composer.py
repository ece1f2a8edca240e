"""The Python face: scores from options, primes from files, bars from a stream."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import hrpe_jax
from hrpe_jax import sample
from hrpe_jax.checkpoints.release import write_released
from hrpe_jax.composer import Composer, read_prime
from hrpe_jax.errors import UserError
from hrpe_jax.formats.midi.read import write_midi
from hrpe_jax.sampling.options import ComposeOptions, OutputOptions
from hrpe_jax.theory.chord import to_lead_sheet
from tests.sampling.tiny import tiny_model


def test_a_composer_is_loaded_and_writes_scores(tmp_path: Path):
    assert hrpe_jax.Composer is Composer
    composer = hrpe_jax.Composer.load(write_released(tiny_model(), tmp_path / "model"))
    scores = composer.compose(chords="C | Am", num_pieces=2, seed=3, tempo=90)
    assert [[to_lead_sheet(span.chord) for span in score.chords] for score in scores] == [["C", "Am"]] * 2
    assert scores[0].melody != scores[1].melody
    bars = list(composer.stream(chords="C | Am", seed=3, tempo=90))
    assert [note for bar in bars for note in bar.notes] == list(scores[0].melody)
    assert composer.notices(ComposeOptions(chords="C | Am")) == []
    with pytest.raises(UserError, match="--form: a form is written as a whole"):
        composer.stream(form="AA")

    file = tmp_path / "tune.mid"
    write_midi(scores[0], file)
    over = composer.compose(prime=file, prime_use="chords", num_pieces=1)[0]
    assert over.chords == scores[0].chords
    assert over.tempo_bpm == pytest.approx(90)
    assert composer.compose(prime=scores[0], prime_use="chords", num_pieces=1)[0].melody == over.melody


@pytest.mark.parametrize("method", [Composer.compose, Composer.stream])
def test_an_option_is_a_field_a_keyword_and_a_flag(method: Callable[..., Any]):
    options = {field.name: (field.type, field.default) for field in fields(ComposeOptions)}
    keywords = dict(inspect.signature(method).parameters)
    del keywords["self"]
    assert {name: (word.annotation, word.default) for name, word in keywords.items()} == options
    assert {word.kind for word in keywords.values()} == {inspect.Parameter.KEYWORD_ONLY}
    given = vars(sample.parser().parse_args([]))
    outputs = {"debug", "model", "output", *(field.name for field in fields(OutputOptions))}
    assert {name: value for name, value in given.items() if name not in outputs} == {
        name: default for name, (_, default) in options.items()
    }


def test_every_option_is_explained_where_it_is_given():
    for name in (field.name for field in fields(ComposeOptions)):
        line = re.search(rf"^ +{name}: .+$", ComposeOptions.__doc__ or "", re.M)
        assert line, name
        assert line[0].strip() in (Composer.compose.__doc__ or "")


def test_what_is_no_prime(tmp_path: Path):
    (tmp_path / "text").write_text("no music")
    with pytest.raises(UserError, match=r"^--prime: .*text: holds no music that can be read; expected MIDI"):
        read_prime(ComposeOptions(prime=tmp_path / "text"))
    for missing in (tmp_path / "missing.mid", "chorales"):  # what --input takes is no prime
        with pytest.raises(UserError, match=r"^--prime: .*: no such file; expected MIDI"):
            read_prime(ComposeOptions(prime=missing))
    with pytest.raises(AttributeError, match="no attribute 'Painter'"):
        hrpe_jax.Painter  # noqa: B018


def test_a_folder_is_no_prime_and_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    below = tmp_path / "many" / "below"
    below.mkdir(parents=True)
    looked: list[str] = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (looked.append(os.fspath(path)), scan(path))[1])
    with pytest.raises(UserError, match=r"^--prime: .*many: is a folder; expected one file: MIDI"):
        read_prime(ComposeOptions(prime=tmp_path / "many"))
    assert str(below) not in looked
