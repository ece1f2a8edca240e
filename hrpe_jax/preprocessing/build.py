"""From files on disk to a prepared data set: find, prepare each, and put together what they gave."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.assemble import Choices, NoSongsError, assemble
from hrpe_jax.preprocessing.journal import Journal, song_key
from hrpe_jax.preprocessing.pool import map_files
from hrpe_jax.preprocessing.prepare import failed_file, prepare_file
from hrpe_jax.preprocessing.splits import GivenSplits
from hrpe_jax.preprocessing.styles import with_styles
from hrpe_jax.preprocessing.writer import Reject, check_target, journal_folder
from hrpe_jax.readers.abc import book_parts
from hrpe_jax.readers.find import BUILT_IN, find_inputs
from hrpe_jax.readers.pop909_form import with_form_labels

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
        styles: of the songs, each "STYLE" or "FOLDER:STYLE" (see `preprocessing.styles`).
        form: folder with people's labels of the form of POP909's songs (see `readers.pop909_form`).
        crops: training pieces to cut from each training song (see `preprocessing.crops`), at most.
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
            from hrpe_jax.preprocessing.beam import run_beam

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
