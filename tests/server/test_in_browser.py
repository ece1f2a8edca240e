"""The studio in a real browser, with real clicks and keys: from an empty page to a kept, exported piece."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hrpe_jax.readers.read import read_first
from tests import browser as browsers

pytest.importorskip("selenium", reason="needs a driver library")
pytest.importorskip("starlette", reason="needs the extra studio")
pytest.importorskip("verovio", reason="needs the extra studio")
pytestmark = pytest.mark.skipif(bool(browsers.missing()), reason=browsers.missing() or "there is one")

webdriver = pytest.importorskip("selenium.webdriver")
By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
ActionChains = webdriver.ActionChains
Store = pytest.importorskip("hrpe_jax.server.store").Store


KEYS_OF = {"More like this": "like", "Higher": "higher", "Other rhythm": "rhythm"}
"""Of buttons in the panel of suggestions."""


class Page:
    """A window of the studio."""

    def __init__(self, driver: Any, store: Any, url: str, composer: Any) -> None:
        self.driver, self.store, self.url, self.composer = driver, store, url, composer

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {script}", *arguments)

    def until(self, holds: Callable[[], Any], seconds: float = 40) -> None:
        """Waits for something that must come true."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.messages()
            time.sleep(0.05)

    def find(self, selector: str) -> Any:
        self.until(lambda: self.driver.find_elements(By.CSS_SELECTOR, selector))
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def keys(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def held(self, *held: str, key: str) -> None:
        chain = ActionChains(self.driver)
        for one in held:
            chain.key_down(one)
        chain.send_keys(key)
        for one in held:
            chain.key_up(one)
        chain.perform()

    def drag(self, element: Any, x: int, y: int, start: tuple[int, int] = (0, 0)) -> None:
        chain = ActionChains(self.driver, duration=80)
        chain.move_to_element_with_offset(element, *start).click_and_hold()
        chain.move_by_offset(x // 2, y // 2).move_by_offset(x - x // 2, y - y // 2).release().perform()

    @property
    def state(self) -> Any:
        """The newest project, as it lies on disk."""
        return Store(self.store.folder).get(self.store.list()[0].id).state

    def messages(self) -> list[str]:
        """What the page complained of."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    from hrpe_jax.server.jobs import Jobs
    from hrpe_jax.server.serve import access_for, listen, start
    from tests.server.fake import FakeComposer

    store = Store(tmp_path_factory.mktemp("projects"))
    composer = FakeComposer()
    running = start(store, Jobs(lambda: composer), access_for("127.0.0.1"), listen("127.0.0.1", 0))
    options = webdriver.ChromeOptions()
    options.binary_location = str(browsers.program("chromium"))
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--autoplay-policy=no-user-gesture-required",
        "--window-size=1360,900",
    ):
        options.add_argument(argument)
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(str(browsers.program("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        window = Page(driver, store, running.url, composer)
        driver.get(running.url)
        window.until(lambda: window.run("document.body.dataset.ready === '1'"))
        yield window
    finally:
        driver.quit()
        running.stop()


def bars(page: Page) -> list[str]:
    """The chords of every bar, as the page has them."""
    return page.run("[...document.querySelectorAll('#sheet .bar')].map((b) => b.getAttribute('aria-label'))")


def test_from_an_empty_page_to_a_piece(page: Page, tmp_path: Path):
    # An empty page: eight bars in both views, the token gone from the address.
    page.until(lambda: len(bars(page)) == 8)
    assert "token" not in page.driver.current_url
    assert page.run("document.querySelectorAll('#roll .head').length") == 8
    assert page.run("document.querySelector('#undo').disabled")

    # Chords are typed: what cannot be read says why while one types; numerals are chords.
    page.click("#empty .plain")
    page.keys("Cq")
    assert "'Cq'" in page.find("#chordfield.bad p").text
    page.keys(Keys.BACKSPACE, " | vi | ii V7 | I", Keys.ENTER)
    page.until(lambda: bars(page)[:4] == ["Bar 1, C", "Bar 2, Am", "Bar 3, Dm G7", "Bar 4, C"])
    assert len(page.state.score.chords) >= 5

    # The model fills the rest; the second alternative is heard, and kept with Enter.
    page.click("#compose")
    page.until(lambda: len(page.driver.find_elements(By.CSS_SELECTOR, ".card")) == 4)
    page.keys("2")
    page.until(lambda: page.find(".card.active").get_attribute("data-number") == "1")
    page.until(lambda: page.run("document.querySelectorAll('#roll .tone.fresh').length") > 4)
    page.until(lambda: page.run("document.querySelectorAll('#sheet .fresh').length") > 4)
    assert page.state.score.melody == ()
    page.keys(Keys.ENTER)
    page.until(lambda: page.state.score.melody)
    page.until(lambda: not page.driver.find_elements(By.CSS_SELECTOR, ".card"))
    assert bars(page)[1] == "Bar 2, Am"
    piece = page.state

    # Bars are selected by the mouse in the notation, and by keys; the roll follows.
    page.driver.execute_script("document.querySelector('#sheet .bar[data-bar=\"3\"]').scrollIntoView()")
    area = page.find("#sheet .bar[data-bar='3']")
    ActionChains(page.driver).move_to_element_with_offset(
        area, 0, -area.size["height"] // 2 + 4
    ).click().perform()
    page.held(Keys.SHIFT, key=Keys.ARROW_RIGHT)
    chosen = "[...document.querySelectorAll('{} [aria-pressed=true]')].map((e) => e.dataset.bar).join()"
    assert page.run(chosen.format("#sheet")) == "3,4"
    assert page.run(chosen.format("#roll .heads")) == "3,4"

    # A locked bar is left alone by a suggestion for both.
    page.keys(Keys.ARROW_LEFT, Keys.ARROW_RIGHT, "l")
    page.until(lambda: page.state.locks.bars == {3})
    page.held(Keys.SHIFT, key=Keys.ARROW_RIGHT)
    page.click("#suggest [value=melody]")
    page.click("#ask")
    page.until(lambda: len(page.driver.find_elements(By.CSS_SELECTOR, ".card")) == 4)

    # One wish does not hold on to the one before: each begins from what was asked for.
    for words, what in (("More like this", "vary"), ("Higher", "melody"), ("Other rhythm", "rhythm")):
        asked = len(page.composer.calls)
        page.click(f"#suggest .pair button[data-key='{KEYS_OF[words]}']")
        page.until(lambda asked=asked: len(page.composer.calls) > asked)
        assert page.composer.calls[-1][1]["what"] == what, words
        page.until(lambda: len(page.driver.find_elements(By.CSS_SELECTOR, ".card")) == 4)
    page.click(".card[data-number='2'] .does .plain, .card[data-number='2'] .does .main")
    page.until(lambda: page.state.score.melody != piece.score.melody)
    inside = [n for n in page.state.score.melody if 96 <= n.onset < 144]
    assert inside == [n for n in piece.score.melody if 96 <= n.onset < 144]

    # Undo and redo, by keys.
    kept = page.state.score
    page.held(Keys.CONTROL, key="z")
    page.until(lambda: page.state.score == piece.score)
    page.held(Keys.CONTROL, Keys.SHIFT, key="z")
    page.until(lambda: page.state.score == kept)
    assert not [m for m in page.messages() if "429" not in m]
    page.driver.save_screenshot(str(tmp_path / "desktop.png"))


def test_notes_in_the_roll(page: Page):
    page.keys(Keys.ESCAPE, Keys.ESCAPE, Keys.HOME)
    before = page.state.score.melody

    def tones() -> list[Any]:
        return page.driver.find_elements(By.CSS_SELECTOR, "#roll .tone")

    page.until(lambda: len(tones()) == len(before))
    # A note goes up by a drag, and gets longer by its end; an arrow key brings it down again.
    first = page.find(f"#roll .tone[data-tick='{before[0].onset}']")
    high = first.size["height"] + 1
    page.drag(first, 0, -4 * high, (-first.size["width"] // 2 + 3, 0))
    page.until(lambda: page.state.score.melody[0].pitch == before[0].pitch + 4)
    page.keys(Keys.ARROW_DOWN)
    page.until(lambda: page.state.score.melody[0].pitch == before[0].pitch + 3)
    page.held(Keys.SHIFT, key=Keys.ARROW_LEFT)
    page.until(lambda: page.state.score.melody[0].duration == max(3, before[0].duration - 3))
    # Deleted by a key, a new one by a double click where there is none.
    count = len(page.state.score.melody)
    page.keys(Keys.DELETE)
    page.until(lambda: len(page.state.score.melody) == count - 1)
    page.until(lambda: len(tones()) == count - 1)
    grid = page.find("#roll .grid")
    ActionChains(page.driver).move_to_element_with_offset(
        grid, -grid.size["width"] // 2 + 4, -grid.size["height"] // 2 + 3
    ).double_click().perform()
    page.until(lambda: len(page.state.score.melody) == count)
    assert page.state.score.melody[0].onset == 0
    # In the notation a click picks a note, and a drag moves it by steps of the scale.
    page.keys(Keys.ESCAPE)


def test_it_plays(page: Page):
    page.click("#to-start")
    page.keys(Keys.ESCAPE, Keys.ESCAPE)
    page.run("document.activeElement.blur()")
    page.keys(" ")
    page.until(lambda: page.find("#play").get_attribute("aria-label") == "Stop")
    left = "new DOMMatrix(document.querySelector('#roll .cursor').style.transform).m41"
    page.until(lambda: page.run(left) > 20)
    page.until(lambda: page.run("document.querySelector('#sheet .cursor') !== null"))
    page.click(".strip.melody .voice")
    assert page.find(".strip.melody .voice").get_attribute("aria-pressed") == "true"
    page.click(".strip.bass .solo")
    page.click(".strip.bass .solo")
    page.click(".strip.melody .voice")
    page.run("document.activeElement.blur()")
    page.keys(" ")
    page.until(lambda: page.find("#play").get_attribute("aria-label") == "Play")


def test_form_key_and_meter(page: Page):
    page.click("#form .add")
    page.until(lambda: len(page.state.bars) == 16)
    page.until(lambda: len(bars(page)) == 16)
    page.click("#form .block[data-number='3'] button[data-key='-3']")
    page.until(lambda: len(page.state.bars) == 15)
    page.click("#form [data-key='m3']")
    page.click(".menu [role=menuitem]:nth-child(3)")  # to the left
    page.until(lambda: [s.letter for s in page.state.score.form] == ["A", "B", "A'"])
    # All bars are locked, which keeps the key as it is, and unlocked again.
    page.held(Keys.CONTROL, key="a")
    page.keys("l")
    page.until(lambda: len(page.state.locks.bars) == 15)
    page.find("#set-key option[value='D major']").click()
    page.until(lambda: "locked" in page.find("#toast").text)
    page.run("document.activeElement.blur()")
    page.keys("l")
    page.until(lambda: not page.state.locks.bars)
    page.find("#set-key option[value='D major']").click()
    page.until(lambda: page.state.score.key.name == "D major")
    page.find("#set-meter option[value='3/4']").click()
    page.until(lambda: str(page.state.score.meter) == "3/4")
    page.run("document.activeElement.blur()")
    page.messages()  # a refused change is one


def test_files_in_and_out(page: Page, tmp_path: Path):
    page.until(lambda: page.run("document.querySelector('#saved').textContent") == "Saved")
    state = page.state
    found = {}
    for kind in ("mid", "musicxml", "abc", "pdf"):
        page.click("#export")
        address = page.find(f".menu [data-kind={kind}]").get_attribute("href")
        data = page.driver.execute_async_script(
            """const done = arguments[1]; const answer = await fetch(arguments[0]);
            const bytes = new Uint8Array(await answer.arrayBuffer()); done(Array.from(bytes));""",
            address,
        )
        found[kind] = bytes(data)
        page.keys(Keys.ESCAPE)
    assert found["pdf"].startswith(b"%PDF")
    for kind in ("mid", "musicxml", "abc"):
        path = tmp_path / f"piece.{kind}"
        path.write_bytes(found[kind])
        assert [n.pitch for n in read_first(path).score.melody] == [n.pitch for n in state.score.melody]
    # The MusicXML file comes back as a new project.
    page.driver.find_element(By.ID, "file").send_keys(str(tmp_path / "piece.musicxml"))
    page.until(lambda: len(page.store.list()) == 2)
    page.until(lambda: page.run("document.querySelector('#title').value") == "piece")
    assert [n.pitch for n in page.state.score.melody] == [n.pitch for n in state.score.melody]


def test_two_windows_see_each_other(page: Page):
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.driver.get(page.url)
    page.until(lambda: page.run("document.body.dataset.ready === '1'"))
    title = page.find("#title")
    title.clear()
    title.send_keys("Evening", Keys.ENTER)
    page.until(lambda: page.state.score.title == "Evening")
    page.driver.close()
    page.driver.switch_to.window(first)
    page.until(lambda: page.run("document.querySelector('#title').value") == "Evening")


def test_phone_and_dark(page: Page, tmp_path: Path):
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.until(lambda: page.run("document.querySelectorAll('#sheet .stave').length") >= 6)
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"
    for selector in ("#ask, #compose", "#play", "#sheet .bar"):
        assert page.find(selector).is_displayed()
    assert not [m for m in page.messages() if "Content Security Policy" in m]
    page.driver.save_screenshot(str(tmp_path / "phone.png"))


def test_everything_has_a_name(page: Page):
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    unnamed = page.run("""[...document.querySelectorAll('button, input:not([hidden]), select, a[href]')]
      .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length))
      .map((e) => e.outerHTML.slice(0, 120))""")
    assert unnamed == []
    roles = "[...document.querySelectorAll('[role]')].map((e) => e.getAttribute('role'))"
    assert {"status", "alert", "button"} <= set(page.run(roles))
    # Landmarks: each has a name of its own.
    named = "[...document.querySelectorAll('section, nav, aside, #sheet, #roll')].map((e) => e.ariaLabel)"
    assert len(set(page.run(named))) == 5


CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], back) => [r, g, b].map((v, i) => v * a + back[i] * (1 - a));
  const ground = (e) => {
    if (!e) return [255, 255, 255];
    const own = rgba(getComputedStyle(e).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, ground(e.parentElement));
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const field = e.matches('input, select'), style = getComputedStyle(e);
    if (!(own || field) || !e.checkVisibility()) continue;
    if (e.closest('svg, noscript, option, :disabled, .vh, .skip')) continue;
    const back = ground(e), hint = e.placeholder ? getComputedStyle(e, '::placeholder').color : style.color;
    for (const colour of new Set([style.color, hint])) {
      const [x, y] = [light(over(rgba(colour), back)), light(back)].sort((m, n) => n - m);
      if ((x + 0.05) / (y + 0.05) < 4.5) found.push([e.outerHTML.slice(0, 90), colour, back.join()]);
    }
  }
  return found;
})()"""


