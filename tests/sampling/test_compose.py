"""From a model to files: whole pieces, the same for the same seed, all written or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hrpe_jax import read_score
from hrpe_jax.codec import backbone_tokens, melody_tokens, vocabulary
from hrpe_jax.codec.vocabulary import accepts_backbone, accepts_melody
from hrpe_jax.composer import notices
from hrpe_jax.errors import UserError
from hrpe_jax.formats.json import score_from_values
from hrpe_jax.formats.midi.read import read_midi
from hrpe_jax.sampling import write
from hrpe_jax.sampling.compose import Piece
from hrpe_jax.sampling.melody_loop import run_melody
from hrpe_jax.sampling.sizes import round_up
from hrpe_jax.sampling.stream import BarOfPiece, stream
from hrpe_jax.sampling.write import describe, write_pieces
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord, to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.sampling.tiny import controls_of, pieces_of, tiny_model


def make(**options: Any) -> list[Piece]:
    return pieces_of(tiny_model(), **{"num_pieces": 2, "bars": 3, **options})


def check(piece: Piece, bars: int) -> None:
    score = piece.score
    assert accepts_backbone(piece.backbone_ids, beats=bars * score.meter.beats_per_bar) is None
    assert accepts_melody(piece.event_ids, score.meter, short_bars=False) is None
    assert piece.event_ids.count(melody_tokens.BAR) == bars
    assert score.end == score.chords[-1].end == bars * score.meter.bar_ticks
    assert len(score.bar_starts()) == bars
    assert score.bar_resets == ()


def test_pieces_are_whole_and_as_asked():
    for piece in make(key="Eb major", meter="3/4", tempo=90):
        check(piece, 3)
        assert (piece.score.key, piece.score.meter, piece.score.tempo_bpm) == (
            Key(3, "major"),
            Meter(3, 4),
            90,
        )
    free = make(num_pieces=4, bars=2)
    assert len({(piece.score.key, piece.score.meter) for piece in free}) > 1
    assert [piece.score.id for piece in free] == [f"piece-0{number}" for number in range(1, 5)]
    for piece in free:
        check(piece, 2)
        assert set(piece.nats) == {"backbone", "melody"}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_pieces_on_another_number_of_devices():
    code = (
        "import jax, json; from tests.sampling.test_compose import make; "
        "pieces = make(meter='4/4', num_pieces=4); "
        "print(json.dumps([jax.device_count(), [piece.event_ids for piece in pieces]]))"
    )
    found = []
    for devices in (1, 2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "JAX_NUM_CPU_DEVICES": str(devices)},
            stdout=subprocess.PIPE,
            check=True,
        )
        count, events = json.loads(done.stdout)
        assert count == devices
        found.append(events)
    assert found[0] == found[1]


def test_given_chords_are_honoured():
    for piece in make(chords="C | Am F | G7", bars=4):
        check(piece, 4)
        assert [to_lead_sheet(span.chord) for span in piece.score.chords] == ["C", "Am", "F", "G7", "C"]
        assert [span.onset for span in piece.score.chords] == [0, 48, 72, 96, 144]
        assert set(piece.nats) == {"melody"}
    alone = pieces_of(replace(tiny_model(), backbone=None), chords="C F", num_pieces=2)
    check(alone[0], 2)


def test_the_same_seed_gives_the_same_pieces_however_many_are_asked_for():
    two, four = make(meter="4/4"), make(meter="4/4", num_pieces=4)
    assert [piece.event_ids for piece in two] == [piece.event_ids for piece in four[:2]]
    assert [piece.backbone_ids for piece in two] == [piece.backbone_ids for piece in four[:2]]
    assert make(meter="4/4", seed=1)[0].event_ids != two[0].event_ids


def test_keys_meters_and_settings_do_not_compile_the_melody_anew():
    make(chords="C F G")
    before = run_melody._cache_size()
    make(chords="C F G", meter="6/8", key="a minor", temperature=0.5, top_k=9, seed=4, tempo=200)
    make(chords="Db", bars=2)
    assert run_melody._cache_size() == before


PRIME = Score(
    "tune", "Tune", Key(7, "major"), Meter(3, 4), 90.0,
    (Note(0, 12, 67), *(Note(12 + 12 * n, 12, 71 - n) for n in range(8)), Note(108, 24, 67)),
    (ChordSpan(12, 36, Chord(7, "maj")), ChordSpan(48, 60, Chord(2, "7"))), bar_resets=(12,),
)  # fmt: skip


def test_a_prime_goes_on():
    """With a pickup, over several segments of the melody, its last chord and its last rest still open."""
    for piece in make(prime=PRIME, bars=2):
        score = piece.score
        assert (score.key, score.meter, score.tempo_bpm) == (PRIME.key, PRIME.meter, 90.0)
        assert score.bar_resets == PRIME.bar_resets
        assert len(score.bar_starts()) == 5 + 2
        assert score.chords[-1].end == 12 + 6 * 36
        assert score.melody[-1].end > 12 + 5 * 36
        begun = [(note.onset, note.pitch) for note in score.melody[: len(PRIME.melody)]]
        assert begun == [(note.onset, note.pitch) for note in PRIME.melody]
        assert [span.chord for span in score.chords[:3]] == [Chord.NONE, Chord(7, "maj"), Chord(2, "7")]
    alone = make(prime=PRIME, stage="backbone", bars=2)[0].score
    assert alone.chords == make(prime=PRIME, bars=2)[0].score.chords
    assert alone.melody == ()


def test_a_new_melody_over_the_chords_of_a_prime():
    model = replace(tiny_model(), backbone=None)
    for piece in pieces_of(model, prime=PRIME, prime_use="chords", num_pieces=2):
        check(piece, 4)
        assert [to_lead_sheet(span.chord) for span in piece.score.chords] == ["G", "D7", "N.C."]


def test_one_stage_alone():
    chords = make(meter="4/4", stage="backbone")
    assert [piece.backbone_ids for piece in chords] == [piece.backbone_ids for piece in make(meter="4/4")]
    assert all(piece.event_ids == () and set(piece.nats) == {"backbone"} for piece in chords)
    over = pieces_of(replace(tiny_model(), backbone=None), stage="melody", chords="C F", num_pieces=1)
    assert set(over[0].nats) == {"melody"}


@pytest.mark.parametrize("asked", [{"chords": "C F | G ?", "bars": 9}, {"prime": PRIME, "bars": 9}])
def test_bars_of_a_stream_are_those_of_the_piece(asked: dict[str, Any]):
    (piece,) = make(num_pieces=1, **asked)
    ended: list[Piece] = []

    def collect() -> Generator[BarOfPiece, None, None]:
        whole = yield from stream(tiny_model(), controls_of(num_pieces=1, **asked))
        ended.append(whole)

    bars = list(collect())
    (whole,) = ended
    assert whole.event_ids == piece.event_ids
    assert whole.nats == pytest.approx(piece.nats, rel=1e-5)
    assert [bar.number for bar in bars] == list(range(1, len(piece.score.bar_starts()) + 1))
    assert tuple(bar.onset for bar in bars) == piece.score.bar_starts()
    assert [note for bar in bars for note in bar.notes] == list(piece.score.melody)
    assert [span for bar in bars for span in bar.chords] == list(piece.score.chords)


def test_notices():
    seen = {"keys": {"C major": 3}, "meters": {"4/4": 3}}
    model = replace(tiny_model(), seen=seen)
    assert notices(model, controls_of(key="Eb", meter="4/4")) == []  # songs are transposed in training
    (line,) = notices(model, controls_of(key="Eb", meter="3/4"))
    assert line.startswith("the model never saw a piece in 3/4 (it knows 4/4)")
    (line,) = notices(model, controls_of(key="a"))
    assert "A minor" in line
    assert notices(tiny_model(), controls_of(key="a", meter="7/8")) == []
    assert any("looks back" in line for line in notices(tiny_model(), controls_of(prime=PRIME)))
    assert not any("has no chords" in line for line in notices(tiny_model(), controls_of(prime=PRIME)))
    bare = replace(PRIME, chords=(), melody=tuple(Note(12 * n, 12, 60 + 5 * n % 12) for n in range(24)))
    assert "the prime has no chords" in notices(tiny_model(), controls_of(prime=bare))[0]


def test_round_up():
    assert [round_up(size, 64) for size in (1, 64, 65, 96, 97, 129, 200, 300)] == [
        64,
        64,
        96,
        96,
        128,
        192,
        256,
        384,
    ]
    assert [round_up(size, 1) for size in (1, 2, 3, 4, 5, 9, 16)] == [1, 2, 4, 4, 8, 16, 16]


def test_a_model_that_does_not_fit_its_config_is_one_line():
    model = tiny_model()
    stage = model.stage("melody")
    wider = replace(stage.config, model=replace(stage.config.model, width=32))
    with pytest.raises(UserError, match="its parameters do not fit its config"):
        pieces_of(replace(model, melody=replace(stage, config=wider)), chords="C", num_pieces=1)


def test_files(tmp_path: Path):
    pieces = make(meter="4/4", seed=3)
    files = write_pieces(pieces, tmp_path / "a" / "b")
    suffixes = ("mid", "musicxml", "abc", "json")
    names = [f"piece-0{number}.{suffix}" for number in (1, 2) for suffix in suffixes] + ["index.html"]
    assert [file.name for file in files] == names
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(names)
    again = write_pieces(make(meter="4/4", seed=3), tmp_path / "again")
    for one, other in zip(files, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert read_midi(files[0]).meters[0] == (0, 4, 4)
    values = json.loads(files[3].read_text())
    piece = pieces[0]
    assert values["generated_event_ids"] == list(piece.event_ids)
    assert [event["predicted_id"] for event in values["backbone"]] == list(piece.backbone_ids[3:-1])
    for event in values["backbone"]:
        token = event["predicted_id"]
        assert event["gen_root_pc"] == backbone_tokens.ROOT[token]
        assert event["gen_quality"] == backbone_tokens.QUALITY_CODE[token]
        assert event["gen_function"] == backbone_tokens.function_table()[piece.score.key.index, token]
    assert values["metadata"] == {
        "key_signature_root": piece.score.key.tonic,
        "key_signature_mode": piece.score.key.mode,
        "time_signature_num": 4,
        "time_signature_den": 4,
        "tempo_bpm": 120.0,
    }
    assert values["vocabulary"]["melody"] == vocabulary.vocabulary_hash("melody")
    assert values["settings"]["seed"] == 3
    assert score_from_values(values["score"]) == piece.score
    for file in files[1:3]:
        assert [(n.onset, n.duration, n.pitch) for n in read_score(file).melody] == [
            (n.onset, n.duration, n.pitch) for n in piece.score.melody
        ]


def test_nothing_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pieces = make(chords="C")
    written: list[str] = []

    def full_disk(score: object, arrangement: object) -> bytes:
        if written:
            raise OSError(28, "No space left on device")
        written.append("a file")
        return b"MThd"

    monkeypatch.setattr(write, "midi_bytes", full_disk)
    with pytest.raises(UserError, match=r"cannot be written \(No space left"):
        write_pieces(pieces, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_piece_in_one_line():
    piece = make(chords="C | % | Am*3 G7", key="C major")[0]
    assert describe(piece) == "piece-01: C major, 4/4, 3 bars: | C | % | Am G7 |"
