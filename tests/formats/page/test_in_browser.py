"""The page of a run in a real browser: loads without a complaint, plays, seeks, mutes, explains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hrpe_jax.sampling.explain import explain_pieces
from hrpe_jax.sampling.options import read_outputs
from hrpe_jax.sampling.write import write_pieces
from tests import browser as browsers
from tests.sampling.tiny import pieces_of, tiny_model

pytestmark = pytest.mark.skipif(bool(browsers.missing()), reason=browsers.missing() or "there is one")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, wanted = tiny_model(), read_outputs()
    pieces = pieces_of(model, num_pieces=2, bars=6, meter="4/4", seed=1)
    folder = tmp_path_factory.mktemp("page")
    return write_pieces(pieces, folder, wanted, explain_pieces(model, pieces, wanted))[-1]


@pytest.fixture(scope="module")
def window(page: Path) -> Iterator[browsers.Browser]:
    with browsers.browser() as window:
        window.open(page)
        yield window


def until(holds: Callable[[], Any], seconds: float = 20) -> None:
    """Waits for something that must come true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_page_works(window: browsers.Browser, tmp_path: Path):
    run = window.run
    # It loads: two pieces, six bars each, every note that the data has.
    assert window.messages() == []
    assert run("return document.querySelectorAll('section').length") == 2
    assert run("return document.querySelector('h1').textContent") == "2 pieces by hrpe_jax"
    assert run("""const pitched = pieces[0].events.filter((e) => e[0] !== "drums");
      return pieces[0].tones.length >= pitched.length && pitched.length > 0""")
    assert run("return document.querySelectorAll('section')[0].querySelectorAll('.chart li').length") == 6

    # It plays: the cursor moves, notes are handed to the sound, the button says what it will do.
    window.click(".play")
    until(lambda: run("return player.playing && player.piece.tick > 3"))
    left = """const cursors = [...document.querySelectorAll('.cursor')];
      return parseFloat(cursors.find((c) => c.style.display === 'block').style.left);"""
    before = run(left)
    until(lambda: run("return player.next > 2") and run(left) > before)
    assert run("return document.querySelector('.play').getAttribute('aria-label')").startswith("Pause")

    # Sound comes out, and none of a voice that is muted.
    level = """
      window.taps = Object.fromEntries(VOICES.map((voice) => {
        const tap = player.sound.context.createAnalyser();
        player.sound.voices[voice].connect(tap);
        return [voice, tap];
      }));"""
    run(level)
    loud = """
      const samples = new Float32Array(window.taps[arguments[0]].fftSize);
      window.taps[arguments[0]].getFloatTimeDomainData(samples);
      return Math.max(...samples.map(Math.abs));"""
    until(lambda: run(loud, "chords") > 0.001)
    window.click(".voice.chords")
    assert run("return document.querySelector('.voice.chords').getAttribute('aria-pressed')") == "true"
    until(lambda: run(loud, "chords") < 1e-4)

    # Seeking by the roll while it plays: it goes on from there.
    run("""const roll = document.querySelectorAll('.roll')[1], box = roll.getBoundingClientRect();
      roll.dispatchEvent(new MouseEvent('click', {clientX: box.left + box.width * 0.25, bubbles: true}));""")
    tick = run("return player.piece.tick")
    assert 4 * 48 + 40 < tick < 5 * 48 + 24
    until(lambda: run("return player.piece.tick") > tick + 2)
    assert run("return player.playing")

    # The keyboard: stop, home, a bar on, mute, the other piece.
    run("document.activeElement.blur()")
    window.keys(" ")
    assert run("return player.playing") is False
    window.keys("\ue011\ue014\ue014")  # home, right, right
    assert run("return player.piece.tick") == 96
    window.keys("\ue012")
    assert run("return player.piece.tick") == 48
    window.keys("1")
    assert run("return player.piece.muted") == {
        "melody": True,
        "chords": True,
        "bass": False,
        "drums": False,
    }
    window.keys("\ue015")
    assert run("return player.piece.number") == 1
    assert window.messages() == []
    window.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_the_sheet_follows(window: browsers.Browser):
    pytest.importorskip("verovio", reason="the sheet needs the extra engrave")
    run = window.run
    assert run("return document.querySelectorAll('.paper svg').length") == 2
    assert run("return pieces[0].marks.length > 6 && pieces[0].marks.every((mark) => mark[1] && mark[2])")
    places = []
    for bar in (1, 4):
        run("player.seek(pieces[0], pieces[0].bars[arguments[0]][0])", bar)
        assert run("return document.querySelectorAll('.paper .on').length") == 1
        places.append(run("return pieces[0].marker.style.left + pieces[0].marker.style.top"))
    assert places[0] != places[1]
    run("pieces[0].marks[0][1].dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert run("return pieces[0].tick") == run("return pieces[0].marks[0][0]")
    assert window.messages() == []


def test_a_chord_says_why(window: browsers.Browser):
    run = window.run
    run("document.querySelectorAll('section')[0].querySelectorAll('.symbol')[2].click()")
    text = run("return document.querySelector('.why:not([hidden])').innerText")
    assert text.startswith("Why ")
    assert "What the model expected here" in text
    assert "harmony (H-RPE)" in text
    assert run("return document.querySelectorAll('.why:not([hidden]) .meter').length") == 4
    assert run("return document.querySelectorAll('.symbol.seen').length") >= 1
    window.resize(
        390, 844
    )  # a phone: two bars to the line, nothing wider than the screen, the answer still there
    until(lambda: run("return pieces[0].columns") == 2)
    assert run("return document.documentElement.scrollWidth <= innerWidth")
    assert run("return document.querySelector('.why:not([hidden])') !== null")
    run("document.querySelector('.why:not([hidden]) button').click()")
    assert run("return document.querySelectorAll('.why:not([hidden])').length") == 0
    assert window.messages() == []


def test_links_lead_to_files_that_are_there(window: browsers.Browser, page: Path):
    links = window.run(
        "return [...document.querySelectorAll('a')].map((a) => [a.getAttribute('href'), a.download])"
    )
    beside = [address for address, _ in links if not address.startswith("data:")]
    assert len(links) == 8
    assert len(beside) == 6
    assert all((page.parent / address).is_file() for address in beside)
    assert {name for address, name in links if address.startswith("data:audio/midi;base64,TVRoZ")} == {
        "piece-01.mid",
        "piece-02.mid",
    }


def test_no_request_can_leave(window: browsers.Browser):
    blocked = window.run("""
      const image = new Image();
      return new Promise((done) => { image.onerror = () => done(true); image.onload = () => done(false);
        image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='; });""")
    assert blocked
    assert "Content Security Policy" in " ".join(window.messages())
