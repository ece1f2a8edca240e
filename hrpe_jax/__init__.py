"""Harmony-aware music generation in JAX.

What a notebook needs is here: `Composer` writes lead sheets, `read_score` and `read_songs` read music files,
`train` trains models, `evaluate` measures pieces and models. `Score` is the type of all music. Nothing
heavy is loaded before it is used.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hrpe_jax.utils.moved import MovedModules
from hrpe_jax.utils.version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from hrpe_jax.composer import Composer
    from hrpe_jax.config import Config
    from hrpe_jax.score.score import Score

    Path_ = str | os.PathLike[str]

__all__ = ["Composer", "Score", "__version__", "evaluate", "read_score", "read_songs", "train"]

_LAZY = {"Composer": "hrpe_jax.composer", "Score": "hrpe_jax.score.score"}
_FUNCTIONS = ("train", "evaluate")


def read_score(path: Path_) -> Score:
    r"""Reads one music file: the lead sheet that it is, or that is found in it.

    Args:
        path: MIDI, MusicXML, ABC (its first tune), a chord chart, or a song folder of POP909.

    Returns:
        Its score.

    Raises:
        UserError: it cannot be read, or is no music; in one line.

    Example:
        >>> import hrpe_jax, pathlib, tempfile
        >>> tune = pathlib.Path(tempfile.mkdtemp(), "tune.abc")
        >>> _ = tune.write_text('X:1\nM:4/4\nL:1/4\nK:C\n"C"CEGE|"F"FAcA|"G7"GBdB|"C"c4|]\n')
        >>> score = hrpe_jax.read_score(tune)
        >>> print(score.key.name, score.meter, *(span.chord for span in score.chords))
        C major 4/4 C:maj F:maj G:7 C:maj
    """
    from hrpe_jax.readers.read import read_first

    return read_first(path).score


def read_songs(path: Path_) -> list[Score]:
    r"""Reads every song of a file, an ABC book or a folder, as `preprocess` does.

    Args:
        path: a file, or a folder that is searched through.

    Returns:
        The scores. Files and tunes that cannot be read are left out; `preprocess` tells why.

    Raises:
        UserError: there is no such path, or no song in it.

    Example:
        >>> import hrpe_jax, pathlib, tempfile
        >>> book = pathlib.Path(tempfile.mkdtemp(), "book.abc")
        >>> head, notes = "M:3/4\nL:1/4\n", '"G"GBd|"D7"cAF|"G"G3|]\n'
        >>> _ = book.write_text(f"X:1\nT:One\n{head}K:G\n{notes}\nX:2\nT:Two\n{head}K:G\n{notes}")
        >>> [score.title for score in hrpe_jax.read_songs(book)]
        ['One', 'Two']
    """
    from hrpe_jax.readers.read import read_all

    return [song.score for song in read_all(path)]


def train(
    config: Path_ | Config = "quickstart", workdir: Path_ | None = None, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Trains the stages that a config names, and continues a run that was stopped.

    Args:
        config: a `Config`, a Python file with `get_config()`, or the name of a config of the package.
        workdir: where everything goes; None for `runs/NAME` of the config.
        overrides: such as "seed=1" or "stages.backbone.steps=500", for a config that is read.

    Returns:
        What `WORKDIR/summary.json` holds: versions, and for each stage steps, parameters and validation.

    Raises:
        UserError: a config, data or workdir that cannot be used; in one line.

    Example:
        >>> import hrpe_jax
        >>> summary = hrpe_jax.train("quickstart", "runs/first", ["seed=1"])  # doctest: +SKIP
        >>> composer = hrpe_jax.Composer.load("runs/first")  # doctest: +SKIP
    """
    import json
    from pathlib import Path

    from hrpe_jax.config import Config
    from hrpe_jax.errors import UserError
    from hrpe_jax.utils.jax_setup import enable_compilation_cache
    from hrpe_jax.workflows import train as workflow
    from hrpe_jax.workflows.load_config import load_config

    if not isinstance(config, Config):
        config = load_config(config, overrides)
    elif overrides:
        raise UserError("overrides: only for a config that is read from a file; change the Config itself")
    enable_compilation_cache()
    workdir = Path(workdir or f"runs/{config.name}")
    workflow.train(config, workdir)
    summary: dict[str, Any] = json.loads((workdir / workflow.SUMMARY).read_text(encoding="utf-8"))
    return summary


def evaluate(
    pieces: Path_ | None = None,
    reference: Path_ | None = None,
    *,
    model: Path_ | None = None,
    data: Path_ | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Compares pieces with real music, or measures a model on a data set.

    Args:
        pieces: a folder or file of pieces, to be compared with `reference`.
        reference: real music: a folder, or a prepared data set as "DIR" or "DIR:SPLIT".
        model: a workdir, a released model or "pretrained", to be measured on `data` instead.
        data: a prepared data set.
        **options: of `workflows.evaluate_pieces.compare_pieces` or `workflows.evaluate_model.compare_model`.

    Returns:
        What the command `python -m hrpe_jax.evaluate` prints on its last line.

    Raises:
        UserError: sources that cannot be read or do not fit; in one line.

    Example:
        >>> import hrpe_jax
        >>> hrpe_jax.evaluate("pieces", "data/pop909:test", report="report.html")  # doctest: +SKIP
        >>> hrpe_jax.evaluate(model="pretrained", data="data/pop909", num_pieces=0)  # doctest: +SKIP
    """
    from hrpe_jax.errors import UserError

    if (pieces is None) == (model is None) or (reference is None) != (pieces is None):
        raise UserError("evaluate: give pieces and reference, or model and data")
    if pieces is not None and reference is not None:
        from hrpe_jax.workflows.evaluate_pieces import compare_pieces

        return compare_pieces(pieces, reference, **options)
    from hrpe_jax.workflows.evaluate_model import compare_model

    if model is None or data is None:
        raise UserError("evaluate: give pieces and reference, or model and data")
    return compare_model(model, data, **options)


class _Package(ModuleType):
    """This package. Its modules `train` and `evaluate` are the commands; its attributes are the functions."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _FUNCTIONS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


sys.modules[__name__].__class__ = _Package
MovedModules.install()