def test_all_words_can_be_read(page: Page):
    """WCAG AA for every text on the page, as the browser computes its colours, in both schemes."""

    def readable() -> None:
        end = time.monotonic() + 10
        while page.run(CONTRAST) and time.monotonic() < end:  # colours fade in
            time.sleep(0.1)
        assert page.run(CONTRAST) == []

    page.run("document.activeElement.blur()")
    page.keys(Keys.ESCAPE, Keys.HOME)
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        readable()
        page.keys(Keys.ENTER)  # alternatives
        page.until(lambda: len(page.driver.find_elements(By.CSS_SELECTOR, ".card")) == 4)
        readable()
        page.keys(Keys.ESCAPE, "?")
        page.until(lambda: page.run("document.querySelector('dialog').open"))
        readable()
        page.keys(Keys.ESCAPE)


def test_keys_do_everything(page: Page):
    def tab_to(selector: str) -> None:
        for _ in range(200):
            if page.run("document.activeElement.matches(arguments[0])", selector):
                outline = page.run("getComputedStyle(document.activeElement).outlineStyle")
                inside = page.run("document.activeElement.matches('[type=radio]')")
                assert inside or outline != "none", selector
                return
            page.keys(Keys.TAB)
        raise AssertionError(f"Tab does not come to {selector}")

    # A new piece, from the list of pieces; the focus is kept inside the dialog.
    before = len(page.store.list())
    tab_to("#projects")
    page.keys(Keys.ENTER)
    tab_to("dialog .main")
    page.keys(Keys.ENTER)
    page.until(lambda: len(page.store.list()) == before + 1)
    page.until(lambda: len(bars(page)) == 8)
    # Chords, then a melody for the first four bars: only bars and keys.
    tab_to("#sheet .bar")
    page.keys(Keys.HOME, "c")
    page.find("#chordfield input")
    page.keys("C | F | G7 | C", Keys.ENTER)
    page.until(lambda: bars(page)[2] == "Bar 3, G7")
    page.until(lambda: page.run("document.activeElement.matches('.bar')"))
    for _ in range(3):
        page.held(Keys.SHIFT, key=Keys.ARROW_RIGHT)
    assert page.find("#said").get_attribute("textContent") == "Bars 1 to 4"
    tab_to("#suggest [type=radio]")
    asked = "document.querySelector('#suggest [type=radio]:checked').value"
    seen = {page.run(asked)}
    while page.run(asked) != "melody" or len(seen) < 2:
        page.keys(Keys.ARROW_RIGHT)
        seen.add(page.run(asked))
    assert page.find("#suggest h2").text == "Bars 1 to 4"
    tab_to("#ask")
    page.keys(Keys.ENTER)
    page.until(lambda: len(page.driver.find_elements(By.CSS_SELECTOR, ".card")) == 4)
    page.until(lambda: page.run("document.activeElement.dataset.key === 'keep0'"))
    page.keys(Keys.ENTER)
    page.until(lambda: page.state.score.melody)
    # Into the notes of a bar, and what is picked is said.
    page.run("document.activeElement.blur()")
    page.keys(Keys.HOME, Keys.ARROW_DOWN)
    pitch = page.state.score.melody[0].pitch
    page.until(lambda: ", bar 1, " in page.find("#said").get_attribute("textContent"))
    page.keys(Keys.ARROW_UP)
    page.until(lambda: page.state.score.melody[0].pitch == pitch + 1)
    page.keys(Keys.ESCAPE)
    # A section is copied by its menu, which gives the focus back.
    tab_to("#form [data-key=m1]")
    page.keys(Keys.ENTER)
    page.until(lambda: page.run("document.activeElement.matches('.menu [role=menuitem]')"))
    page.keys(Keys.END, Keys.ESCAPE)
    assert page.run("document.activeElement.dataset.key") == "m1"
    page.keys(Keys.ENTER, *[Keys.ARROW_DOWN] * 2, Keys.ENTER)  # what is disabled is left out
    page.until(lambda: len(page.state.bars) == 16)
    # A version, and export.
    tab_to("#history")
    page.keys(Keys.ENTER)
    tab_to("#keep-version")
    page.keys(Keys.ENTER)
    page.until(lambda: page.run("document.activeElement.matches('dialog input')"))
    page.keys("First", Keys.ENTER)
    page.until(lambda: Store(page.store.folder).get(page.store.list()[0].id).versions)
    tab_to("#export")
    page.keys(Keys.ENTER)
    page.until(lambda: page.run("document.activeElement.dataset.kind") == "mid")
    page.keys(Keys.TAB)
    assert not page.driver.find_elements(By.CSS_SELECTOR, ".menu")


