"""MIDI as sequencers, keyboards, guitars and karaoke programs write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.readers.midi_plain import read_midi_song
from hrpe_jax.readers.song import Song
from hrpe_jax.theory.chord import to_lead_sheet
from tests.formats.midi.midi_bytes import key, meter, midi, notes, number, tempo, text

Row = tuple[int, int, int]
TUNE: list[Row] = [
    (at * 480, 460, pitch)
    for at, pitch in enumerate(
        [64, 67, 72, 71, 69, 67, 65, 69, 67, 71, 74, 77, 76, 72, 67, 64,
         69, 72, 76, 74, 72, 69, 67, 65, 67, 65, 62, 71, 72, 76, 74, 72]
    )
]  # fmt: skip
CHORDS = [
    [48, 52, 55],
    [53, 57, 60],
    [55, 59, 62],
    [48, 52, 55],
    [57, 60, 64],
    [53, 57, 60],
    [55, 59, 62],
    [48, 52, 55],
]
BLOCKS: list[Row] = [(bar * 1920, 1900, pitch) for bar, chord in enumerate(CHORDS) for pitch in chord]
BASS: list[Row] = [(bar * 1920, 1900, min(chord) - 12) for bar, chord in enumerate(CHORDS)]
HEAD = tempo(500_000) + meter(4, 2) + key(0)


def at(tick: int, event: bytes) -> tuple[int, bytes]:
    return tick, event


def track(*events: tuple[int, bytes], name: bytes = b"") -> bytes:
    """A track of events at ticks, in their order."""
    data, now = text(3, name) if name else b"", 0
    for tick, event in sorted(events, key=lambda item: item[0]):
        data += number(tick - now) + event
        now = tick
    return data


def played(rows: list[Row], channel: int = 0, velocity: int = 80) -> list[tuple[int, bytes]]:
    ends = [(onset + length, bytes([0x80 + channel, pitch, 64])) for onset, length, pitch in rows]
    return ends + [(onset, bytes([0x90 + channel, pitch, velocity])) for onset, _, pitch in rows]


def program(tick: int, value: int, channel: int = 0) -> tuple[int, bytes]:
    return tick, bytes([0xC0 + channel, value])


def named(kind: int, tick: int, content: str) -> tuple[int, bytes]:
    raw = content.encode()
    return tick, b"\xff" + bytes([kind]) + number(len(raw)) + raw


def read(tmp_path: Path, data: bytes, name: str = "a_song.mid") -> Song:
    path = tmp_path / name
    path.write_bytes(data)
    return read_midi_song(path)


def pitches(song: Song) -> list[int]:
    return [note.pitch for note in song.score.melody]


def chords(song: Song) -> str:
    return " ".join(f"{to_lead_sheet(span.chord)}@{span.onset // 12}" for span in song.score.chords)


SUNG = [pitch for _, _, pitch in TUNE]
PLAIN = "C@0 F@4 G@8 C@12 Am@16 F@20 G@24 C@28"
ACCOMPANIMENT = (track(*played(BLOCKS, 1), name=b"Piano"), track(*played(BASS, 2), name=b"Bass"))


@pytest.mark.parametrize("name", [b"Melody", b"", b"Flute"])
def test_a_voice_that_changes_its_sound_is_one_voice(tmp_path: Path, name: bytes) -> None:
    changes = [program(0, 73), program(7680, 56), program(11520, 73)]
    melody = track(*changes, *played(TUNE), name=name)
    song = read(tmp_path, midi(HEAD, melody, *ACCOMPANIMENT))
    assert pitches(song) == SUNG
    assert chords(song) == PLAIN
    assert ("melody_scored" in song.warnings) == (name != b"Melody")
    song = read(tmp_path, midi(HEAD, melody, ACCOMPANIMENT[0]))  # and so in a file of two tracks
    assert pitches(song) == SUNG


def test_in_format_0_too(tmp_path: Path) -> None:
    events = [program(0, 73), program(5760, 71), *played(TUNE), *played(BLOCKS, 1), *played(BASS, 2)]
    song = read(tmp_path, midi(HEAD + track(*events), form=0))
    assert pitches(song) == SUNG


def test_notes_that_go_round_all_channels_are_one_voice(tmp_path: Path) -> None:
    around = [event for place, row in enumerate(TUNE) for event in played([row], 1 + place % 5)]
    song = read(tmp_path, midi(HEAD, track(*around, name=b"Lead"), *(ACCOMPANIMENT[:1])))
    assert pitches(song) == SUNG
    assert "channels_joined" in song.warnings
    alone = read(tmp_path, midi(HEAD + track(*around), form=0))  # MPE from a program with one track
    assert pitches(alone) == SUNG


def zone(rows: list[Row], channels: list[int]) -> list[tuple[int, bytes]]:
    """Notes that go round channels, as MPE plays them."""
    return [event for at, row in enumerate(rows) for event in played([row], channels[at % len(channels)])]


def members(master: int, size: int) -> list[tuple[int, bytes]]:
    """The message that declares a zone of so many channels from the first or the last one on."""
    pairs = [(101, 0), (100, 6), (6, size)]
    return [(0, bytes([0xB0 + master, number, value])) for number, value in pairs]


@pytest.mark.parametrize("size", [5, 6, 7])
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("form", [0, 1])
def test_two_zones_are_two_voices(tmp_path: Path, size: int, declared: bool, form: int) -> None:
    lower, upper = list(range(1, 1 + size)), list(range(14, 14 - size, -1))
    said = members(0, size) + members(15, size) if declared else []
    for hands in ((TUNE, BLOCKS), (BLOCKS, TUNE)):
        events = [*said, *zone(hands[0], lower), *zone(hands[1], upper)]
        other = [track(*played(BASS, 0), name=b"Bass")] if form else []
        data = [HEAD, track(*events), *other] if form else [HEAD + track(*events)]
        song = read(tmp_path, midi(*data, form=form))
        assert (pitches(song), chords(song)) == (SUNG, PLAIN)


def test_declared_zones_of_few_notes_are_two_voices(tmp_path: Path) -> None:
    """Notes on any channel of a zone, in no order: only the message tells."""
    tune = [event for at, row in enumerate(TUNE) for event in played([row], 1 + at * at % 3)]
    blocks = [event for at, row in enumerate(BLOCKS) for event in played([row], 14 - at % 3)]
    song = read(tmp_path, midi(HEAD + track(*members(0, 7), *members(15, 7), *tune, *blocks), form=0))
    assert (pitches(song), chords(song)) == (SUNG, PLAIN)
    off = [*members(0, 7), *members(0, 0)]  # a zone of no channels is none
    song = read(tmp_path, midi(HEAD + track(*off, *played(TUNE), *played(BLOCKS, 1)), form=0))
    assert (pitches(song), "channels_joined" in song.warnings) == (SUNG, False)


def test_the_tenth_channel_is_no_drum_inside_of_a_zone(tmp_path: Path) -> None:
    around = zone(TUNE, list(range(1, 16)))
    for said in (members(0, 15), []):
        assert pitches(read(tmp_path, midi(HEAD, track(*said, *around), *ACCOMPANIMENT[:1]))) == SUNG
    drums = [(at * 480, 100, 36 + at % 3) for at in range(32)]
    parts = [*played(TUNE), *played(BLOCKS, 1), *played(BASS, 2), *played(drums, 9)]
    assert pitches(read(tmp_path, midi(HEAD + track(*parts), form=0))) == SUNG


def test_the_strings_of_a_guitar_are_one_voice(tmp_path: Path) -> None:
    openings = [64, 59, 55, 50, 45, 40]

    def string(pitch: int) -> int:
        return next(i for i, low in enumerate(openings) if pitch >= low)

    low = [(onset, length, pitch - 12) for onset, length, pitch in TUNE]
    low += [((32 + place) * 480, 460, pitch) for place, pitch in enumerate((46, 41, 51, 47))]
    events = [event for row in low for event in played([row], 10 + string(row[2]))]
    song = read(tmp_path, midi(HEAD, track(*events, name=b"Guitar")))
    assert pitches(song) == [pitch for _, _, pitch in low]


def test_parts_on_channels_of_one_track_stay_parts(tmp_path: Path) -> None:
    events = [*played(TUNE), *played(BLOCKS, 1), *played(BASS, 2)]
    song = read(tmp_path, midi(HEAD + track(*events), form=0))
    assert pitches(song) == SUNG
    assert "channels_joined" not in song.warnings


def test_a_duet(tmp_path: Path) -> None:
    one = track(*played(TUNE[:16]), name=b"Voice 1")
    two = track(*played(TUNE[16:], 3), name=b"Voice 2")
    assert pitches(read(tmp_path, midi(HEAD, one, two, *ACCOMPANIMENT))) == SUNG


NAMES = ["C", "F", "G", "C", "Am", "F", "G7", "Cmaj7"]
SAID = "C@0 F@4 G@8 C@12 Am@16 F@20 G7@24 Cmaj7@28"


@pytest.mark.parametrize("kind", [1, 5, 6, 7])
@pytest.mark.parametrize("form", ["{}", "[{}]", "({})", "Chord: {}", " {} "])
def test_chord_names_as_texts(tmp_path: Path, kind: int, form: str) -> None:
    texts = [named(kind, bar * 1920, form.format(name)) for bar, name in enumerate(NAMES)]
    song = read(tmp_path, midi(HEAD, track(*played(TUNE), *texts, name=b"Melody")))
    assert (pitches(song), chords(song)) == (SUNG, SAID)
    assert "chords" not in song.found
    three = midi(HEAD, track(*texts), track(*played(TUNE), name=b"Melody"), *ACCOMPANIMENT)
    song = read(tmp_path, three)
    assert (pitches(song), chords(song)) == (SUNG, SAID)


def test_remarks_and_sections_beside_chord_names_do_no_harm(tmp_path: Path) -> None:
    texts = [named(6, bar * 1920, name) for bar, name in enumerate(NAMES)]
    others = [named(6, 0, "made by hand"), named(6, 0, "Intro"), named(6, 7680, "Verse 2")]
    song = read(tmp_path, midi(HEAD, track(*others, *played(TUNE), *texts, name=b"Melody")))
    assert chords(song) == SAID


@pytest.mark.parametrize(
    ("letters", "bars", "are_chords"),
    [
        (["A", "B"], 4, False), (["A", "A", "B", "A"], 8, False), (["A1", "A2", "B1"], 2, False),
        (["A", "A", "B", "A"], 2, False), (["A", "B"], 2, False),
        (["C", "F", "G", "C"], 1, True), (["A", "D", "E", "A"], 1, True), (["A", "B", "A", "B"], 1, True),
        (["Verse", "Chorus", "Verse"], 4, False), (["la", "la", "do", "be", "A", "Am"], 1, False),
    ],
)  # fmt: skip
def test_letters_are_letters(tmp_path: Path, letters: list[str], bars: int, are_chords: bool) -> None:
    texts = [named(5, place * bars * 1920, letter) for place, letter in enumerate(letters)]
    long = TUNE + [(onset + 15360, length, pitch) for onset, length, pitch in TUNE]
    song = read(tmp_path, midi(HEAD, track(*played(long), *texts, name=b"Melody")))
    assert pitches(song) == SUNG * 2
    assert [to_lead_sheet(span.chord) for span in song.score.chords] == (letters if are_chords else [])


def test_german_chord_names(tmp_path: Path) -> None:
    texts = [named(6, bar * 1920, name) for bar, name in enumerate(["Em", "H7", "B", "Fis"])]
    song = read(tmp_path, midi(HEAD, track(*played(TUNE), *texts)))
    assert chords(song) == "Em@0 B7@4 Bb@8 F#@12"
    assert "chord_names_german" in song.warnings


def xf(tick: int, root: int, kind: int, bass: int = 127) -> tuple[int, bytes]:
    return tick, b"\xff\x7f\x07\x43\x7b\x01" + bytes([root, kind, bass, 127])


def test_chord_events_of_keyboards(tmp_path: Path) -> None:
    said = [
        xf(0, 0x31, 0),
        xf(1920, 0x26, 0x0A),
        xf(3840, 0x44, 0x13, 0x36),
        xf(5760, 0x37, 0x22),
        xf(7680, 0x31, 0x03),
    ]
    song = read(tmp_path, midi(HEAD + track(*said), track(*played(TUNE), name=b"Melody")))
    assert chords(song) == "C@0 Abm7@4 F#7/A@8 N.C.@12 Cmaj7#11@16"
    assert pitches(song) == SUNG


@pytest.mark.parametrize(("beats", "power"), [(3, 2), (4, 2), (2, 2)])
def test_a_pickup_at_the_beginning_of_the_file(tmp_path: Path, beats: int, power: int) -> None:
    bar = 480 * beats
    blocks = [(480 + n * bar, bar - 20, pitch) for n, chord in enumerate(CHORDS) for pitch in chord]
    tune = [(at * 480, 460, 60 + at * at % 11) for at in range(1 + beats * 8)]
    song = read(tmp_path, midi(meter(beats, power), track(*played(tune)), track(*played(blocks, 1))))
    assert song.score.bar_starts()[:4] == (0, *(12 + n * 12 * beats for n in range(3)))
    assert {"bars_moved"} <= set(song.warnings)
    assert [span.onset for span in song.score.chords][:2] == [12, 12 + 12 * beats]


def test_bars_stay_where_chords_change_on_them(tmp_path: Path) -> None:
    halves = [(n * 960, 940, pitch) for n, chord in enumerate(CHORDS * 2) for pitch in chord]
    song = read(tmp_path, midi(meter(4, 2), track(*played(TUNE)), track(*played(halves, 1))))
    assert song.score.bar_resets == ()
    late = [(960 + n * 960, 940, pitch) for n, chord in enumerate(CHORDS) for pitch in chord]  # beats 3 and 1
    song = read(tmp_path, midi(meter(4, 2), track(*played(TUNE)), track(*played(late, 1))))
    assert song.score.bar_resets == ()


def damaged(data: bytes, place: int, velocity: int = 80) -> bytes:
    """The file with the velocity of one of its notes over 127."""
    position = -1
    for _ in range(place + 1):
        position = data.index(bytes([velocity]), position + 1)
    return data[:position] + b"\xc8" + data[position + 1 :]


def test_a_data_byte_over_127_is_clamped_and_said(tmp_path: Path) -> None:
    whole = midi(HEAD, track(*played(TUNE, velocity=83), name=b"Melody"), *ACCOMPANIMENT)
    song = read(tmp_path, damaged(whole, 5, 83))
    assert (pitches(song), chords(song)) == (SUNG, PLAIN)
    assert [note.velocity for note in song.score.melody].count(127) == 1
    assert "bytes_clamped" in song.warnings
    assert "damaged" not in song.warnings
    short = midi(HEAD, track(*played(TUNE[:10], velocity=83)), track(*played(BLOCKS[:12], 1)))
    assert pitches(read(tmp_path, damaged(short, 3, 83))) == SUNG[:10]


@pytest.mark.parametrize(
    ("basses", "names"),
    [
        ([36, 41, 43, 36, 45, 41, 43, 36], PLAIN),
        ([36, 48, 35, 40, 43, 45, 43, 36], "C@0 F/C@4 G/B@8 C/E@12 Am/G@16 F/A@20 G@24 C@28"),
        ([45, 43, 36, 36, 41, 41, 41, 36], "Am7@0 F/G@4 G/C@8 C@12 Fmaj7@16 F@20 G/F@24 C@28"),
    ],
)
@pytest.mark.parametrize("name", [b"Bass", b""])
def test_a_bass_line_under_chords_is_no_melody(
    tmp_path: Path, basses: list[int], names: str, name: bytes
) -> None:
    line = [(bar * 1920, 1900, pitch) for bar, pitch in enumerate(basses)]
    song = read(tmp_path, midi(HEAD, track(*played(BLOCKS)), track(*played(line, 1), name=name)))
    assert (chords(song), song.score.melody) == (names, ())
    assert "no_melody" in song.warnings


def test_a_walking_bass_gives_each_chord_its_first_note(tmp_path: Path) -> None:
    line = [(bar * 1920 + step * 480, 460, min(chord) - 12 + (0, 4, 7, 9)[step])
            for bar, chord in enumerate(CHORDS) for step in range(4)]  # fmt: skip
    song = read(tmp_path, midi(HEAD, track(*played(BLOCKS)), track(*played(line, 1), name=b"Bass")))
    assert (chords(song), song.score.melody) == (PLAIN, ())


def test_a_channel_is_one_voice_in_all_patterns_of_format_2(tmp_path: Path) -> None:
    def pattern(begin: int, end: int) -> bytes:
        def part(rows: list[Row]) -> list[Row]:
            return [(on - begin, length, pitch) for on, length, pitch in rows if begin <= on < end]

        return HEAD + track(*played(part(TUNE)), *played(part(BLOCKS), 1), *played(part(BASS), 2))

    song = read(tmp_path, midi(pattern(0, 7680), pattern(7680, 15360), form=2))
    assert (pitches(song), chords(song)) == (SUNG, PLAIN)


@pytest.mark.parametrize(
    ("language", "title", "encoding"),
    [
        ("@LJAPA", "夏のうた", "cp932"), ("", "夏のうた", "cp932"), ("@LRUSS", "Песня", "cp1251"),
        ("@LENGL", "L'été à Orléans", "cp1252"), ("", "Ça ira", "utf-8"), ("@LKORE", "노래", "cp949"),
    ],
)  # fmt: skip
def test_titles_of_karaoke_files(tmp_path: Path, language: str, title: str, encoding: str) -> None:
    words = track(name=b"Words") + text(1, b"@KMIDI KARAOKE FILE")
    words += text(1, language.encode()) if language else b""
    words += text(1, b"@T" + title.encode(encoding))
    song = read(tmp_path, midi(HEAD, words, track(*played(TUNE)), *ACCOMPANIMENT), "song.kar")
    assert song.score.title == title


def test_an_escaped_title_and_a_late_tempo(tmp_path: Path) -> None:
    head = text(3, b"Rock &amp; Roll") + meter(4, 2) + number(10) + tempo(600_000)[1:]
    late = [(onset + 480, length, pitch) for onset, length, pitch in TUNE]
    song = read(tmp_path, midi(head, notes(late), notes([(on + 480, d, p) for on, d, p in BLOCKS], 1)))
    assert (song.score.title, song.score.tempo_bpm) == ("Rock & Roll", 100.0)


def test_a_header_of_an_old_macintosh(tmp_path: Path) -> None:
    data = midi(HEAD, track(*played(TUNE), name=b"Melody"), *ACCOMPANIMENT)
    song = read(tmp_path, b"\0\x06a_song" + b"\0" * 120 + data)
    assert (pitches(song), chords(song)) == (SUNG, PLAIN)


def test_the_key_of_a_short_melody_has_its_notes(tmp_path: Path) -> None:
    song = read(tmp_path, midi(HEAD, track(*played(TUNE[:16]))))
    assert song.score.key.name == "C major"  # not E minor, on which it begins


ONSETS = [onset for onset, _, _ in TUNE]


@pytest.mark.parametrize("syllables", [["la"], ["Do", "Re", "Mi", "Fa", "Sol", "La"], ["la ", "do ", "mi"]])
def test_syllables_are_no_chords(tmp_path: Path, syllables: list[str]) -> None:
    words = [named(5, tick, syllables[at % len(syllables)]) for at, tick in enumerate(ONSETS)]
    song = read(tmp_path, midi(HEAD, track(*played(TUNE), *words, name=b"Track 4"), *ACCOMPANIMENT))
    assert (pitches(song), chords(song)) == (SUNG, PLAIN)
    assert not any(warning.startswith("chord_names") for warning in song.warnings)


def test_names_in_harte_syntax(tmp_path: Path) -> None:
    names = ["C:maj", "F:maj7", "G:7/3", "C:maj", "A:min", "F:maj7", "G:7/3", "C:maj"]
    texts = [named(6, bar * 1920, name) for bar, name in enumerate(names)]
    song = read(tmp_path, midi(HEAD, track(*texts), track(*played(TUNE), name=b"Voice")))
    assert chords(song) == "C@0 Fmaj7@4 G7/B@8 C@12 Am@16 Fmaj7@20 G7/B@24 C@28"


@pytest.mark.parametrize(
    ("first", "second", "sound"),
    [
        (b"Male vocal", b"Female vocal", 0),
        (b"Lead Vox 1", b"Lead Vox 2", 0),
        (b"Vocal", b"Vocal", 0),
        (b"Sax", b"Sax", 65),
    ],
)
def test_a_melody_cut_into_two_tracks(tmp_path: Path, first: bytes, second: bytes, sound: int) -> None:
    halves = [
        track(program(0, sound, at), *played(TUNE[at * 16 : at * 16 + 16], at), name=name)
        for at, name in ((0, first), (1, second))
    ]
    others = (track(*played(BLOCKS, 2), name=b"Piano"), track(*played(BASS, 3), name=b"Bass"))
    assert pitches(read(tmp_path, midi(HEAD, *halves, *others))) == SUNG


@pytest.mark.parametrize(
    ("encoding", "title"),
    [
        ("gb18030", "山上的雪"),
        ("big5", "山上的雪"),
        ("cp949", "바람의 노래"),
        ("cp932", "雪のうた"),
        ("cp1251", "Лето и зима"),
        ("cp1250", "Žluť"),
        ("cp1252", "L’été à Noël"),
        ("utf-8", "Лето"),
    ],
)
def test_titles_without_a_language(tmp_path: Path, encoding: str, title: str) -> None:
    raw = b"@T" + title.encode(encoding)
    words = [(0, b"\xff\x01" + number(len(raw)) + raw), *(named(1, tick, "la ") for tick in ONSETS)]
    song = read(tmp_path, midi(HEAD, track(*words, name=b"Words"), track(*played(TUNE)), *ACCOMPANIMENT))
    assert song.score.title == title
