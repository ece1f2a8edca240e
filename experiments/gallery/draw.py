"""Makes the gallery: four pieces nobody chose, and what five commands write, as pictures.

    pip install 'hrpe_jax[engrave]'
    apt-get install chromium chromium-driver
    python -m experiments.gallery.draw

runs `python -m hrpe_jax.sample` as it stands under COMMANDS, with these seeds and no others, and photographs
the pages that it wrote; lead sheets are engraved from its MusicXML. The pieces go to
`experiments/gallery/pieces`, the pictures beside it.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.browser import Browser, browser

HERE = Path(__file__).parent
PIECES = "--seed=7 --bars=16 --formats=mid,musicxml,html"
"""The four pieces that are kept."""

# Name of the picture: what is asked for, and what is shown of it ("page", "phone" or "notes").
COMMANDS: dict[str, tuple[str, str]] = {
    "key": ('--key="Eb major" --bars=16 --seed=7', "page"),
    "chords": (
        '--chords="| Am7 D7 | Gmaj7 | C:maj/3 ? | ii V I |" --key="G major" --bars=8 --seed=5',
        "notes",
    ),
    "form": ("--form=AABA --bars=16 --meter=4/4 --seed=2", "page"),
    "prime": ("--prime=experiments/gallery/pieces/piece-01.musicxml --prime_use=chords --seed=3", "notes"),
    "programs": ("--mode=minor --tempo=84 --programs=73,24,32 --audio=wav --bars=16 --seed=4", "phone"),
}


def compose(model: str, folder: Path, arguments: str) -> None:
    """Runs the command."""
    command = [sys.executable, "-m", "hrpe_jax.sample", f"--model={model}", f"--output={folder}"]
    subprocess.run([*command, *shlex.split(arguments)], check=True)


def photograph(window: Browser, folder: Path, what: str, picture: Path) -> None:
    """A picture of the first piece of a folder."""
    if what == "notes":
        page = folder / "notes.html"
        page.write_text(engrave(folder / "piece-01.musicxml"), encoding="utf-8")
        window.resize(1000, 1400)
        window.open(page)
        window.screenshot(picture, "#notes")
        return
    window.resize(*((400, 1150) if what == "phone" else (1000, 1600)))
    window.open(folder / "index.html")
    window.run("player.seek(pieces[0], pieces[0].bars[4][0]); scrollTo(0, 0)")
    if what == "phone":
        window.run("pieces[0].buttons.filter((b) => b[1] >= 0).at(-1)[0].click()")  # the last chord
        window.run("pieces[0].why.scrollIntoView({block: 'center'})")
        time.sleep(0.3)
        window.screenshot(picture)
    else:
        time.sleep(0.3)
        window.screenshot(picture, "section")


def engrave(file: Path) -> str:
    """A MusicXML file as a page with its notes."""
    from hrpe_jax import read_score
    from hrpe_jax.formats import engrave as sheets

    style = "<style>svg{width:940px;height:auto}</style>"
    sheet = sheets.engrave(read_score(file))[0]
    return f'<meta charset="utf-8">{style}<div id="notes" style="width:960px;background:#fff">{sheet}</div>'


def main() -> None:
    """Makes everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="pretrained", help="workdir or released model")
    parser.add_argument("--only", choices=COMMANDS, help="this picture alone")
    args = parser.parse_args()
    model, only = args.model, args.only
    if not only:
        compose(model, HERE / "pieces", PIECES)
    with browser() as window, tempfile.TemporaryDirectory() as room:
        for name, (arguments, what) in COMMANDS.items():
            if only not in (None, name):
                continue
            compose(model, Path(room) / name, arguments)
            photograph(window, Path(room) / name, what, HERE / f"{name}.png")
            print(f"{name}.png: python -m hrpe_jax.sample {arguments}")


if __name__ == "__main__":
    main()
