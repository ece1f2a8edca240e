"""Compose in the browser: notation, piano roll, chords as text, suggestions for the bars you select.

  python -m hrpe_jax.studio                             opens the studio; projects lie in ~/hrpe_jax
  python -m hrpe_jax.studio --open=tune.musicxml        with a file as a new project
  python -m hrpe_jax.studio --model=runs/mine           with a model that you have trained

The server listens on this machine only. It prints the address with its token; whoever has the address can use
the studio until the command ends (Ctrl-C). Every change is saved at once, in one file for each project.

Needs the extra studio: pip install 'hrpe_jax[studio]'
"""

from __future__ import annotations

import argparse
import os
import sys

from hrpe_jax.utils import cli


def main(args: argparse.Namespace) -> int | None:
    """Serves until it is stopped."""
    from hrpe_jax.server.serve import serve

    return serve(
        model=args.model,
        folder=args.folder,
        file=args.open,
        host=args.host,
        port=args.port,
        browser=args.browser,
    )


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("studio", __doc__)
    add = options.add_argument
    model = "workdir of a training, or a released model (default: pretrained, the one of the package)"
    add("--model", type=cli.path, default="pretrained", metavar="DIR", help=model)
    add("--open", type=cli.path, metavar="FILE", help="MIDI, MusicXML, ABC or a chord chart to begin with")
    add("--folder", type=cli.path, default="~/hrpe_jax", metavar="DIR", help="where projects are kept")
    add("--port", type=cli.at_least(0), default=0, metavar="N", help="of the server (default: a free one)")
    host = "address to listen on; anything but this machine's own opens the studio to a network"
    add("--host", default="127.0.0.1", metavar="ADDRESS", help=host)
    add("--no_browser", dest="browser", action="store_false", help="do not open the browser")
    return options


if __name__ == "__main__":
    code = cli.run(main, parser())
    sys.stdout.flush()
    sys.stderr.flush()
    # The model's thread may be inside a program that cannot be interrupted; Python's own ending aborts it.
    os._exit(code)
