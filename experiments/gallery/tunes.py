"""Makes the 24 pieces of the gallery, six of each style, with one seed and none left out: MIDI and pictures.

    pip install 'hrpe_jax[engrave]'
    apt-get install chromium chromium-driver
    python -m experiments.gallery.tunes

runs `python -m hrpe_jax.sample` once for each style, and writes `experiments/gallery/tunes`. Its README holds
what a musician says of each piece; the sentences are written by hand, in `tunes/sentences.json`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from experiments.gallery.draw import HERE, compose
from tests.browser import browser

STYLES = ("pop", "folk", "standards", "hymns")
PIECES = 6
COMMON = f"--bars=16 --num_pieces={PIECES} --seed=24 --formats=mid,svg"
FOLDER = HERE / "tunes"
SENTENCES = FOLDER / "sentences.json"
PAGE = (
    "<meta charset=utf-8><style>svg{{width:940px;height:auto}}</style>"
    '<div id="notes" style="width:960px;background:#fff">{sheet}</div>'
)
HEAD = """# 24 pieces

Six pieces of each style, as they came: one command a style, one seed, none left out.
`python -m experiments.gallery.tunes` makes them. Under each stands what a musician hears.
{kept} of {count} are worth keeping.
"""


def main() -> None:
    """Makes everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="pretrained", help="workdir or released model")
    parser.add_argument("--text", action="store_true", help="write the README again, and no pieces")
    args = parser.parse_args()
    if not args.text:
        draw(args.model)
    said = json.loads(SENTENCES.read_text(encoding="utf-8")) if SENTENCES.is_file() else {}
    FOLDER.joinpath("README.md").write_text(text_of(said), encoding="utf-8")


def draw(model: str) -> None:
    """Composes the pieces and photographs their notes."""
    FOLDER.mkdir(exist_ok=True)
    with browser() as window, tempfile.TemporaryDirectory() as room:
        for style in STYLES:
            folder = Path(room) / style
            compose(model, folder, f"--style={style} {COMMON}")
            for number in range(1, PIECES + 1):
                sheet = (folder / f"piece-{number:02d}.svg").read_text(encoding="utf-8")
                page = folder / "sheet.html"
                page.write_text(PAGE.format(sheet=sheet), encoding="utf-8")
                window.resize(1000, 1400)
                window.open(page)
                window.screenshot(FOLDER / f"{style}-{number}.png", "#notes")
                shutil.copy(folder / f"piece-{number:02d}.mid", FOLDER / f"{style}-{number}.mid")


def text_of(said: dict[str, dict[str, str]]) -> str:
    """The page.

    Args:
        said: by piece its "sentence", and "keep", "yes" or "no".
    """
    kept = sum(about["keep"] == "yes" for about in said.values())
    lines = [HEAD.format(kept=kept, count=len(said))]
    for style in STYLES:
        lines.append(f"## {style.capitalize()}\n\n`python -m hrpe_jax.sample --style={style} {COMMON}`\n")
        for number in range(1, PIECES + 1):
            name = f"{style}-{number}"
            about = said.get(name, {"sentence": "", "keep": ""})
            keep = "Worth keeping." if about["keep"] == "yes" else "Not worth keeping."
            lines.append(f"### {style.capitalize()} {number}\n")
            lines.append(f'<img src="{name}.png" width="720" alt="{style} {number}, engraved">\n')
            lines.append(f"{about['sentence']} {keep} [MIDI]({name}.mid)\n")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
