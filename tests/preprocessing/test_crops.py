"""Training pieces cut from songs: where they begin and end, and that they are scores like any other."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.codec import backbone, melody
from hrpe_jax.data.shards import open_dataset, records_of
from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.preprocessing.clean import choose_starts, crop, crop_starts, pickup_ticks, trim
from hrpe_jax.score.form import form_text, parse_form
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.preprocessing.songs import write_songs

C, F = Key(0, "major"), Key(5, "major")


def _song(form: str = "i4A8B8x2A8o4", *, pickup: bool = False, bars: int | None = None) -> Score:
    """A song whose sung sections have a note on each beat, the last of them held; a chord a bar.

    With `pickup` each sung section but the first begins with a note on the last beat of the bar before,
    behind a rest of two beats.
    """
    sections = parse_form(form)
    bars = sections[-1].end_bar if bars is None else bars
    notes = []
    for section in sections:
        if section.has_melody:
            for beat in range(section.first_bar * 4, section.end_bar * 4 - 3):
                notes.append(Note(beat * 12, 12, 60 + (beat * beat + section.bars) % 11))
            last = section.end_bar * 4 - 3
            notes.append(Note(last * 12, 12 if pickup else 36, 72))
    if pickup:
        later = [section for section in sections if section.has_melody and section.first_bar]
        notes += [Note(section.first_bar * 48 - 12, 12, 67) for section in later]
    chords = tuple(ChordSpan(bar * 48, 48, Chord(bar * 5 % 12, "maj")) for bar in range(bars))
    melody = tuple(sorted(notes))
    return Score("song", "", C, Meter(4, 4), 90.0, melody, chords, form=sections)


def test_pieces_begin_at_sung_sections():
    assert crop_starts(_song()) == [4, 12, 22]
    assert crop_starts(_song("i4A8B8A4")) == [4, 12]  # four bars are too few
    assert crop_starts(_song("A8a8B8")) == [0, 16]
    assert crop_starts(replace(_song(), form=())) == [4]  # where the melody begins
    assert crop_starts(replace(_song(), melody=())) == [0, 4, 12, 20, 22]
    assert crop_starts(replace(_song(), melody=(), chords=(), form=())) == []
    # A section that is labelled as sung, but silent in its first bar, is no place to begin.
    late = replace(
        _song(), melody=tuple(note for note in _song().melody if not 12 * 48 <= note.onset < 13 * 48)
    )
    assert crop_starts(late) == [4, 22]


def test_a_piece_runs_from_a_section_to_the_end_of_the_melody():
    song = _song()
    piece = crop(song, 12)
    assert piece.id == "song#bar=12"
    assert form_text(piece.form) == "B8x2A8"
    assert len(piece.bar_starts()) == 18  # without the four bars of the outro
    assert piece.melody == tuple(
        replace(note, onset=note.onset - 12 * 48) for note in song.melody if note.onset >= 12 * 48
    )
    assert piece.chords == tuple(replace(span, onset=span.onset - 12 * 48) for span in song.chords[12:30])
    assert piece.bar_resets == ()


def test_chords_are_cut_at_both_ends():
    song = _song("i4A8o2")
    held = ChordSpan(3 * 48, 96, Chord(2, "min")), ChordSpan(11 * 48, 144, Chord(0, "maj"))
    piece = crop(replace(song, chords=held), 4)
    assert piece.chords == (
        ChordSpan(0, 48, Chord(2, "min")),
        ChordSpan(7 * 48, 48, Chord(0, "maj")),
    )


def test_a_pickup_stands_in_a_short_first_bar():
    song = _song(pickup=True)
    assert crop_starts(song) == [4, 12, 22]
    assert [pickup_ticks(song, bar) for bar in (4, 12, 22)] == [12, 12, 12]
    piece = crop(song, 12)
    assert piece.bar_starts()[:3] == (0, 12, 60)
    assert (piece.melody[0].onset, piece.melody[0].pitch) == (0, 67)
    assert piece.chords[0] == ChordSpan(0, 12, song.chords[11].chord)
    assert piece.chords[1].onset == 12
    assert [(s.letter, s.first_bar, s.bars) for s in piece.form] == [("B", 1, 8), ("x", 9, 2), ("A", 11, 8)]


@pytest.mark.parametrize(
    ("before", "pickup"),
    [
        ([(0, 24)], 0),  # nothing leads in
        ([(0, 12), (42, 6)], 12),  # an eighth, in a bar of one beat
        ([(0, 12), (36, 6), (42, 6)], 12),
        ([(0, 12), (24, 12), (36, 12)], 24),
        ([(12, 12), (24, 12), (36, 12)], 36),
        ([(0, 3), (12, 12), (24, 12), (36, 12)], 0),  # a small gap far from the line
        ([(0, 6), (24, 18)], 0),  # the last, held note of the phrase before
        ([(0, 12), (12, 12), (24, 12), (36, 12)], 0),  # a line without a gap begins on the bar line
        ([(0, 6), (6, 6), (12, 6), (18, 6), (24, 24)], 0),
        ([(0, 12), (42, 12)], 12),  # a downbeat that comes an eighth too early
    ],
)
def test_the_longest_gap_near_the_bar_line_tells_the_pickup(before: list[tuple[int, int]], pickup: int):
    first = 6 if before[-1] == (42, 12) else 0
    notes = [Note(48 + onset, ticks, 60) for onset, ticks in before]
    notes = [Note(0, 48, 60), *notes, *(Note(96 + first + 12 * at, 12, 62) for at in range(8))]
    score = Score("x", "", C, Meter(4, 4), 90.0, tuple(notes), ())
    assert pickup_ticks(score, 2) == pickup


def test_short_bars_within_a_piece_stay_where_they_are():
    song = _song("i4A8B8")
    cut = replace(song, bar_resets=(14 * 48 + 24,), form=parse_form("i4A8B9"))
    piece = crop(cut, 12)
    assert piece.bar_resets == (2 * 48 + 24,)
    lengths = [b - a for a, b in pairwise(piece.bar_starts())]
    assert lengths == [b - a for a, b in pairwise(cut.bar_starts()[12 : 12 + len(piece.bar_starts())])]


def test_a_piece_is_in_the_key_that_holds_longest_in_it():
    song = _song()
    keys = [(0, C), (20 * 48, F)]
    assert [crop(song, bar, keys).key for bar in (4, 12, 22)] == [C, F, F]
    assert crop(song, 22).key == C
    assert crop(song, 4, [(0, F)]).key == F
    # Functions are those of the new key: the crop is encoded, not sliced.
    assert (
        records_of(crop(song, 22, keys))["backbone"]["function_code"]
        != (records_of(crop(song, 22))["backbone"]["function_code"])
    )


def test_a_crop_has_the_tokens_of_the_song_from_there_on():
    song = _song()
    for bar in (4, 22):
        piece = crop(song, bar)
        whole, part = melody.encode_ids(song), melody.encode_ids(piece)
        begins = [at for at, token in enumerate(whole) if token == melody.BAR]
        stop = begins[bar + len(piece.bar_starts())]
        bars = [token for token in part[1:-1] if not melody.VEL0 <= token < melody.DUR0]
        assert bars == [t for t in whole[begins[bar] : stop] if not melody.VEL0 <= t < melody.DUR0]
        decoded = melody.decode_piece(backbone.encode_ids(piece), part)
        assert [n.onset for n in decoded.melody] == [n.onset for n in piece.melody]
        assert decoded.chords == piece.chords


@given(
    st.lists(st.tuples(st.sampled_from("ABCaix"), st.integers(1, 9)), min_size=1, max_size=8),
    st.booleans(),
)
@settings(deadline=None)
def test_every_piece_is_whole(sections: list[tuple[str, int]], pickup: bool):
    form = "".join(f"{letter}{bars}" for letter, bars in sections)
    song = _song(form, pickup=pickup and sections[0][0].islower())
    starts = crop_starts(song)
    assert starts == sorted(set(starts))
    for bar in starts:
        piece = crop(song, bar)
        if song.melody:
            assert piece.melody[-1].pitch == song.melody[-1].pitch
            assert piece.melody[0].onset < piece.meter.bar_ticks
            assert len(piece.bar_starts()) == -(-song.melody[-1].end // 48) - bar + bool(piece.bar_resets)
        assert piece.chords[0].onset == 0
        assert trim(piece) == piece
        if starts.index(bar):
            assert len(piece.bar_starts()) >= 8


def test_few_pieces_of_a_song_are_chosen_the_whole_and_short_ends():
    song = _song("i4" + "A8B8" * 10)  # 20 sections, the last 4 of which are at most 32 bars before the end
    starts = crop_starts(song)
    assert len(starts) == 20
    assert choose_starts(song, 30) == starts
    assert choose_starts(song, 1) == [4]
    assert choose_starts(song, 4) == [4, 140, 148, 156]
    six = choose_starts(song, 7)
    assert six[0] == 4
    assert six[-4:] == [132, 140, 148, 156]
    assert len(six) == 7


def test_crops_are_stored_beside_the_songs_and_seen_only_when_asked_for(tmp_path: Path):
    write_songs(tmp_path / "songs", 6)
    plain = build_dataset(tmp_path / "songs", tmp_path / "plain", styles=["pop"], workers=0)
    counts = build_dataset(tmp_path / "songs", tmp_path / "set", styles=["pop"], crops=4, workers=0)
    assert {name: counts[name] for name in ("songs", "train", "melody_tokens")} == {
        name: plain[name] for name in ("songs", "train", "melody_tokens")
    }
    before, dataset = open_dataset(tmp_path / "plain"), open_dataset(tmp_path / "set", verify=True)
    assert before.songs("train", crops="only") == []
    for stage in ("backbone", "melody"):
        assert list(dataset.records(stage, "train")) == list(before.records(stage, "train"))
        songs, crops = dataset.songs("train", stage), dataset.songs("train", stage, crops="only")
        assert len(crops) == len(songs)  # no form: the whole melody of each
        records = dataset.records(stage, "train", crops="only")
        assert [record["id"] for record in records] == [crop["id"] for crop in crops]
        assert [crop["id"] for crop in crops] == [f"{song['id']}#bar=0" for song in songs]
        assert {record["crop"] for record in records} == {0}
        assert {record["attributes"]["style"] for record in records} == {"pop"}
        also = dataset.records(stage, "train", crops="also")
        assert list(also) == [*dataset.records(stage, "train"), *records]
        lengths = dataset.lengths(stage, "train", crops="also")
        assert lengths.tolist() == [song[stage] for song in (*songs, *crops)]
        assert dataset.styles(stage, "train", crops="also") == ["pop"] * len(also)
    assert dataset.manifest["counts"]["crops"]["pieces"] == counts["crops"] == counts["train"]
    assert dataset.manifest["counts"]["crops"]["styles"] == {"pop": counts["train"]}
    with pytest.raises(ValueError, match="only training songs are cut"):
        dataset.records("melody", "valid", crops="also")


def test_crops_that_serve_no_stage_are_left_out(tmp_path: Path):
    write_songs(tmp_path / "songs", 3)
    # The fourth song of these has one chord throughout, so that its crop too serves the melody alone.
    write_songs(tmp_path / "more", 4)
    build_dataset([tmp_path / "songs", tmp_path / "more"], tmp_path / "set", crops=2, workers=0)
    dataset = open_dataset(tmp_path / "set")
    listed = {crop["id"]: crop for crop in dataset.manifest["crops"]}
    assert all(("backbone" in crop) == ("more/004" not in name) for name, crop in listed.items())
    assert len(dataset.records("melody", "train", crops="only")) == len(listed)
