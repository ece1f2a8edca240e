"""MusicXML out: valid by the schema, and the same music for music21 and for our reader."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from hrpe_jax.formats.musicxml.write import musicxml_bytes, write_musicxml
from hrpe_jax.readers.musicxml import read_lead_sheet
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import QUALITIES, Chord, parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.theory.quality import INTERVALS
from tests.score.made import as_written, scores

SCORE = Score(
    id="tune",
    title='A <tune> & "more"\x07',
    key=Key.parse("A minor"),
    meter=Meter(4, 4),
    tempo_bpm=97.5,
    melody=(
        Note(0, 12, 64),
        Note(12, 6, 69, 100),
        Note(18, 12, 68),
        Note(30, 30, 71),
        Note(60, 4, 72),
        Note(64, 4, 71),
        Note(68, 4, 70),
        Note(84, 24, 69),
    ),
    chords=(
        ChordSpan(12, 24, parse_lead_sheet("Am9")),
        ChordSpan(36, 24, parse_lead_sheet("E7/G#")),
        ChordSpan(60, 6, parse_lead_sheet("D#dim7")),
        ChordSpan(84, 24, parse_lead_sheet("Am")),
    ),
    bar_resets=(12,),
    source="a source",
    license="CC0",
)


@cache
def schema() -> Any:
    """The MusicXML 4.0 schema, as the package `musicxml` ships it; the two it imports are said here."""
    found = importlib.util.find_spec("musicxml")
    etree = pytest.importorskip("lxml.etree", reason="the schema is checked with lxml, which is not here")
    paths = [
        Path(p) / "generate_classes" / "musicxml_4_0.xsd"
        for p in (found and found.submodule_search_locations) or ()
    ]
    if not any(path.is_file() for path in paths):
        pytest.skip("the MusicXML 4.0 schema is not here (pip install musicxml)")
    text = next(path for path in paths if path.is_file()).read_text(encoding="utf-8")

    def attributes(space: str, *names: str) -> str:
        inside = "".join(f'<xs:attribute name="{name}" type="xs:string"/>' for name in names)
        head = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{space}">'
        return f"{head}{inside}</xs:schema>"

    class Beside(etree.Resolver):  # type: ignore[misc, name-defined]
        def resolve(self, url: str, _: object, context: object) -> Any:
            if url.endswith("xlink.xsd"):
                names = ("href", "type", "role", "title", "show", "actuate")
                return self.resolve_string(attributes("http://www.w3.org/1999/xlink", *names), context)
            space = "http://www.w3.org/XML/1998/namespace"
            return self.resolve_string(attributes(space, "lang", "space"), context)

    parser = etree.XMLParser()
    parser.resolvers.add(Beside())
    return etree.XMLSchema(etree.fromstring(text.encode(), parser))


def validate(score: Score) -> None:
    from lxml import etree

    schema().assertValid(etree.fromstring(musicxml_bytes(score)))


def read_back(score: Score, tmp_path: Path) -> Score:
    path = tmp_path / "tune.musicxml"
    write_musicxml(score, path)
    back = as_written(read_lead_sheet(path).score)
    # The reader finds keys with the signature as evidence only; what the file says is tested with music21.
    return replace(back, key=score.key)


def test_reads_back(tmp_path: Path) -> None:
    assert read_back(SCORE, tmp_path) == replace(as_written(SCORE), title='A <tune> & "more"', license="")


@settings(max_examples=50)
@given(scores())
def test_any_score_reads_back(tmp_path_factory: pytest.TempPathFactory, score: Score) -> None:
    back = read_back(score, tmp_path_factory.mktemp("xml"))
    assert (back.melody, back.title) == (as_written(score).melody, " ".join(score.title.split()))
    assert (back.tempo_bpm, back.chords) == (score.tempo_bpm, as_written(score).chords)
    if score.bar_resets == () and score.meter.denominator < 16:
        assert (back.meter, back.bar_resets) == (score.meter, ())


@settings(max_examples=40)
@given(scores())
def test_any_score_is_valid(score: Score) -> None:
    schema()
    validate(score)


def test_the_score_is_valid() -> None:
    schema()
    validate(SCORE)
    validate(replace(SCORE, melody=(), chords=(), title="", bar_resets=()))


@pytest.mark.filterwarnings("ignore")  # music21's own
def test_music21_reads_the_same(tmp_path: Path) -> None:
    music21 = pytest.importorskip("music21")
    path = tmp_path / "tune.musicxml"
    write_musicxml(SCORE, path)
    stream = music21.converter.parse(path, format="musicxml", forceSource=True)
    (part,) = stream.parts
    notes = [
        (note.offset, note.quarterLength, note.pitch.midi)
        for note in part.flatten().stripTies().notes
        if note.isNote
    ]
    notes = [(round(12 * float(a)), round(12 * float(b)), pitch) for a, b, pitch in notes]
    assert notes == [(note.onset, note.duration, note.pitch) for note in SCORE.melody]
    symbols = list(part.recurse().getElementsByClass(music21.harmony.ChordSymbol))
    found = [
        (round(12 * float(symbol.getOffsetInHierarchy(part))), symbol)
        for symbol in symbols
        if not isinstance(symbol, music21.harmony.NoChord)
    ]
    assert [tick for tick, _ in found] == [12, 36, 60, 84]
    assert [symbol.root().name for _, symbol in found] == ["A", "E", "D#", "A"]
    assert [symbol.bass().name for _, symbol in found] == ["A", "G#", "D#", "A"]
    for (_, symbol), span in zip(found, SCORE.chords, strict=True):
        assert {pitch.pitchClass for pitch in symbol.pitches} == span.chord.pitch_classes
    names = [note.pitch.name for note in part.flatten().stripTies().notes if note.isNote]
    assert names == ["E", "A", "G#", "B", "C", "B", "B-", "A"]
    lengths = [measure.duration.quarterLength for measure in part.getElementsByClass("Measure")]
    assert lengths == [1, 4, 4]
    key = part.recurse().getElementsByClass(music21.key.Key).first()
    assert (key.tonic.name, key.mode) == ("A", "minor")
    assert part.recurse().getElementsByClass(music21.meter.TimeSignature).first().ratioString == "4/4"
    assert stream.metadata.title == 'A <tune> & "more"'


@pytest.mark.filterwarnings("ignore")
def test_every_quality_is_the_same_chord_for_every_reader(tmp_path: Path) -> None:
    music21 = pytest.importorskip("music21")
    spans = tuple(ChordSpan(48 * i, 48, Chord(2, quality)) for i, quality in enumerate(QUALITIES))
    score = replace(
        SCORE, melody=(Note(0, 48 * len(spans), 62),), chords=spans, bar_resets=(), key=Key(2, "major")
    )
    assert read_back(score, tmp_path).chords == spans
    stream = music21.converter.parse(tmp_path / "tune.musicxml", format="musicxml", forceSource=True)
    symbols = list(stream.recurse().getElementsByClass(music21.harmony.ChordSymbol))
    for symbol, span in zip(symbols, spans, strict=True):
        heard = {(pitch.pitchClass - 2) % 12 for pitch in symbol.pitches}
        # By its definition of 13 chords the eleventh is in them, and the fifth may be left out anywhere.
        assert INTERVALS[span.chord.quality] - {7} <= heard <= INTERVALS[span.chord.quality] | {5, 2, 7}, span


def test_bytes_are_the_same_every_time() -> None:
    assert musicxml_bytes(SCORE) == musicxml_bytes(replace(SCORE, id="other"))
