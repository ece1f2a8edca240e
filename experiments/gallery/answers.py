"""Makes the gallery of answers: 15 melodies harmonised three ways, five songs with bars 5 to 8 written anew.

    pip install 'hrpe_jax[engrave]'
    apt-get install chromium chromium-driver
    python -m experiments.gallery.answers

The melodies are pieces 1 to 5 of three styles of `experiments/gallery/tunes`, which the package's models
composed: their first eight bars from where the melody begins, without their chords; songs that are written
anew have twelve. None is left out, and one seed is used. Sheets go to `experiments/gallery/answers`. Its
README has what a musician hears in each; the sentences are written by hand, in `answers/sentences.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from experiments.gallery.draw import HERE
from experiments.posterior.songs import first_bars_of
from hrpe_jax import Composer, Score, read_score
from hrpe_jax.formats.engrave import engrave_lines
from tests.browser import browser

TUNES, FOLDER = HERE / "tunes", HERE / "answers"
SENTENCES = FOLDER / "sentences.json"
STYLES = ("pop", "folk", "standards")
MELODIES = 5
REWRITTEN = ("pop-1", "folk-1", "standards-1", "hymns-1", "pop-2")
HARMONIZED_BARS, REWRITTEN_BARS, SEED = 8, 12, 5
PAGE = """<meta charset="utf-8"><style>
#notes {{ width: 960px; background: #fff; font: 15px sans-serif }} svg {{ width: 940px; height: auto }}
p {{ margin: 10px 0 0 12px }}</style><div id="notes">{parts}</div>"""
HEAD = """# Harmonised, and written anew

`python -m experiments.gallery.answers` makes these sheets with the models of the package: one seed, none left
out. Under each stands what a musician hears.

## Melodies harmonised three ways

Pieces 1 to 5 of three styles of the [24 pieces](../tunes/README.md), the first eight bars, without their own
chords. `Composer.harmonize(score, 3, style=...)` gave the three answers; the first is the safe one.
"""
REST = """## Bars 5 to 8 written anew

Twelve bars: above the piece as it was, below with what `Composer.suggest(score, (5, 8), count=1, style=...)`
gave first.
"""


def opening(name: str, bars: int) -> Score:
    """The first bars of a tune."""
    score = first_bars_of(replace(read_score(TUNES / f"{name}.mid"), form=()), bars)
    assert score is not None, name
    return score


def sheet(parts: list[tuple[str, Score]]) -> str:
    """Scores under each other, each with what it is."""
    shown = [f"<p>{title}</p>" + "".join(engrave_lines(score)) for title, score in parts]
    return PAGE.format(parts="".join(shown))


def answer(composer: Composer, sheet_name: str) -> str:
    """A sheet."""
    what, _, name = sheet_name.partition("-")
    style = name.partition("-")[0]
    if what == "harmonized":
        three = composer.harmonize(opening(name, HARMONIZED_BARS), 3, style=style, seed=SEED)
        return sheet(list(zip(("safe", "second", "third"), three, strict=True)))
    score = opening(name, REWRITTEN_BARS)
    new = composer.suggest(score, (5, 8), count=1, style=style, seed=SEED)[0]
    return sheet([("as it was", score), ("bars 5 to 8 anew", new)])


def text_of(said: dict[str, str], names: list[str]) -> str:
    """The page.

    Args:
        said: the sentence of each sheet.
        names: of the sheets, in order.
    """
    lines = [HEAD]
    for name in names:
        if name.startswith("rewritten") and REST not in lines:
            lines.append(REST)
        title = name.partition("-")[2].replace("-", " ").capitalize()
        lines.append(f"### {title}\n")
        lines.append(f'<img src="{name}.png" width="720" alt="{name.replace("-", " ")}, engraved">\n')
        lines.append(said.get(name, "") + "\n")
    return "\n".join(lines)


def main() -> None:
    """Makes everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="pretrained", help="workdir or released model")
    parser.add_argument("--text", action="store_true", help="write the README again, and no sheets")
    parser.add_argument("--only", default="", metavar="NAME", help="sheets whose name begins so")
    args = parser.parse_args()
    names = [f"harmonized-{style}-{number}" for style in STYLES for number in range(1, MELODIES + 1)]
    names += [f"rewritten-{name}" for name in REWRITTEN]
    FOLDER.mkdir(exist_ok=True)
    if not args.text:
        composer = Composer.load(args.model)
        pages = {name: answer(composer, name) for name in names if name.startswith(args.only)}
        with browser() as window, tempfile.TemporaryDirectory() as room:
            for name, page in pages.items():
                file = Path(room) / f"{name}.html"
                file.write_text(page, encoding="utf-8")
                window.resize(1000, 1400)
                window.open(file)
                window.screenshot(FOLDER / f"{name}.png", "#notes")
    said = json.loads(SENTENCES.read_text(encoding="utf-8")) if SENTENCES.is_file() else {}
    FOLDER.joinpath("README.md").write_text(text_of(said, names), encoding="utf-8")


if __name__ == "__main__":
    main()
