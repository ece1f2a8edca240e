"""From files on disk to a prepared data set: find, prepare each, and put together what they gave.

With Apache Beam, any of its runners calls the same function and gives the same records. A pipeline maps the
files and writes what they give as frames of the journal (see `preprocessing.journal`), one file of them for
each bundle, into the folder that the calling process reads afterwards: it needs a file system that all
workers share. Bundles that are tried again give the same frames twice, which changes nothing. The limits of
time and memory are those of the pool, since every worker of Beam has a process of the pool beside it.
"""

from __future__ import annotations

import os
import re
import shlex
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hrpe_jax.errors import UserError, WrongUse
from hrpe_jax.preprocessing.assemble import Choices, NoSongsError, assemble
from hrpe_jax.preprocessing.journal import SUFFIX, Journal, song_key, to_frame
from hrpe_jax.preprocessing.pool import Worker, detail_of, map_files
from hrpe_jax.preprocessing.prepare import failed_file, prepare_file
from hrpe_jax.preprocessing.splits import GivenSplits, nearest_folder, plain_folder
from hrpe_jax.preprocessing.writer import Reject, check_target, journal_folder
from hrpe_jax.readers.abc import book_parts
from hrpe_jax.readers.find import BUILT_IN, SongFile, find_inputs
from hrpe_jax.readers.pop909_form import with_form_labels

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def with_styles(songs: Sequence[SongFile], options: Sequence[str]) -> list[SongFile]:
    """The files with their styles; those of folders that no option names have none.

    Args:
        songs: what was found.
        options: each "NAME" for all of the input, or "FOLDER:NAME" for what is below a folder of it; the
            nearest folder decides.

    Raises:
        UserError: an option is no such thing, or holds for no file.
    """
    styles: dict[str, str] = {}
    for option in options:
        folder, _, name = option.rpartition(":")
        folder = plain_folder(folder)
        if not _NAME.fullmatch(name):
            raise WrongUse(
                f"--style={option}: style {name!r}: expected a short name of small letters, such as "
                "--style=folk, or --style=FOLDER:folk for a folder of the input"
            )
        if folder in styles:
            raise WrongUse(f"--style={option}: a second style for {folder or 'the whole input'}")
        styles[folder] = name
    used: set[str] = set()
    named = []
    for song in songs:
        folder_of_it = nearest_folder(song.name, styles)
        if folder_of_it is not None:
            used.add(folder_of_it)
            song = replace(song, style=styles[folder_of_it])
        named.append(song)
    for folder, name in styles.items():
        if folder not in used:
            found = sorted({song.name.partition("/")[0] for song in songs if "/" in song.name})[:8]
            raise UserError(
                f"--style={folder}:{name}: no song lies in {folder!r}"
                + (f"; folders of the input are {', '.join(found)}" if found else "")
            )
    return named


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
        raise WrongUse(f"--beam_options={options}: not understood by Beam") from None
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


FILE_SECONDS = 20.0
FILE_MEGABYTES = 1024
RUNNERS = ("pool", "beam")


