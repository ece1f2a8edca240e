"""Reading folders of anything: what is a piece, what is not, and that all of it is counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hrpe_jax.codec import backbone, melody
from hrpe_jax.data.shards import records_of
from hrpe_jax.errors import UserError
from hrpe_jax.formats.json import score_values
from hrpe_jax.formats.midi.read import write_midi
from hrpe_jax.metrics.arrays import Undefined
from hrpe_jax.metrics.harmony import chord_coverage
from hrpe_jax.readers.find import SongFile
from hrpe_jax.report.collect import collect, melody_chords_notes, one_of_each, score_of
from hrpe_jax.score.form import parse_form
from tests.report.music import piece

ABC = (
    "X:1\nT:One\nM:4/4\nL:1/4\nK:C\n"
    + '"C"CDEF|"G"GABc|' * 4
    + "\n\nX:2\nT:Two\nM:3/4\nL:1/4\nK:G\n"
    + "GAB|" * 8
)
PLAIN = "X:1\nM:4/4\nL:1/4\nK:C\n" + "CDEF|GABc|" * 4 + "\n"


def test_a_folder_of_anything_is_accounted_for(tmp_path: Path) -> None:
    write_midi(piece(1), tmp_path / "a.mid")
    (tmp_path / "book.abc").write_text(ABC)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "broken.mid").write_bytes(b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\4nope")
    (tmp_path / "notes.txt").write_text("no music")
    found = collect(tmp_path, workers=0)
    assert [score.id for score in found.pieces] == ["a", "book#1", "book#2"]
    assert len(found.pieces[0].melody) == len(piece(1).melody)
    about = found.about()
    assert (about["files"], about["pieces"], sum(about["left_out"].values())) == (3, 3, 1)
    assert about["left_out_examples"][0]["name"] == "deep/broken.mid"
    assert about["meters"] == {"4/4": 2, "3/4": 1}
    # The second tune of the book has none.
    assert about["chords_from_melody"] == {"pieces": 1, "found": 1, "not_found": {}}
    assert about["without_chords"] == 0


def test_pieces_that_sample_wrote_are_read_as_they_were_written(tmp_path: Path) -> None:
    score = replace(piece(1), id="piece-1", form=parse_form("A4B4"))
    late = tuple(note for note in score.melody if note.onset >= 2 * score.meter.bar_ticks)
    spans = tuple(span for span in score.chords if span.onset >= 2 * score.meter.bar_ticks)
    score = replace(score, melody=late, chords=spans)  # two silent bars, which were composed
    (tmp_path / "piece-1.json").write_text(json.dumps({"format": 1, "score": score_values(score)}))
    (tmp_path / "settings.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    write_midi(score, tmp_path / "piece-1.mid")
    found = collect(tmp_path)
    assert (found.files, [own.id for own in found.pieces]) == (1, ["piece-1"])
    assert found.pieces[0].form == score.form
    assert found.pieces[0].melody == score.melody


def test_chords_are_found_under_a_melody_alone_or_it_is_said_why_not(tmp_path: Path) -> None:
    few = "X:1\nM:4/4\nL:1/4\nK:C\nCDEF|G4|\n"
    for name, text in (("tune", PLAIN), ("few", few), ("book", ABC)):
        (tmp_path / f"{name}.abc").write_text(text)
    found = collect(tmp_path, workers=0)
    bare = {score.id: score for score in found.pieces}
    why = "its melody has fewer than 8 notes"
    assert found.about()["chords_from_melody"] == {"pieces": 3, "found": 2, "not_found": {why: 1}}
    assert found.about()["without_chords"] == 1
    assert [span.chord.root for span in bare["book#1"].chords] == [0, 7] * 4  # its own
    assert bare["tune#1"].chords
    music = {piece.id: piece for piece in found.music()}
    with pytest.raises(Undefined, match=f"it has no chords, and none were found: {why}"):
        chord_coverage(music["few#1"])
    assert chord_coverage(music["tune#1"]) >= 1
    said = melody_chords_notes({"generated": found.about(), "reference": found.about()})
    assert said[0] == (
        f"generated: chords found from the melody alone in 2 of 3 pieces that have none (1: {why})"
    )
    assert "how it can be harmonised" in said[2]
    given = {**found.about(), "chords_from_melody": {"pieces": 0, "found": 0, "not_found": {}}}
    mixed = melody_chords_notes({"generated": found.about(), "reference": given})
    assert "compare two kinds of chords" in mixed[-1]
    assert melody_chords_notes({"generated": given, "reference": given}) == []


def test_of_one_piece_in_two_formats_one_is_read(tmp_path: Path) -> None:
    write_midi(piece(1), tmp_path / "a.mid")
    (tmp_path / "a.abc").write_text(PLAIN)
    (tmp_path / "b.abc").write_text(PLAIN)
    found = collect(tmp_path, workers=0)
    assert len(found.pieces) == 2
    assert found.about()["left_out"] == {"other_rendering": 1}
    files = [
        SongFile(name, form, f"/x/{name}", name) for name, form in (("s.mid", "midi"), ("t.mid", "midi"))
    ]
    assert one_of_each(files) == (files, [])


def test_what_cannot_be_judged_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--generated=.*nowhere: no such folder"):
        collect(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"--reference: .* no songs found"):
        collect(tmp_path, option="--reference")
    (tmp_path / "broken.mid").write_bytes(b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\4nope")
    with pytest.raises(UserError, match=r"none of 1 files gives a piece .*the first is broken\.mid: "):
        collect(tmp_path, workers=0)
    with pytest.raises(UserError, match="no prepared data set and has no split test"):
        collect(tmp_path, split="test")


@pytest.mark.parametrize("stages", [("backbone", "melody"), ("melody",), ("backbone",)])
def test_records_are_scores_again(stages: tuple[str, ...]) -> None:
    score = piece(3)
    found = score_of(
        {stage: record | {"id": "x"} for stage, record in records_of(score).items() if stage in stages}
    )
    assert (found.id, found.key, found.meter) == ("x", score.key, score.meter)
    if "melody" in stages:
        assert melody.encode_ids(found) == melody.encode_ids(score)
    if "backbone" in stages:
        assert backbone.encode_ids(found) == backbone.encode_ids(score)
    assert bool(found.melody) == ("melody" in stages)
    assert bool(found.chords) == ("backbone" in stages)


def test_a_data_set_is_read_by_its_split(tmp_path: Path) -> None:
    from hrpe_jax.preprocessing.build import build_dataset
    from tests.preprocessing.songs import write_songs

    songs = write_songs(tmp_path / "songs", 3)
    splits = tmp_path / "splits.json"
    splits.write_text('{"train": ["001"], "valid": ["002"], "test": ["003"]}')
    build_dataset(songs, tmp_path / "data", splits=splits, workers=0)
    read = collect(songs, workers=0)
    found = collect(tmp_path / "data", split="valid")
    assert found.name.endswith("data, valid split")
    assert [score.id for score in found.pieces] == ["002"]
    assert melody.encode_ids(found.pieces[0]) == melody.encode_ids(read.pieces[1])
    assert [score.id for score in collect(tmp_path / "data").pieces] == ["003"]
    both = collect(tmp_path / "data", split="valid+test")
    assert ([score.id for score in both.pieces], both.files) == (["002", "003"], 2)
    assert [score.id for score in collect(tmp_path / "data", split="valid+test", limit=1).pieces] == ["002"]
    with pytest.raises(UserError, match="expected one of"):
        collect(tmp_path / "data", split="dev")


def test_of_several_styles_one_is_read(tmp_path: Path) -> None:
    from hrpe_jax.preprocessing.build import build_dataset
    from tests.preprocessing.songs import write_song, write_songs

    write_songs(tmp_path / "pop", 2)
    write_song(tmp_path / "hits" / "001", seed=7)
    splits = tmp_path / "splits.json"
    splits.write_text('{"train": ["001"], "valid": [], "test": ["002"]}')
    last = tmp_path / "last.json"
    last.write_text('{"train": [], "valid": [], "test": ["001"]}')
    build_dataset(
        [f"{tmp_path}/pop", f"hits={tmp_path}/hits"],
        tmp_path / "data",
        splits=[f"pop:{splits}", f"hits:{last}"],
        styles=["pop:pop", "hits:folk"],
        workers=0,
    )
    data = tmp_path / "data"
    ids = {style: [score.id for score in collect(data, style=style).pieces] for style in ("", "pop", "folk")}
    assert sorted(ids[""]) == ["hits/001", "pop/002"]
    assert (ids["pop"], ids["folk"]) == (["pop/002"], ["hits/001"])
    assert collect(data, style="folk").name.endswith("test split of style folk")
    with pytest.raises(UserError, match=r"--style=fold: no song of .*did you mean 'folk'"):
        collect(data, style="fold")
