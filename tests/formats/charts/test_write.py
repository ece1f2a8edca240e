from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from hrpe_jax.formats.charts.write import chord_grid, chordpro, irealb_link
from hrpe_jax.score.form import parse_form
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import QUALITIES, Chord, parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

WORDS = ["hel-", "-lo", "my", "love", "good", "bye"]
CHORDS = ["C", "C", "Am7", "F", "G7", "C"]
SCORE = Score(
    "song",
    "A song = one",
    Key.parse("C major"),
    Meter(4, 4),
    96,
    tuple(Note(48 * i, 48, 60 + i, lyric=word) for i, word in enumerate(WORDS)),
    (
        ChordSpan(0, 96, Chord(0, "maj")),
        *(ChordSpan(48 * i, 48, parse_lead_sheet(name)) for i, name in enumerate(CHORDS) if 1 < i < 5),
        ChordSpan(240, 24, parse_lead_sheet("C/E")),
        ChordSpan(264, 24, parse_lead_sheet("N.C.")),
    ),
    form=parse_form("A4B2"),
    composer="Some One",
)


def test_a_grid_of_text() -> None:
    assert chord_grid(SCORE).splitlines() == [
        "A song = one",
        "Some One",
        "C major, 4/4, 96 quarter notes a minute",
        "",
        "A |  C            |  %            |  Am7          |  F |",
        "B |  G7           |  C/E / N.C. / |",
    ]


def test_repeats_in_a_grid() -> None:
    chords = tuple(ChordSpan(48 * i, 48, parse_lead_sheet("CFGC"[i % 4])) for i in range(8))
    text = chord_grid(replace(SCORE, melody=(), chords=chords, form=parse_form("A4A4")))
    assert text.splitlines()[-1] == "A |: C   |  F   |  G   |  C :|"


def test_chordpro_with_and_without_words() -> None:
    sung = chordpro(SCORE)
    assert "{title: A song = one}" in sung
    assert "{key: C}" in sung
    assert "[C]hello [Am7]my [F]love" in sung
    assert "{comment: B}\n[G7]good [C/E]bye [N.C.]" in sung
    plain = chordpro(replace(SCORE, melody=()))
    assert "| C | % | Am7 | F |" in plain
    assert "{start_of_grid: B}\n| G7 | C/E . N.C. . |\n{end_of_grid}" in plain


def unscrambled(music: str) -> str:
    """As readers of the format do it: blocks of fifty turned back, then the pairs of signs."""
    assert music.startswith("1r34LbKcu7")
    rest, done = music.removeprefix("1r34LbKcu7"), ""
    while len(rest) > 50:
        block, rest = rest[:50], rest[50:]
        if len(rest) < 2:
            done += block
            continue
        back = list(block)
        for i in [*range(5), *range(10, 24)]:
            back[i], back[49 - i] = block[49 - i], block[i]
        done += "".join(back)
    return (done + rest).replace("Kcl", "| x").replace("LZ", " |").replace("XyQ", "   ")


def test_a_link_for_ireal() -> None:
    link = irealb_link(SCORE)
    assert link.startswith("irealb://A%20song")
    fields = [unquote(field) for field in link.removeprefix("irealb://").split("=")]
    assert len(fields) == 10
    assert (fields[0], fields[1], fields[4], fields[8]) == ("A song   one", "Some One", "C", "96")
    music = unscrambled(fields[6])
    assert music == "[*AT44C   |x   |A-7   |F   ][*BG7   |C/E n Z"


def test_every_chord_has_a_name() -> None:
    chords = tuple(ChordSpan(48 * i, 48, Chord(0, quality)) for i, quality in enumerate(QUALITIES))
    score = replace(SCORE, melody=(), chords=chords, form=())
    music = unscrambled(unquote(irealb_link(score)).split("=")[6])
    assert music.count("|") == len(QUALITIES)
    assert "C^7" in music
    assert "Ch7" in music


def test_files(tmp_path: Path) -> None:
    assert SCORE.write(tmp_path / "a.txt").read_text(encoding="utf-8") == chord_grid(SCORE)
    assert SCORE.write(tmp_path / "a.cho").read_text(encoding="utf-8") == chordpro(SCORE)
    assert SCORE.write(tmp_path / "a.irealb").read_text(encoding="utf-8") == irealb_link(SCORE) + "\n"
