"""Lead sheets for assistants: an MCP server with compose, suggest, harmonise, evaluate, explain and render.

  python -m hrpe_jax.mcp

speaks the Model Context Protocol on stdin and stdout, as assistants start their servers. Lead sheets go in
and out as ABC; those that are kept are projects of the studio (python -m hrpe_jax.studio).

Needs the extra mcp: pip install 'hrpe_jax[mcp]'
"""

from __future__ import annotations

import argparse
import sys

from hrpe_jax.utils import cli


def main(args: argparse.Namespace) -> None:
    """Serves until stdin ends."""
    from hrpe_jax.errors import UserError

    try:
        import mcp.server  # noqa: F401  (the SDK: this module is hrpe_jax.mcp)
    except ImportError:
        raise UserError("mcp: needs the extra mcp: pip install 'hrpe_jax[mcp]'") from None
    from hrpe_jax.server.assistant import Assistant, build_server
    from hrpe_jax.server.serve import load_composer
    from hrpe_jax.server.store import Store

    build_server(Assistant(lambda: load_composer(args.model), Store(args.folder))).run("stdio")


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("mcp", __doc__)
    model = "workdir of a training, or a released model (default: pretrained, the one of the package)"
    options.add_argument("--model", type=cli.path, default="pretrained", metavar="DIR", help=model)
    folder = "projects of the studio"
    options.add_argument("--folder", type=cli.path, default="~/hrpe_jax", metavar="DIR", help=folder)
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