def build_dataset(
    source: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    format: str = "auto",
    splits: str | Path | Sequence[str | Path] | None = None,
    styles: Sequence[str] = (),
    form: str | Path = "",
    crops: int = 0,
    workers: int | None = None,
    limit: int | None = None,
    overwrite: bool = False,
    keep_duplicates: bool | None = None,
    file_seconds: float = FILE_SECONDS,
    file_megabytes: int = FILE_MEGABYTES,
    runner: str = "pool",
    beam_options: str = "",
    on_progress: Callable[[int, int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Prepares a data set of both stages.

    What is done is kept in a hidden folder beside the output until the data set is whole, so that the same
    call goes on where one that was stopped or killed left off.

    Args:
        source: a folder or file of songs, or "chorales"; or several, each "PATH" or "NAME=PATH", of one data
            set (see `readers.find`).
        output: the folder to make; it appears whole or not at all.
        format: one of `readers.find.FORMATS`, or "auto".
        splits: split files, each "FILE" or "FOLDER:FILE"; songs that the file for their folder does not list
            are rejected. Songs that no file is for go where their group is, or are split about 80:10:10 by a
            hash, songs of one group together.
        styles: of the songs, each "STYLE" or "FOLDER:STYLE" (see `preprocessing.build`).
        form: folder with people's labels of the form of POP909's songs (see `readers.pop909_form`).
        crops: training pieces to cut from each training song (see `preprocessing.clean`), at most.
        workers: processes; 0 works in this one, None takes one for every processor.
        limit: read only the first so many files.
        overwrite: replace a data set that is there.
        keep_duplicates: keep songs that equal another one note by note; None does so in the built-in corpus,
            which is used as it was published.
        file_seconds: that one file, or one part of a large tune book, may take.
        file_megabytes: of memory that one file or part may take.
        runner: "pool" or "beam".
        beam_options: of Beam's pipeline.
        on_progress: called with (done, in all, files rejected); a large tune book counts once for each of its
            parts.
        say: told what a person wants to know while waiting.

    Returns:
        The counts: `output`, `found` (files), `songs`, `rejects`, `ignored` (files that are no songs), songs
        per split, tokens per stage, `kept` (files done by a run that was stopped), `missing` (songs that
        split files list and the input has not), `seconds`.

    Raises:
        UserError: if there are no songs, not one can be used, or the output may not be written.
    """
    began, output = time.monotonic(), Path(output)
    check_target(output, overwrite)
    files = tuple(map(str, [splits] if isinstance(splits, str | Path) else splits or ()))
    given = GivenSplits(files)
    sources = [source] if isinstance(source, str | Path) else list(source)
    found = find_inputs(sources, format, skip=[output])
    if keep_duplicates is None:
        keep_duplicates = len(sources) == 1 and str(sources[0]) in ("", BUILT_IN)
    songs = with_styles(found.songs, styles)
    songs = (with_form_labels(songs, form) if str(form) else songs)[:limit]
    songs = [replace(song, crops=crops) for song in songs]
    journal = Journal(journal_folder(output))
    try:
        settings = f"{file_seconds:g} {file_megabytes}"
        parts = [(number, part) for number, song in enumerate(songs) for part in book_parts(song)]
        part_keys = [song_key(part, settings) for _, part in parts]
        todo = [place for place, key in enumerate(part_keys) if key not in journal]
        waiting = Counter(parts[place][0] for place in todo)  # parts of each file that are left
        kept = len(songs) - len(waiting)
        if kept and say:
            left = f"{len(waiting)} are left"
            say(f"{kept} of {len(songs)} files were prepared by a run that was stopped; {left}")
        if runner == "beam":
            if say:
                say(f"preparing {len(waiting)} files on Beam")
            files_left = [(part_keys[place], parts[place][1]) for place in todo]
            run_beam(files_left, journal, beam_options, seconds=file_seconds, megabytes=file_megabytes)
        else:
            done, rejected, good = len(parts) - len(todo), 0, set[int]()
            arriving = map_files(
                prepare_file,
                [parts[place][1] for place in todo],
                workers=(os.cpu_count() or 1) if workers is None else workers,
                failed=failed_file,
                seconds=file_seconds,
                megabytes=file_megabytes,
            )
            for index, results in arriving:
                journal.add(part_keys[todo[index]], results)
                number = parts[todo[index]][0]
                if not all(isinstance(result, Reject) for result in results):
                    good.add(number)
                waiting[number] -= 1
                done += 1  # parts, not files: one book may be most of the work
                if not waiting[number] and number not in good:
                    rejected += 1
                if on_progress:
                    on_progress(done, len(parts), rejected)
        keys: list[list[bytes]] = [[] for _ in songs]
        for (number, _), key in zip(parts, part_keys, strict=True):
            keys[number].append(key)
        choices = Choices(format, files, keep_duplicates, limit, tuple(styles), bool(str(form)), crops)
        manifest = assemble(output, journal, found, songs, keys, choices, given, overwrite=overwrite)
    except NoSongsError as error:
        journal.close(remove=True)
        raise UserError(f"{', '.join(map(str, sources))}: {error}") from None
    except BaseException:
        journal.close(remove=not len(journal))
        raise
    journal.close(remove=True)
    counts = manifest["counts"]
    return {
        "output": str(output),
        "found": len(songs),
        "songs": sum(counts["songs"].values()),
        **({"crops": counts["crops"]["pieces"]} if crops else {}),
        "rejects": sum(counts["rejects"].values()),
        "ignored": sum(counts["ignored"].values()),
        **counts["songs"],
        **{f"{stage}_tokens": sum(tokens.values()) for stage, tokens in counts["tokens"].items()},
        "kept": kept,
        "missing": sum(map(len, given.missing().values())),
        "seconds": round(time.monotonic() - began, 2),
    }
