"""MusicXML as DAWs, notation programs and people write it: which part is the tune, signs, meters, tempos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.readers.find import find_songs
from hrpe_jax.readers.part_songs import held_chords
from hrpe_jax.readers.read import read_songs
from hrpe_jax.readers.song import Song
from hrpe_jax.theory.chord import to_lead_sheet
from tests.readers.test_musicxml import note, start, symbol

TUNE = [72, 76, 79, 76, 69, 72, 77, 72, 71, 74, 79, 74, 72, 67, 64, 60]
HARMONY = [[48, 52, 55], [48, 53, 57], [47, 50, 55], [48, 52, 55]]


def line(pitches: list[int], symbols: str = "") -> list[str]:
    """Four quarters a bar, with a chord symbol over each bar where there are some."""
    bars = ["".join(note(pitch, 2) for pitch in pitches[at : at + 4]) for at in range(0, len(pitches), 4)]
    return [symbol(root) + bar for root, bar in zip(symbols, bars, strict=True)] if symbols else bars


def blocks(symbols: str = "") -> list[str]:
    bars = [
        "".join(note(pitch, 8, before="<chord/>" if rank else "") for rank, pitch in enumerate(chord))
        for chord in HARMONY
    ]
    return [symbol(root) + bar for root, bar in zip(symbols, bars, strict=True)] if symbols else bars


def alberti() -> list[str]:
    return ["".join(note(chord[step], 2) for step in (0, 2, 1, 2)) for chord in HARMONY]


def read(tmp_path: Path, parts: list[tuple[str, list[str]]], head: str = start()) -> Song:
    names = "".join(
        f"<score-part id='P{i}'><part-name>{name}</part-name></score-part>"
        for i, (name, _) in enumerate(parts)
    )
    body = "".join(
        f"<part id='P{i}'>"
        + "".join(f"<measure>{head if n == 0 else ''}{bar}</measure>" for n, bar in enumerate(bars))
        + "</part>"
        for i, (_, bars) in enumerate(parts)
    )
    path = tmp_path / "a song.musicxml"
    path.write_text(
        f"<score-partwise><part-list>{names}</part-list>{body}</score-partwise>", encoding="utf-8"
    )
    (song,) = read_songs(find_songs(path).songs[0])
    assert isinstance(song, Song), song
    return song


def pitches(song: Song) -> list[int]:
    return [note.pitch for note in song.score.melody]


@pytest.mark.parametrize(
    ("tune", "other", "guess"),
    [
        ("", "", True), ("Part 1", "Part 2", True), ("MIDI 01", "MIDI 02", True), ("Flute", "Harp", False),
        ("Alto Sax", "Piano", False), ("Tenor Saxophone", "Organ", False),
        ("Bass Clarinet", "Keyboard", False), ("Trumpet in Bb", "Accordion", False),
        ("Violin", "Vibraphone", True), ("Voice", "Voice 2", True),
        ("Right Hand", "Left Hand", False), ("Fiddle", "Banjo", False), ("Soprano Sax", "Strings", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_the_single_line_is_the_tune(tmp_path: Path, tune: str, other: str, guess: bool, first: bool) -> None:
    parts = [(tune, line(TUNE)), (other, blocks())]
    song = read(tmp_path, parts if first else parts[::-1])
    assert pitches(song) == TUNE
    assert ("melody_scored" in song.warnings) == (guess and tune != "Voice")
    assert [to_lead_sheet(span.chord) for span in song.score.chords] == ["C", "F/C", "G/B", "C"]


@pytest.mark.parametrize("name", ["Piano", "", "Guitar"])
def test_symbols_over_the_chords_do_not_make_them_the_tune(tmp_path: Path, name: str) -> None:
    song = read(tmp_path, [(name, blocks("CFGC")), ("Flute" if name else "", line(TUNE))])
    assert pitches(song) == TUNE


def test_broken_chords_are_not_the_tune(tmp_path: Path) -> None:
    for parts in ([("", alberti()), ("", line(TUNE))], [("", line(TUNE)), ("", alberti())]):
        song = read(tmp_path, parts)
        assert pitches(song) == TUNE
        assert "melody_scored" in song.warnings


BROKEN = [
    [48, 52, 55],
    [45, 48, 52],
    [53, 57, 60],
    [43, 50, 59],
    [48, 52, 55],
    [41, 48, 57],
    [43, 47, 53],
    [48, 52, 55],
]
NAMED = ["C", "Am", "F", "G", "C", "F", "G7", "C"]
OVER = [72, 74, 76, 77, 76, 74, 72, 69, 69, 71, 72, 74, 71, 72, 74, 71,
        76, 74, 72, 74, 72, 69, 65, 69, 71, 74, 77, 74, 72, 72, 72, 72]  # fmt: skip


@pytest.mark.parametrize(
    "figure",
    [(0, 2, 1, 2), (0, 2, 1, 2) * 2, (0, 1, 2, 1) * 2, (0, 1, 2, 2), (0, 1, 2, 1, 0, 2, 1, 2)],
)
@pytest.mark.parametrize("octave", [0, 12])
def test_chords_of_a_left_hand_that_breaks_them(tmp_path: Path, figure: tuple[int, ...], octave: int) -> None:
    left = ["".join(note(chord[step] + octave, 8 // len(figure)) for step in figure) for chord in BROKEN]
    for parts in ([("", line(OVER)), ("", left)], [("Piano", left), ("Piano", line(OVER))]):
        song = read(tmp_path, parts)
        assert pitches(song) == OVER
        assert [to_lead_sheet(span.chord) for span in song.score.chords] == NAMED


def test_chords_that_change_within_a_bar_of_broken_ones(tmp_path: Path) -> None:
    halves = [[BROKEN[0], BROKEN[3]], [BROKEN[1], BROKEN[2]], [BROKEN[3], BROKEN[5]], [BROKEN[0]] * 2]
    left = ["".join(note(chord[step], 1) for chord in pair for step in (0, 2, 1, 2)) for pair in halves]
    song = read(
        tmp_path, [("", line([72, 76, 74, 71, 72, 76, 77, 72, 74, 71, 77, 74, 76, 72, 67, 72])), ("", left)]
    )
    names = [(to_lead_sheet(span.chord), span.onset // 24) for span in song.score.chords]
    assert names == [("C", 0), ("G", 1), ("Am", 2), ("F", 3), ("G", 4), ("F", 5), ("C", 6)]


def test_broken_chords_on_the_lower_staff_of_a_piano(tmp_path: Path) -> None:
    bars = []
    for at, chord in enumerate(BROKEN):
        upper = "".join(note(pitch, 2, inside="<staff>1</staff>") for pitch in OVER[4 * at : 4 * at + 4])
        lower = "".join(note(chord[step], 1, inside="<staff>2</staff>") for step in (0, 2, 1, 2) * 2)
        bars.append(upper + "<backup><duration>8</duration></backup>" + lower)
    song = read(tmp_path, [("Piano", bars)], start(extra="<staves>2</staves>"))
    assert pitches(song) == OVER
    assert [to_lead_sheet(span.chord) for span in song.score.chords] == NAMED


def test_two_lines_in_steps_are_no_broken_chords(tmp_path: Path) -> None:
    """A second voice in steps and a walking bass go on being heard beat by beat."""
    walk = [48, 50, 52, 53, 55, 53, 52, 50] * 2
    song = read(tmp_path, [("", line(TUNE)), ("", line(walk))])
    assert pitches(song) == TUNE
    for steps in (walk, [72, 74, 76, 77, 76, 74, 72, 76, 74, 72, 71, 72]):
        rows = [(at * 12, 12, pitch) for at, pitch in enumerate(steps)]
        assert held_chords(np.array(rows), range(0, 12 * len(rows), 48)) is None


def test_one_part_of_chords_is_still_read(tmp_path: Path) -> None:
    song = read(tmp_path, [("Piano", blocks())])
    assert pitches(song) == [55, 57, 55, 55]
    assert "melody_skyline" in song.warnings


def test_the_name_of_the_instrument_serves_where_the_part_has_none(tmp_path: Path) -> None:
    instrument = "<score-instrument id='I'><instrument-name>Lead vocal</instrument-name></score-instrument>"
    named = f"</part-name>{instrument}<part-name>"
    song = read(tmp_path, [(named, line(TUNE[::-1])), ("", line(TUNE))])
    assert pitches(song) == TUNE[::-1]
    assert "melody_scored" not in song.warnings


SCALE = [60, 62, 64, 65, 67, 69]
BACK, FORTH = "<repeat direction='backward'/>", "<repeat direction='forward'/>"


def bar(degree: int, left: str = "", right: str = "", extra: str = "") -> str:
    def line(place: str, signs: str) -> str:
        return f"<barline location='{place}'>{signs}</barline>" if signs else ""

    return line("left", left) + extra + note(SCALE[degree], 8) + line("right", right)


def ending(numbers: str, kind: str) -> str:
    return f"<ending number='{numbers}' type='{kind}'/>"


def degrees(song: Song) -> str:
    return " ".join(str(SCALE.index(pitch)) for pitch in pitches(song))


@pytest.mark.parametrize(
    ("brackets", "order"),
    [
        (["1, 3", "2, 4"], "0 1 0 2 0 1 0 2 3"), (["1,3", "2"], "0 1 0 2 0 1 3"),
        (["1 2", "3"], "0 1 0 1 0 2 3"), (["1", "2", "3"], "0 1 0 2 0 3 4"),
    ],
)  # fmt: skip
def test_endings_for_several_passes(tmp_path: Path, brackets: list[str], order: str) -> None:
    bars = [bar(0, FORTH)]
    for place, numbers in enumerate(brackets, 1):
        right = ending(numbers, "stop") + (BACK if place < len(brackets) else "")
        bars.append(bar(place, ending(numbers, "start"), right))
    song = read(tmp_path, [("", [*bars, bar(len(brackets) + 1)])])
    assert degrees(song) == order


def test_repeats_after_a_jump_where_the_sign_says_so(tmp_path: Path) -> None:
    again = "<repeat direction='backward' after-jump='yes'/>"
    fine = "<direction><direction-type><words>Fine</words></direction-type></direction>"
    da_capo = "<direction><sound dacapo='yes'/></direction>"
    bars = [bar(0, FORTH, again), bar(1, extra=fine), bar(2, FORTH, BACK), bar(3, extra=da_capo)]
    assert degrees(read(tmp_path, [("", bars)])) == "0 0 1 2 2 3 0 0 1"


def test_empty_bars_under_a_sign_of_repetition_are_filled(tmp_path: Path) -> None:
    def sign(kind: str, bars: int = 1) -> str:
        inside = f"<measure-repeat type='{kind}'>{bars if kind == 'start' else ''}</measure-repeat>"
        return f"<attributes><measure-style>{inside}</measure-style></attributes>"

    rest = "<note><rest measure='yes'/><duration>8</duration></note>"
    song = read(tmp_path, [("", [bar(0), sign("start") + rest, rest, sign("stop") + bar(1), rest])])
    assert [(note.onset, SCALE.index(note.pitch)) for note in song.score.melody] == [
        (0, 0),
        (48, 0),
        (96, 0),
        (144, 1),
    ]
    assert "measures_repeated" in song.warnings
    song = read(tmp_path, [("", [bar(0), bar(1), sign("start", 2) + rest, rest, sign("stop") + bar(2)])])
    assert degrees(song) == "0 1 0 1 2"
    written_out = read(tmp_path, [("", [bar(0), sign("start") + bar(1), sign("stop") + bar(2)])])
    assert degrees(written_out) == "0 1 2"
    assert "measures_repeated" not in written_out.warnings


@pytest.mark.parametrize(
    ("pairs", "meter"),
    [
        ([("3", "8"), ("2", "8")], "5/8"), ([("3", "8"), ("1", "4")], "5/8"),
        ([("3+2", "8"), ("2", "8")], "7/8"), ([("3", "4"), ("2", "4")], "5/4"), ([("2", "4")], "2/4"),
    ],
)  # fmt: skip
def test_composite_meters_are_summed(tmp_path: Path, pairs: list[tuple[str, str]], meter: str) -> None:
    time = "".join(f"<beats>{a}</beats><beat-type>{b}</beat-type>" for a, b in pairs)
    eighths = int(meter[0]) * 8 // int(meter[2])
    head = f"<attributes><divisions>2</divisions><time>{time}</time></attributes>"
    song = read(tmp_path, [("", [note(60, eighths)] * 4)], head)
    assert str(song.score.meter) == meter
    assert song.score.bar_starts() == tuple(range(0, 4 * eighths * 6, eighths * 6))


def tempo(unit: str, figure: str, dots: int = 0) -> str:
    inside = f"<beat-unit>{unit}</beat-unit>{'<beat-unit-dot/>' * dots}<per-minute>{figure}</per-minute>"
    return f"<direction><direction-type><metronome>{inside}</metronome></direction-type></direction>"


@pytest.mark.parametrize(
    ("mark", "bpm"),
    [
        (tempo("32nd", "480"), 60), (tempo("breve", "20"), 160), (tempo("long", "10"), 160),
        (tempo("eighth", "120"), 60), (tempo("quarter", "60", 1), 90), (tempo("half", "c. 40"), 80),
        (tempo("64th", "1600"), 100), (tempo("quarter", "fast"), 120),
    ],
)  # fmt: skip
def test_metronome_marks(tmp_path: Path, mark: str, bpm: float) -> None:
    assert read(tmp_path, [("", [mark + note(60, 8)])]).score.tempo_bpm == bpm


def test_a_late_tempo_mark_is_not_the_tempo_of_the_piece(tmp_path: Path) -> None:
    slow, fast = "<sound tempo='50'/>", "<sound tempo='90'/>"
    song = read(tmp_path, [("", [WHOLE, WHOLE, WHOLE, slow + WHOLE])])
    assert (song.score.tempo_bpm, "tempo_assumed" in song.warnings) == (120, True)
    song = read(tmp_path, [("", [WHOLE, fast + WHOLE, WHOLE, WHOLE, slow + WHOLE])])
    assert (song.score.tempo_bpm, "tempo_assumed" in song.warnings) == (90, False)
    song = read(tmp_path, [("", [note(60, 2), fast + WHOLE, WHOLE])])  # behind a pickup
    assert song.score.tempo_bpm == 90


WHOLE = note(60, 8)


def test_alternate_harmony_is_for_who_wants_it(tmp_path: Path) -> None:
    other = symbol("A", "minor").replace("<harmony>", "<harmony type='alternate'>")
    song = read(tmp_path, [("", [symbol("C") + other + WHOLE, symbol("F") + WHOLE])])
    assert [(span.onset, to_lead_sheet(span.chord)) for span in song.score.chords] == [(0, "C"), (48, "F")]


def test_chords_outside_the_vocabulary_are_shown_as_written(tmp_path: Path) -> None:
    values = "<degree-value>11</degree-value><degree-alter>1</degree-alter><degree-type>add</degree-type>"
    lydian = (
        "<harmony><root><root-step>A</root-step><root-alter>-1</root-alter></root>"
        f"<kind text='maj7'>major-seventh</kind><degree>{values}</degree></harmony>"
    )
    altered = "<harmony><root><root-step>G</root-step></root><kind text='7alt'>other</kind></harmony>"
    root = "<root><root-step>C</root-step><root-alter>1</root-alter></root>"
    sharp = f"<harmony>{root}<kind>minor</kind></harmony>"
    song = read(tmp_path, [("", [lydian + WHOLE, altered + WHOLE, sharp + WHOLE])])
    shown = [to_lead_sheet(span.chord, song.score.key) for span in song.score.chords]
    assert shown == ["Abmaj7(#11)", "G7alt", "C#m"]
    assert "chords_simplified" in song.warnings


def test_titles_that_were_escaped_twice(tmp_path: Path) -> None:
    path = tmp_path / "a song.musicxml"
    read(tmp_path, [("", [WHOLE])])
    text = path.read_text(encoding="utf-8")
    title = "<work><work-title>L&amp;apos;&amp;eacute;t&amp;eacute; &amp;amp; plus</work-title></work>"
    path.write_text(text.replace("<part-list>", f"{title}<part-list>"), encoding="utf-8")
    (song,) = read_songs(find_songs(path).songs[0])
    assert isinstance(song, Song)
    assert song.score.title == "L'été & plus"


def test_tempos_in_words(tmp_path: Path) -> None:
    for words, tempo in (
        ("\u2669 = 90", 90),
        ("Allegro (q = 132)", 132),
        ("\u2669. = 60", 90),
        ("in 1990", 120),
    ):
        said = f"<direction><direction-type><words>{words}</words></direction-type></direction>"
        bars = line(TUNE, "CFGC")
        assert read(tmp_path, [("Lead", [said + bars[0], *bars[1:]])]).score.tempo_bpm == tempo, words


def test_numerals_and_symbols_that_say_nothing(tmp_path: Path) -> None:
    numeral = "<harmony><numeral><numeral-root>{}</numeral-root></numeral><kind>{}</kind></harmony>"
    function = "<harmony><function>V</function><kind>dominant</kind></harmony>"
    heads = [
        numeral.format(1, "major"),
        numeral.format(6, "minor"),
        function,
        "<harmony><kind>major</kind></harmony>",
    ]
    song = read(tmp_path, [("Lead", [head + bar for head, bar in zip(heads, line(TUNE), strict=True)])])
    assert [to_lead_sheet(span.chord) for span in song.score.chords] == ["C", "Am", "G7"]
    assert "chord_symbol_unread" in song.warnings


def test_encodings_of_east_asia(tmp_path: Path) -> None:
    title = "雪のうた"
    body = "".join(f"<measure>{'' if n else start()}{bar}</measure>" for n, bar in enumerate(line(TUNE)))
    for encoding in ("Shift_JIS", "EUC-JP", "windows-31j"):
        text = (
            f"<?xml version='1.0' encoding='{encoding}'?><score-partwise>"
            f"<movement-title>{title}</movement-title>"
            f"<part-list><score-part id='P'><part-name/></score-part></part-list><part id='P'>{body}</part>"
            "</score-partwise>"
        )
        path = tmp_path / "title.musicxml"
        path.write_bytes(text.encode("cp932" if encoding == "windows-31j" else encoding))
        (song,) = read_songs(find_songs(path).songs[0])
        assert isinstance(song, Song)
        assert song.score.title == title
