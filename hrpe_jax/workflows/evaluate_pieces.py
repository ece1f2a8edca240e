"""Pieces against real music: what `hrpe_jax.evaluate` does with two folders."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrpe_jax.data.shards import SPLITS, read_manifest
from hrpe_jax.errors import UserError, WrongUse
from hrpe_jax.theory.meter import Meter
from hrpe_jax.utils.files import replace_file, unwritable
from hrpe_jax.utils.schema import suggestion

if TYPE_CHECKING:
    from hrpe_jax.metrics.arrays import Music
    from hrpe_jax.report.collect import Collection
    from hrpe_jax.score.score import Score

Path_ = str | os.PathLike[str]
TABLES = ("faults", "classifier", "comparison")
"""What pieces are measured by: the faults of tunes, whether a classifier can tell them from real music, and
every metric beside its controls."""
CLASSIFIER_BARS = (16, 32)


def compare_pieces(
    generated: Path_,
    reference: Path_,
    *,
    training: Path_ | None = None,
    split: str = "",
    style: str = "",
    output: Path_ | None = None,
    report: Path_ | None = None,
    show_pieces: bool = True,
    bars: int | None = None,
    meter: str = "",
    draws: int = 1000,
    seed: int = 0,
    tables: Sequence[str] = TABLES,
    workers: int | None = None,
    limit: int | None = None,
    on_progress: Callable[[int, int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Compares pieces with real music, prints tables, and writes all numbers and a report.

    Args:
        generated: pieces to evaluate: a folder, a file, or a prepared data set, "DIR" or "DIR:SPLIT".
        reference: real music, likewise.
        training: what the generator has learned from, likewise, to look for copies; None looks for none.
        split: of data sets that name none; "" means "test".
        style: of songs of data sets; "" takes all.
        output: JSON file for all numbers; None for none.
        report: HTML file; None for none.
        show_pieces: draw some of the pieces in the report.
        bars: of each piece; None takes what most pieces have.
        meter: of the pieces compared; "" takes the commonest, "all" any.
        draws: for intervals.
        seed: of draws and controls.
        tables: some of `TABLES`.
        workers: processes that read files; 0 for none, None for one for every processor.
        limit: read only the first so many files of each.
        on_progress: called with (files done, files in all, files left out).
        say: told what a person wants to know while waiting.

    Returns:
        Counts, and value and interval of the recommended structure metrics.

    Raises:
        UserError: one of both has no piece, a setting does not fit, or a file cannot be written.
    """
    from hrpe_jax.report.collect import collect
    from hrpe_jax.report.page import page

    check_file(output, "--output")
    check_file(report, "--report")
    check_tables(tables)
    meter = check_meter(meter)
    given = {"generated": generated, "reference": reference} | ({"training": training} if training else {})
    sources = {name: split_of(source) for name, source in given.items()}
    are_data = {name: read_manifest(Path(source)) is not None for name, (source, _) in sources.items()}
    if split and not any(are_data.values()):
        raise UserError(f"--split={split}: none of {', '.join(map(str, given.values()))} is a data set")
    if style and not any(are_data.values()):
        raise UserError(f"--style={style}: none of {', '.join(map(str, given.values()))} is a data set")
    sets = {}
    for name, (source, own) in sources.items():
        sets[name] = collect(
            source,
            split=own or (split if are_data[name] else ""),
            style=style if are_data[name] else "",
            workers=workers,
            limit=limit,
            option=f"--{name}",
            on_progress=on_progress,
        )
    if say:
        made, real = len(sets["generated"].pieces), len(sets["reference"].pieces)
        say(f"comparing {made} pieces with {real} and the controls")
    found, about = compared(sets, bars=bars, meter=meter, seed=seed, draws=draws, tables=tables)
    print(tables_text(found, about), flush=True)
    write_json(output, {**found, "sources": about})
    if report is not None:
        write_text(report, page(found, about, pieces_of(sets), show_pieces))
    return headline(found) | written(output, report)