class Finger:
    """Touches of a phone, as the browser gets them."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def _send(self, kind: str, *at: float) -> None:
        points = [{"x": at[0], "y": at[1]}] if at else []
        self.page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def middle(self, selector: str) -> tuple[float, float]:
        self.page.find(selector)
        x, y = self.page.run(
            """(() => { const r = document.querySelector(arguments[0]).getBoundingClientRect();
            return [r.left + r.width * 0.7, r.top + 6]; })()""".replace("arguments[0]", repr(selector))
        )
        return float(x), float(y)

    def tap(self, selector: str, hold: float = 0.0) -> None:
        self._send("touchStart", *self.middle(selector))
        time.sleep(hold)
        self._send("touchEnd")

    def swipe(self, selector: str, by: float) -> None:
        x, y = self.middle(selector)
        self._send("touchStart", x, y)
        for step in range(1, 9):
            self._send("touchMove", x, y + by * step / 8)
        self._send("touchEnd")


def at_rest(page: Page, selector: str) -> bool:
    """Whether an element has stopped scrolling."""
    where = f"document.querySelector('{selector}').scrollTop"
    before = page.run(where)
    time.sleep(0.3)
    return bool(page.run(where) == before)


def test_fingers(page: Page):
    page.click("#form .add")
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    page.find("#set-view option[value=sheet]").click()
    page.until(lambda: page.run("document.querySelectorAll('#sheet .stave').length") >= 8)
    finger, title = Finger(page), "document.querySelector('#suggest h2').textContent"
    finger.tap("#sheet .bar[data-bar='2']")
    page.until(lambda: page.run(title) == "Bar 2")
    finger.tap("#sheet .bar[data-bar='3']", hold=0.7)
    page.until(lambda: page.run(title) == "Bars 2 to 3")
    # Scrolling by a finger selects nothing.
    finger.swipe("#sheet .bar[data-bar='3']", -160)
    page.until(lambda: page.run("document.querySelector('#sheet').scrollTop") > 40)
    assert page.run(title) == "Bars 2 to 3"
    page.until(lambda: at_rest(page, "#sheet"))  # a tap while it still moves only stops it
    page.run("document.querySelector('#sheet').scrollTo(0, 0)")
    page.until(lambda: at_rest(page, "#sheet"))
    finger.tap("#sheet .bar[data-bar='1']")
    page.until(lambda: page.run(title) == "Bar 1")
    finger.tap("#extend")
    finger.tap("#sheet .bar[data-bar='4']")
    page.until(lambda: page.run(title) == "Bars 1 to 4")
    # Chords by a tap, notes by the pencil.
    page.find("#set-view option[value=roll]").click()
    count = len(page.state.score.melody)
    finger.tap("#pencil")
    page.until(lambda: page.find("#pencil").get_attribute("aria-pressed") == "true")
    page.driver.execute_script("document.querySelector('#roll .scroll').scrollTop = 0")
    finger.tap("#roll .line")
    page.until(lambda: len(page.state.score.melody) == count + 1)
    page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
