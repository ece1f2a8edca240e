"""Makes the four styles of the gallery: page, PDF, MIDI and sound of one piece each, with one seed.

    pip install 'hrpe_jax[audio,engrave]'
    python -m experiments.gallery.styles

runs `python -m hrpe_jax.sample` as it stands under STYLES and keeps what the first seed gave in
`experiments/gallery/styles/NAME`. Nothing is chosen.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from experiments.gallery.draw import HERE, compose

JAZZ = "| Fmaj7 | D7 | Gm7 | C7 | Am7 | D7 | Gm7 C7 | F6 |"
MINOR = "| Dm9 | % | Gm7 | A7 | Dm7 | Bbmaj7 | Em7b5 A7 | Dm6 |"
STYLES: dict[str, str] = {
    "pop": '--band=pop --key="G major" --meter=4/4 --tempo=112',
    "swing": f'--band=swing --key="F major" --meter=4/4 --tempo=144 --chords="{JAZZ}"',
    "bossa": f'--band=bossa --key="D minor" --meter=4/4 --tempo=126 --chords="{MINOR}"',
    "waltz": '--band=waltz --key="Bb major" --meter=3/4 --tempo=132',
}
COMMON = "--num_pieces=1 --bars=16 --seed=7 --formats=html,mid,pdf,musicxml --audio=opus"


def main() -> None:
    """Makes everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="pretrained", help="workdir or released model")
    model = parser.parse_args().model
    for name, arguments in STYLES.items():
        with tempfile.TemporaryDirectory() as room:
            compose(model, Path(room), f"{arguments} {COMMON}")
            folder = HERE / "styles" / name
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(room, folder)
        print(f"styles/{name}: python -m hrpe_jax.sample {arguments} {COMMON}")


if __name__ == "__main__":
    main()
