"""The same work on Apache Beam: any of its runners, the same function, the same records.

A pipeline maps the files and writes what they give as frames of the journal (see `data.journal`), one file of
them for each bundle, into the folder that the calling process reads afterwards: it needs a file system that
all workers share. Bundles that are tried again give the same frames twice, which changes nothing. The limits
of time and memory are those of the pool, since every worker of Beam has a process of the pool beside it.
"""

from __future__ import annotations

import os
import shlex
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.journal import SUFFIX, Journal, to_frame
from hrpe_jax.preprocessing.pool import Worker, detail_of
from hrpe_jax.preprocessing.prepare import failed_file, prepare_file
from hrpe_jax.readers.find import SongFile


def run_beam(
    todo: Sequence[tuple[bytes, SongFile]],
    journal: Journal,
    options: str = "",
    *,
    seconds: float | None = None,
    megabytes: int | None = None,
) -> None:
    """Prepares files on Beam and adds what they give to a journal.

    Args:
        todo: (key, file) of each.
        journal: where results go.
        options: of the pipeline, as on a command line; DirectRunner where they name no runner.
        seconds: that one file may take.
        megabytes: that one file may take.

    Raises:
        UserError: Beam is not installed, does not know the options, or the pipeline failed.
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise UserError(
            f'--runner=beam: Apache Beam cannot be imported ({error}); run  pip install "hrpe_jax[beam]"  or '
            "leave --runner out"
        ) from None
    if not todo:
        return

    class Prepare(beam.DoFn):
        """Files in, nothing out: frames go to a file of the bundle's own."""

        def __init__(self, folder: str) -> None:
            self._folder = folder

        def start_bundle(self) -> None:
            self._name = os.path.join(self._folder, uuid.uuid4().hex)
            self._stream = open(self._name, "xb")  # noqa: SIM115 (closed when the bundle ends)

        def process(self, element: tuple[bytes, SongFile]) -> Iterator[Any]:
            key, song = element
            self._stream.write(to_frame(key, _guarded(song, seconds, megabytes)))
            return iter(())

        def finish_bundle(self) -> None:
            self._stream.close()
            os.rename(self._name, self._name + SUFFIX)

    try:
        with beam.Pipeline(options=PipelineOptions(shlex.split(options))) as pipeline:
            files = pipeline | "files" >> beam.Create(list(todo))
            (
                files
                | "spread" >> beam.Reshuffle()
                | "prepare" >> beam.ParDo(Prepare(str(journal.folder.resolve())))
            )
    except SystemExit:  # of its parser of options, which has printed why
        raise UserError(f"--beam_options={options}: not understood by Beam") from None
    except (ValueError, RuntimeError, OSError) as error:
        text = " ".join(str(error).split())[:300]
        raise UserError(f"--runner=beam: the pipeline failed: {text}") from error
    journal.load()
    missing = [song for key, song in todo if key not in journal]
    if missing:
        raise UserError(
            f"{journal.folder}: {len(missing)} of {len(todo)} files have no result there, the first "
            f"{missing[0].name}; Beam's workers must share this folder with this process"
        )
    for path in Path(journal.folder).glob("*"):
        if len(path.name) == 32:  # of bundles that were given up
            path.unlink(missing_ok=True)


_LOCAL = threading.local()


def _guarded(song: SongFile, seconds: float | None, megabytes: int | None) -> list[Any]:
    """`prepare_file` in a process beside this thread of Beam's, with the limits of the pool.

    The process is kept for the next file: runners make and drop DoFns as they like, and processes are slow to
    start. It ends with this one.
    """
    limits = (seconds, megabytes)
    if getattr(_LOCAL, "limits", None) != limits:
        _LOCAL.limits, _LOCAL.worker = limits, Worker(prepare_file, *limits)
    worker: Worker[SongFile, Any] = _LOCAL.worker
    worker.give(0, song)
    while True:
        worker.wait(0.5)
        for _, kind, value in worker.take():
            return value if kind == "done" else failed_file(song, kind, detail_of(kind, *limits))
