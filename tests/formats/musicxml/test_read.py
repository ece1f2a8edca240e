"""The MusicXML reader on small documents, one feature each, and on real files where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.formats.musicxml.read import MusicXmlDocument, MusicXmlError, read_musicxml
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.meter import Meter

HEAD = "<attributes><divisions>2</divisions><key><fifths>1</fifths></key>{}</attributes>"
TIME = "<time><beats>{}</beats><beat-type>{}</beat-type></time>"
START = HEAD.format(TIME.format(4, 4))


def note(step: str, octave: int, duration: int, extra: str = "", before: str = "") -> str:
    """A <note>; durations in eighths."""
    alter = f"<alter>{len(step) - 1}</alter>" if step.endswith("#") else ""
    return (
        f"<note>{before}<pitch><step>{step[0]}</step>{alter}<octave>{octave}</octave></pitch>"
        f"<duration>{duration}</duration>{extra}</note>"
    )


def rest(duration: int) -> str:
    return f"<note><rest/><duration>{duration}</duration></note>"


def harmony(step: str, kind: str = "major", offset: int | None = None) -> str:
    shift = "" if offset is None else f"<offset>{offset}</offset>"
    return f"<harmony><root><root-step>{step}</root-step></root><kind>{kind}</kind>{shift}</harmony>"


def read(tmp_path: Path, *parts: list[str], head: str = "", play_repeats: bool = True) -> MusicXmlDocument:
    """Reads a document of parts, each a list of the insides of its measures."""
    names = "".join(
        f"<score-part id='P{i}'><part-name>Part {i}</part-name></score-part>" for i in range(len(parts))
    )
    body = "".join(
        f"<part id='P{i}'>"
        + "".join(f"<measure number='{k}'>{inside}</measure>" for k, inside in enumerate(measures, start=1))
        + "</part>"
        for i, measures in enumerate(parts)
    )
    path = tmp_path / "a.musicxml"
    path.write_text(f"<score-partwise>{head}<part-list>{names}</part-list>{body}</score-partwise>")
    return read_musicxml(path, play_repeats=play_repeats)


def line(document: MusicXmlDocument, part: int = 0) -> list[tuple[int, int, int]]:
    return [(n.onset, n.duration, n.pitch) for n in document.parts[part].notes]


WHOLE = note("C", 4, 8)


def test_the_plain_things(tmp_path: Path) -> None:
    head = (
        "<work><work-title> A\n song </work-title></work>"
        "<identification><creator type='composer'>Somebody</creator></identification>"
    )
    sound = "<direction><direction-type/><sound tempo='96'/></direction>"
    document = read(
        tmp_path, [START + sound + note("C", 4, 2) + note("F#", 4, 3) + rest(1) + note("D", 5, 2)], head=head
    )
    assert line(document) == [(0, 12, 60), (12, 18, 66), (36, 12, 74)]
    assert (document.title, document.composer, document.tempo_bpm) == ("A song", "Somebody", 96)
    assert (document.meter, document.end) == (Meter(4, 4), 48)
    assert document.measures[0].fifths == 1
    assert document.parts[0].name == "Part 0"


def test_triplets_and_thirtyseconds(tmp_path: Path) -> None:
    attributes = f"<attributes><divisions>24</divisions>{TIME.format(2, 4)}</attributes>"
    notes = "".join(note("C", 4, 8) for _ in range(3)) + "".join(note("D", 4, 3) for _ in range(8))
    onsets = [n.onset for n in read(tmp_path, [attributes + notes]).parts[0].notes]
    assert onsets[:4] == [0, 4, 8, 12]
    assert onsets[3:] == [12, 14, 15, 16, 18, 20, 21, 22]  # 1.5 ticks each, rounded where they stand


def test_chords_backup_and_forward_make_voices(tmp_path: Path) -> None:
    measure = (
        START + note("C", 5, 4, "<voice>1</voice>") + note("E", 5, 4, "<voice>1</voice>", "<chord/>")
        + note("D", 5, 4, "<voice>1</voice>") + "<backup><duration>8</duration></backup>"
        + "<forward><duration>2</duration></forward>" + note("C", 4, 6, "<voice>2</voice><staff>2</staff>")
    )  # fmt: skip
    document = read(tmp_path, [measure])
    assert line(document) == [(0, 24, 72), (0, 24, 76), (12, 36, 60), (24, 24, 74)]
    part = document.parts[0]
    assert part.voice_names() == ((1, "1"), (2, "2"))
    assert [n.pitch for n in part.voice(2, "2")] == [60]
    assert [(n.onset, n.duration, n.pitch) for n in part.top_line()] == [
        (0, 12, 76),
        (12, 12, 60),
        (24, 24, 74),
    ]


def test_grace_and_cue_notes_are_left_out(tmp_path: Path) -> None:
    grace = "<note><grace/><pitch><step>B</step><octave>4</octave></pitch></note>"
    cue = note("G", 4, 4, before="<cue/>")
    assert line(read(tmp_path, [START + grace + note("C", 5, 4) + cue])) == [(0, 24, 72)]


def test_ties_join_across_bars_and_chains(tmp_path: Path) -> None:
    first = START + rest(4) + note("C", 4, 4, "<tie type='start'/>")
    middle = note("C", 4, 8, "<tie type='stop'/><tie type='start'/>")
    last = note("C", 4, 2, "<tie type='stop'/>") + note("C", 4, 6)
    assert line(read(tmp_path, [first, middle, last])) == [(24, 84, 60), (108, 36, 60)]


def test_a_tie_that_leads_nowhere_is_an_end(tmp_path: Path) -> None:
    tied, stop = note("C", 4, 4, "<tie type='start'/>"), note("D", 4, 4, "<tie type='stop'/>")
    assert line(read(tmp_path, [START + tied + stop])) == [(0, 24, 60), (24, 24, 62)]


def test_a_tie_without_its_end_joins_unless_a_syllable_begins(tmp_path: Path) -> None:
    tied, sung = note("C", 4, 4, "<tie type='start'/>"), note("C", 4, 4, "<lyric><text>la</text></lyric>")
    assert line(read(tmp_path, [START + tied + note("C", 4, 4)])) == [(0, 48, 60)]
    assert line(read(tmp_path, [START + tied + sung])) == [(0, 24, 60), (24, 24, 60)]
    printed = note("C", 4, 4, "<notations><tied type='start'/></notations>")
    assert line(read(tmp_path, [START + printed + note("C", 4, 4)])) == [(0, 48, 60)]


def test_an_open_tie_waits_for_its_place(tmp_path: Path) -> None:
    first = (
        START + note("D", 4, 4) + note("C", 4, 4, "<tie type='start'/>")
        + "<backup><duration>8</duration></backup>" + note("C", 4, 2, "<voice>2</voice>")
    )  # fmt: skip
    second = note("C", 4, 8, "<tie type='stop'/>")
    assert line(read(tmp_path, [first, second])) == [(0, 12, 60), (0, 24, 62), (24, 72, 60)]


@pytest.mark.parametrize(
    ("symbols", "eighths", "places"),
    [
        (2, 8, [0, 24]), (2, 6, [0, 24]), (3, 8, [0, 24, 36]), (4, 8, [0, 12, 24, 36]), (2, 4, [0, 12]),
        (2, 2, [0, 6]), (2, 1, [0]), (9, 4, [0]),
    ],
)  # fmt: skip
def test_stacked_symbols_share_the_note(
    tmp_path: Path, symbols: int, eighths: int, places: list[int]
) -> None:
    steps = "CDEFGABCD"[:symbols]
    document = read(
        tmp_path, [START + "".join(map(harmony, steps)) + note("C", 4, eighths) + rest(8 - eighths)]
    )
    assert [span.onset for span in document.parts[0].chords] == places


def test_a_metronome_mark_is_a_tempo_unless_a_sound_says_another(tmp_path: Path) -> None:
    unit = "<beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>c. 60</per-minute>"
    mark = f"<direction-type><metronome>{unit}</metronome></direction-type>"
    assert read(tmp_path, [START + f"<direction>{mark}</direction>" + WHOLE]).tempo_bpm == 90
    assert (
        read(tmp_path, [START + f"<direction>{mark}<sound tempo='77'/></direction>" + WHOLE]).tempo_bpm == 77
    )


def test_slashes_and_drums_have_no_pitch(tmp_path: Path) -> None:
    slash = note("B", 4, 8, "<notehead>slash</notehead>")
    document = read(tmp_path, [START + harmony("C") + slash])
    assert (document.parts[0].notes, len(document.parts[0].chords)) == ((), 1)
    path = tmp_path / "drums.xml"
    drums = (
        "<score-part id='P'><midi-instrument><midi-channel>10</midi-channel></midi-instrument></score-part>"
    )
    part = f"<part id='P'><measure>{WHOLE}</measure></part>"
    path.write_text(f"<score-partwise><part-list>{drums}</part-list>{part}</score-partwise>")
    with pytest.raises(MusicXmlError) as error:
        read_musicxml(path)
    assert error.value.reason == "no_notes"


def test_a_timewise_score_is_turned(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    bar = "<measure number='{}'><part id='A'>{}</part><part id='B'>{}</part></measure>"
    bars = bar.format(1, START + WHOLE, START + note("E", 4, 8)) + bar.format(2, WHOLE, note("G", 4, 8))
    path.write_text(f"<score-timewise>{bars}</score-timewise>")
    document = read_musicxml(path)
    assert (line(document), line(document, 1)) == ([(0, 48, 60), (48, 48, 60)], [(0, 48, 64), (48, 48, 67)])


def test_pickups_and_bars_split_by_repeats(tmp_path: Path) -> None:
    back = "<barline><repeat direction='backward'/></barline>"
    measures = [START + note("G", 4, 2), WHOLE, note("C", 4, 6) + back, note("G", 4, 2), WHOLE]
    written = read(tmp_path, measures, play_repeats=False)
    assert written.bar_starts() == (0, 12, 60, 108)  # 3 + 1 beats are one bar
    played = read(tmp_path, measures)
    assert played.end == 12 + 48 + 36 + 12 + 48 + 36 + 12 + 48
    assert played.bar_starts() == (0, 12, 60, 108, 156, 204)


def test_syllables_by_verse(tmp_path: Path) -> None:
    """A verse each time round; a word goes on where a hyphen stands; without a second verse, the first."""

    def sung(number: int, syllabic: str, text: str) -> str:
        return f'<lyric number="{number}"><syllabic>{syllabic}</syllabic><text>{text}</text></lyric>'

    verses = sung(1, "begin", "hel") + sung(2, "single", "a")
    back = "<barline><repeat direction='backward'/></barline>"
    first = START + note("C", 4, 4, verses) + note("D", 4, 4, sung(1, "end", "lo")) + back
    document = read(tmp_path, [first])
    assert [note.lyric for note in document.parts[0].notes] == ["hel-", "-lo", "a", "-lo"]


def test_endings_are_played_in_turn(tmp_path: Path) -> None:
    forward = "<barline location='left'><repeat direction='forward'/></barline>"
    one = "<barline location='left'><ending number='1' type='start'/></barline>"
    end = "<barline><ending number='1' type='stop'/><repeat direction='backward'/></barline>"
    two = "<barline location='left'><ending number='2' type='start'/></barline>"
    stop = "<barline><ending number='2' type='discontinue'/></barline>"
    measures = [
        START + forward + WHOLE,
        one + note("D", 4, 8) + end,
        two + note("E", 4, 8) + stop,
        note("F", 4, 8),
    ]
    document = read(tmp_path, measures)
    assert [pitch for _, _, pitch in line(document)] == [60, 62, 60, 64, 65]
    assert [measure.number for measure in document.measures] == ["1", "2", "1", "3", "4"]


def test_repeats_written_in_one_part_hold_for_all(tmp_path: Path) -> None:
    back = "<barline><repeat direction='backward' times='3'/></barline>"
    document = read(tmp_path, [START + WHOLE], [START + WHOLE + back])
    assert len(line(document, 0)) == len(line(document, 1)) == 3


def test_da_capo_al_fine(tmp_path: Path) -> None:
    fine, capo = "<sound fine='yes'/>", "<direction><sound dacapo='yes'/></direction>"
    document = read(tmp_path, [START + WHOLE + fine, note("D", 4, 8) + capo])
    assert [pitch for _, _, pitch in line(document)] == [60, 62, 60]


def test_meter_and_key_changes(tmp_path: Path) -> None:
    change = f"<attributes><key><fifths>-2</fifths></key>{TIME.format('3+2', 8)}</attributes>"
    document = read(tmp_path, [START + WHOLE, WHOLE, change + note("C", 4, 5)])
    assert [(m.start, m.length, str(m.meter), m.fifths) for m in document.measures] == [
        (0, 48, "4/4", 1),
        (48, 48, "4/4", 1),
        (96, 30, "5/8", -2),
    ]
    assert document.meter == Meter(4, 4)


def test_missing_time_is_told_from_the_measures(tmp_path: Path) -> None:
    document = read(tmp_path, [HEAD.format("") + note("C", 4, 6), note("C", 4, 6), ""])
    assert document.meter == Meter(3, 4)
    assert document.measures[0].meter is None
    assert document.end == 36 + 36 + 48


def test_transposing_parts_sound(tmp_path: Path) -> None:
    transpose = "<transpose><chromatic>-2</chromatic><octave-change>-1</octave-change></transpose>"
    clarinet = START.replace("</attributes>", transpose + "</attributes>")
    document = read(tmp_path, [clarinet + harmony("D") + note("D", 5, 8)])
    assert line(document) == [(0, 48, 60)]
    assert document.parts[0].chords[0].chord == Chord(0, "maj")
    assert document.measures[0].fifths == -1  # G major written is F major heard


def test_harmony_spans_reach_to_the_next(tmp_path: Path) -> None:
    first = (
        START + harmony("C") + note("C", 4, 4) + harmony("C") + harmony("G", "dominant", 2) + note("D", 4, 4)
    )
    document = read(tmp_path, [first, harmony("C", "none") + WHOLE])
    assert [(s.onset, s.duration, s.chord) for s in document.parts[0].chords] == [
        (0, 36, Chord(0, "maj")),
        (36, 12, Chord(7, "7")),
        (48, 48, Chord.NONE),
    ]


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        (START + note("C", 4, -4), "bad_value"),
        (START + note("C", 4, 10**8), "bad_value"),
        (START + note("H", 4, 4), "bad_value"),
        (START + note("C", 40, 4), "bad_value"),
        (START + note("C", 4, 4).replace("<duration>4", "<duration>x"), "bad_value"),
        (START + note("C", 4, 4).replace("<duration>4", "<duration>nan"), "bad_value"),
        (START.replace("<divisions>2", "<divisions>0") + WHOLE, "bad_value"),
        (START + rest(8), "no_notes"),
        ("", "no_notes"),
    ],
)
def test_nonsense_is_named(tmp_path: Path, measure: str, reason: str) -> None:
    with pytest.raises(MusicXmlError) as error:
        read(tmp_path, [measure])
    assert error.value.reason == reason
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<score-timewise/>", "no_parts"),
        ("<opus/>", "not_partwise"),
        ("<html/>", "not_partwise"),
        ("<score-partwise/>", "no_parts"),
        ("<score-partwise><part/></score-partwise>", "no_notes"),
        ("<score-partwise>" + "<part/>" * 201 + "</score-partwise>", "too_long"),
    ],
)
def test_other_documents(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(MusicXmlError) as error:
        read_musicxml(path)
    assert error.value.reason == reason


def test_nested_repeats_cannot_blow_up(tmp_path: Path) -> None:
    back = "<barline location='left'><repeat direction='forward'/></barline>" + WHOLE
    back += "<barline><repeat direction='backward' times='99'/></barline>"
    with pytest.raises(MusicXmlError) as error:
        read(tmp_path, [START + back] + [back] * 2000)
    assert error.value.reason == "too_long"


def test_real_lead_sheets(shared_data: Path) -> None:
    files = sorted((shared_data / "openewld").rglob("*.mxl"))[::25]
    for path in files:
        document = read_musicxml(path)
        assert document.parts[0].chords
        assert document.parts[0].top_line()[-1].end <= document.end
        assert document.bar_starts()[0] == 0
