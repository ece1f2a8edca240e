from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.formats.midi.read import parse_midi
from hrpe_jax.formats.midi.words import syllable_ticks
from tests.formats.midi.midi_bytes import NOTE, midi, number, text


def words(kind: int, count: int, step: int = 240, content: bytes = b"la ") -> bytes:
    return b"".join(number(step) + text(kind, content)[1:] for _ in range(count))


def test_texts_and_lyrics_are_words() -> None:
    for kind in (1, 5):
        data = midi(NOTE, text(1, b"@KMIDI KARAOKE FILE") + words(kind, 30))
        assert syllable_ticks(data) == tuple(range(240, 240 * 31, 240))
        assert parse_midi(data).syllables == syllable_ticks(data)


def test_words_among_notes() -> None:
    data = midi(b"".join(NOTE + words(5, 1, step=0) for _ in range(25)), form=0)
    assert syllable_ticks(data) == tuple(range(480, 480 * 26, 480))


def test_what_is_not_words() -> None:
    assert syllable_ticks(midi(NOTE, words(1, 10))) == ()
    assert syllable_ticks(midi(words(1, 30, content=b"\r"))) == ()
    assert syllable_ticks(midi(words(1, 30, content=b"@Lengl"))) == ()
    assert syllable_ticks(midi(words(3, 30))) == ()


def test_the_track_with_most_words_counts() -> None:
    data = midi(words(5, 25, step=100), words(1, 40, step=200), words(5, 30, step=50))
    assert syllable_ticks(data) == tuple(range(200, 200 * 41, 200))
    assert len(syllable_ticks(midi(words(5, 40))[:-60])) < 40


@given(st.binary(max_size=400))
def test_any_bytes(body: bytes) -> None:
    ticks = syllable_ticks(midi(body + b"\xff\x05\x01a" * 25))
    assert list(ticks) == sorted(set(ticks))