def compared(
    sets: Mapping[str, Collection],
    *,
    bars: int | None,
    meter: str,
    seed: int,
    draws: int,
    tables: Sequence[str] = TABLES,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the tables say of "generated" and "reference" (and "training"), as JSON, and the counts of each
    set.

    Args:
        sets: the pieces.
        bars: as of `compare_pieces`.
        meter: likewise.
        seed: likewise.
        draws: likewise.
        tables: some of `TABLES`.
    """
    from hrpe_jax.metrics.faults import fault_table
    from hrpe_jax.metrics.two_sample import two_sample

    about = {name: collection.about() for name, collection in sets.items()}
    music = {name: collection.music() for name, collection in sets.items()}
    found: dict[str, Any] = {}
    if "comparison" in tables:
        found = _comparison(music, about, bars=bars, meter=meter, seed=seed, draws=draws)
    of_tunes: dict[str, Any] = {"meter": meter or None, "draws": draws, "seed": seed}
    if "faults" in tables:
        found["faults"] = fault_table(music["generated"], music["reference"], **of_tunes).to_dict()
    if "classifier" in tables:
        found["classifier"] = [
            two_sample(music["generated"], music["reference"], bars=length, **of_tunes)
            for length in CLASSIFIER_BARS
        ]
    return found, about


def _comparison(
    music: Mapping[str, Sequence[Music]],
    about: Mapping[str, Any],
    *,
    bars: int | None,
    meter: str,
    seed: int,
    draws: int,
) -> dict[str, Any]:
    from hrpe_jax.metrics.compare import compare
    from hrpe_jax.report import collect as collection

    found = compare(
        music["generated"],
        music["reference"],
        bars=bars,
        meter=meter or None,
        seed=seed,
        draws=draws,
        training=music.get("training"),
    ).to_dict()
    found["notes"] = collection.melody_chords_notes(about) + found["notes"]
    used = found["settings"]["meter"]
    meters = {name for counts in about.values() for name in counts["meters"]}
    if not meter and meters != {used}:
        found["notes"].append(
            f"compared in {used}, the commonest meter of both; --meter=N/D compares another one, "
            "--meter=all pieces of all meters"
        )
    return found


def tables_text(found: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The tables for a terminal."""
    from hrpe_jax.report.checks import fault_text, two_sample_text
    from hrpe_jax.report.tables import comparison_table

    parts = []
    if "metrics" in found:
        parts.append(comparison_table(found, about))
    if "faults" in found:
        parts.append(fault_text(found["faults"]))
    if "classifier" in found:
        parts.append(two_sample_text(found["classifier"]))
    return "\n\n".join(parts)


def pieces_of(sets: Mapping[str, Collection]) -> dict[str, list[Score]]:
    """The scores of each set."""
    return {name: collection.pieces for name, collection in sets.items()}


def headline(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of a comparison how many pieces were used, bars, meter, and the recommended structure metrics; of the
    other tables where generated pieces are apart from real ones."""
    tunes: dict[str, Any] = {}
    if "faults" in found:
        from hrpe_jax.report.checks import apart

        rows = found["faults"]["rows"]
        tunes["faults_apart"] = sum(bool(apart(row["generated"], row["reference"])) for row in rows)
    for test in found.get("classifier", ()):
        if test["rows"]:
            row = {name: test["rows"][0][name] for name in ("value", "low", "high")}
            tunes[f"auc_{test['settings']['bars']}_bars"] = row
    if "metrics" not in found:
        return tunes
    values = {
        metric["name"]: {name: row[name] for name in ("value", "low", "high")}
        for metric in found["metrics"]
        if metric["group"] == "structure" and metric["recommended"]
        for row in metric["rows"]
        if row["set"] == "generated"
    }
    used = {name: found["sets"][name]["used"] for name in ("generated", "reference")}
    settings = {name: found["settings"][name] for name in ("bars", "meter")}
    return {"used": used, **settings, **values, **tunes}


def written(output: Path_ | None, report: Path_ | None) -> dict[str, str]:
    """The files that were asked for."""
    return {name: str(path) for name, path in (("output", output), ("report", report)) if path}


def split_of(source: Path_) -> tuple[Path, str]:
    """A folder and the split, or splits, named behind it, "DIR:train" or "DIR:valid+test"; "" where there is
    none."""
    folder, colon, split = str(source).rpartition(":")
    if colon and set(split.split("+")) <= set(SPLITS) and not Path(source).exists():
        return Path(folder), split
    return Path(source), ""


def check_meter(text: str) -> str:
    """A meter as metrics spell it, or "all", or "".

    Raises:
        UserError: it is none.
    """
    if text in ("", "all"):
        return text
    try:
        numerator, denominator = (int(part) for part in text.split("/"))
        return str(Meter(numerator, denominator))
    except ValueError:
        raise WrongUse(f"--meter={text}: expected a meter such as 4/4 or 6/8, or all") from None


def check_tables(tables: Sequence[str], known: Sequence[str] = TABLES) -> None:
    """Checks the names of tables.

    Args:
        tables: names.
        known: those that there are.

    Raises:
        UserError: one is none.
    """
    for name in tables:
        if name not in known:
            raise WrongUse(f"--tables={name}: no such table; {suggestion(name, known)}")


def check_file(path: Path_ | None, option: str) -> None:
    """Finds out before any work whether a file can be written.

    Raises:
        UserError: it cannot.
    """
    if path is None:
        return
    folder = Path(path).absolute().parent
    if Path(path).is_dir():
        raise UserError(f"{option}={path}: is a folder; expected the name of a file to write")
    if not folder.is_dir():
        raise UserError(f"{option}={path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise UserError(f"{option}={path}: the folder {folder} cannot be written; choose another")


def write_json(path: Path_ | None, result: dict[str, Any]) -> None:
    """Writes figures, whole or not at all."""
    if path is not None:
        write_text(path, json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path_, text: str) -> None:
    """Writes a file, whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    try:
        replace_file(Path(path), text.encode())
    except OSError as error:
        raise unwritable(Path(path), error) from None
