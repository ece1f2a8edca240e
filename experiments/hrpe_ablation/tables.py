"""Draws the tables and figures of this folder's README from the records, or checks that they are up to date.

    python experiments/hrpe_ablation/tables.py            writes them
    python experiments/hrpe_ablation/tables.py --check    exit status 1 where they are not what records say

Needs nothing but the records.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from figures import figures, intervals, nearest_distances
from grid import (
    BACKBONE,
    CONDITIONS,
    MELODY,
    MOVING,
    PILOT,
    RUNGS,
    SEEDS,
    STAGES,
    WRITING,
    Stage,
    cells,
)
from rows import (
    HEADLINE,
    RATES,
    RECORDS,
    Record,
    calibration_error,
    difference,
    looked_into,
    rate,
    rates,
    read_records,
    select,
)

from hrpe_jax.errors import UserError
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import replace_file

HERE = Path(__file__).parent
TITLES = {
    "chord_nll": "chord nll",
    "chord_accuracy": "chord acc.",
    "root_nll": "root nll",
    "root_accuracy": "root acc.",
    "token_nll": "token nll",
    "token_accuracy": "token acc.",
    "note_nll": "nll per note",
    "nll": "nll per event",
    "pitch_nll": "pitch nll",
    "pitch_accuracy": "pitch acc.",
}


FIGURES = {
    "differences.svg": "chord nll of every rung less the control's, with intervals; seeds in brackets",
    "curves.svg": "validation nll by step",
    "tables.svg": "interval tables per head on the circle of fifths",
}
WRITTEN = ("ssmd_silence", "cpi", "ctd")
PAIRS: tuple[tuple[Stage, str, str], ...] = (
    ("backbone", "lag4_only", "lag4"),
    ("backbone", "placebo", "query"),
    ("backbone", "lag4_repeats", "control_repeats"),
    ("backbone", "lag4_phrases", "control_phrases"),
    ("backbone", "control_phrases", "control_repeats"),
    ("backbone", "lag4_phrases", "lag4_repeats"),
    ("melody", "pitch_lag2_repeats", "repeats"),
)
"""Rungs that are compared with another one than a control."""
CONTROLS = {
    "real": "other real songs (the floor)",
    "shuffled": "real bars, shuffled in each song",
    "random": "real bars, drawn from all songs",
    "loop": "one bar looped",
}


def seeds_text(runs: Sequence[Record], wanted: int) -> str:
    """How many runs a row has; those that are too few say so."""
    return str(len(runs)) if len(runs) >= wanted else f"{len(runs)} of {wanted}"


def value_text(values: np.ndarray) -> str:
    """A mean over seeds with their standard deviation, where there are several."""
    mean = f"{values.mean():.3f}"
    return mean if len(values) < 2 else f"{mean} ± {values.std(ddof=1):.3f}"


def difference_text(runs: Sequence[Record], others: Sequence[Record], name: str) -> str:
    """A difference and its interval."""
    found = difference(runs, others, name) if runs and others else None
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]" if found else ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; a line that says so where there is nothing."""
    if not rows:
        return "No run has a record yet."
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def ladder(records: Sequence[Record], stage: str) -> str:
    """All rungs of a stage under the condition "full", against the control and token shift."""
    names, headline = RATES[stage], HEADLINE[stage]
    rungs = RUNGS[stage]
    controls = ("control", "shift") if stage == "backbone" else ("chords",)
    against = {rung: select(records, stage, rung, "full") for rung in controls}
    header = ["", "seeds", *(TITLES[name] for name in names), "calibration"]
    header += [
        f"{TITLES[headline]} less {'the control' if i == 0 else rung}" for i, rung in enumerate(controls)
    ]
    rows = []
    for baseline in baselines(records, stage):
        numbers = [f"{rate(baseline, name):.3f}" for name in names]
        cells = [difference_text([{**baseline, "seed": 0}], against[rung][:1], headline) for rung in controls]
        rows.append([baseline["rung"], "", *numbers, f"{calibration_error([baseline]):.3f}", *cells])
    for rung, (title, _) in rungs.items():
        runs = select(records, stage, rung, "full")
        if runs:
            numbers = [value_text(rates(runs, name)) for name in names]
            apart = [difference_text(runs, against[c], headline) if rung != c else "" for c in controls]
            rows.append(
                [title, seeds_text(runs, SEEDS[stage]), *numbers, f"{calibration_error(runs):.3f}", *apart]
            )
    for mean in averages(records, stage):
        numbers = [f"{rate(mean, name):.3f}" for name in names]
        apart = [difference_text([{**mean, "seed": 0}], against[rung][:1], headline) for rung in controls]
        title = f"{rungs[mean['rung']][0]}: {len(mean['models'])} models averaged"
        rows.append([title, "", *numbers, f"{calibration_error([mean]):.3f}", *apart])
    return table(header, rows)


def pairs(records: Sequence[Record]) -> str:
    """Differences of `PAIRS`, of what each stage is judged by."""
    rows = []
    for stage, rung, other in PAIRS:
        runs = [select(records, stage, name, "full") for name in (rung, other)]
        if all(runs):
            titles = [RUNGS[stage][name][0] for name in (rung, other)]
            rows.append([stage, *titles, difference_text(runs[0], runs[1], HEADLINE[stage])])
    return table(["stage", "", "less", "nll"], rows)


def baselines(records: Sequence[Record], stage: str) -> list[Record]:
    """Tables of counts, measured on the same songs."""
    return [r for r in records if r["condition"] == "counts" and r["stage"] == stage]


def averages(records: Sequence[Record], stage: str) -> list[Record]:
    """The averaged predictions of all seeds of a rung."""
    return [r for r in records if r["condition"] == "average" and r["stage"] == stage]


def conditions(records: Sequence[Record]) -> str:
    """The rungs of conditions where data is scarce, not augmented, or other; the first is the control."""
    rows = []
    for name, condition in CONDITIONS.items():
        if condition.stage != "backbone" or condition.moving:
            continue
        first = condition.rungs[0]
        control = select(records, "backbone", first, name)
        shift = select(records, "backbone", "shift", name)
        for rung in condition.rungs:
            runs = select(records, "backbone", rung, name)
            if runs:
                rows.append(
                    [
                        condition.title,
                        str(runs[0]["training_songs"]),
                        BACKBONE[rung][0],
                        seeds_text(runs, condition.seeds),
                        value_text(rates(runs, "chord_nll")),
                        value_text(rates(runs, "chord_accuracy")),
                        "" if rung == first else difference_text(runs, control, "chord_nll"),
                        "" if rung == "shift" or not shift else difference_text(runs, shift, "chord_nll"),
                    ]
                )
    header = [
        "condition",
        "songs",
        "",
        "seeds",
        "chord nll",
        "chord acc.",
        "nll less the control",
        "less shift",
    ]
    return table(header, rows)


def moving(records: Sequence[Record]) -> str:
    """What progressions that come back in another key are worth, at all changes and at sequence places."""
    rows = []
    for name, condition in CONDITIONS.items():
        if not condition.moving:
            continue
        control = select(records, "backbone", "moving_control", name)
        for rung, (title, _) in MOVING.items():
            runs = select(records, "backbone", rung, name)
            if runs:
                pairs = [difference_text(runs, control, of) for of in ("chord_nll", "sequence_nll")]
                rows.append(
                    [
                        condition.title,
                        title,
                        seeds_text(runs, condition.seeds),
                        *(value_text(rates(runs, of)) for of in ("chord_nll", "chord_accuracy")),
                        *(value_text(rates(runs, of)) for of in ("sequence_nll", "sequence_accuracy")),
                        *(pairs if rung != "moving_control" else ("", "")),
                    ]
                )
    header = ["songs", "", "seeds", "chord nll", "chord acc.", "nll at sequence places", "acc. there"]
    return table([*header, "chord nll less the control", "at sequence places less the control"], rows)


def sequence_counts(records: Sequence[Record]) -> str:
    """How many sequence places corpora have, and how often a plain transposed search is right there."""
    rows = []
    for record in (r for r in records if r["condition"] == "sequence_places"):
        for name, splits in record["corpora"].items():
            for split, of in splits.items():
                count = max(of["places"], 1)
                rows.append(
                    [
                        name,
                        split,
                        f"{of['places']:,} of {of['changes']:,} ({of['places'] / of['changes']:.1%})",
                        f"{of['songs_with_places']} of {of['songs']}",
                        f"{of['root_hit'] / count:.3f}",
                        f"{of['chord_hit'] / count:.3f}",
                    ]
                )
    header = ["corpus", "split", "sequence places of changes", "songs that have some"]
    return table([*header, "root right", "root and quality right"], rows)


def trust(records: Sequence[Record]) -> str:
    """What a transposed search adds to a model that is trained already, on test songs."""
    rows = []
    for record in (r for r in records if r["condition"] == "transposed_trust"):
        for name, of in record["results"]["test"].items():
            for part, title in (("changes", "all changes"), ("places", "sequence places")):
                found = of[part]
                less = f"{found['less']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]"
                numbers = [f"{found[key]:.3f}" for key in ("nll", "accuracy", "search_accuracy")]
                rows.append([name, title, f"{found['count']:,}", *numbers, less])
    header = ["corpus", "where", "count", "chord nll", "chord acc.", "search right"]
    return table([*header, "chord nll with the search, less without"], rows)


def longer(records: Sequence[Record]) -> str:
    """The melody's rungs at the steps that all have, and trained on: the same seeds."""
    runs = {rung: select(records, "melody", rung, "longer") for rung in CONDITIONS["longer"].rungs}
    rows = []
    for rung, on in runs.items():
        seeds = {run["seed"] for run in on}
        short = [run for run in select(records, "melody", rung, "full") if run["seed"] in seeds]
        if short:
            rows.append(
                [
                    MELODY[rung][0],
                    seeds_text(on, CONDITIONS["longer"].seeds),
                    value_text(rates(short, "note_nll")),
                    value_text(rates(on, "note_nll")),
                    value_text(rates(on, "pitch_accuracy")),
                    "" if rung == "chords" else difference_text(on, runs["chords"], "note_nll"),
                    f"{np.mean([run['best_step'] for run in on]):,.0f}",
                    f"{np.mean([run['steps'] for run in on]):,.0f}",
                ]
            )
    steps = [f"{STAGES['melody']['steps']:,}", CONDITIONS["longer"].title]
    header = ["", "seeds", *(f"nll per note, {some}" for some in steps), "pitch acc."]
    return table([*header, "nll per note less the control", "best step", "steps"], rows)


def places(records: Sequence[Record]) -> str:
    """Where chord changes are foreseen: by what a plain search expects there, and how much past it found."""
    rows = []
    for record in (r for r in records if r["condition"] == "places"):
        total = sum(part["count"] for part in record["places"].values())
        parts = {"all": _sum(record["places"].values()), **record["places"]}
        parts |= {f"events for which the past agrees: {n}": part for n, part in record["agreements"].items()}
        title = f"{BACKBONE[record['rung']][0]}: {len(record['models'])} models averaged"
        for name, part in parts.items():
            count = max(part["count"], 1)
            rows.append(
                [
                    title if name == "all" else "",
                    name,
                    f"{part['count'] / total:.0%}",
                    f"{part['nll'] / count:.3f}",
                    f"{part['hit'] / count:.3f}",
                    f"{part['nll'] / total:.3f}",
                ]
            )
    return table(["", "where", "of changes", "chord nll", "chord acc.", "share of nll"], rows)


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    parts = list(parts)
    return {name: sum(part[name] for part in parts) for name in parts[0]}


def cost(records: Sequence[Record]) -> str:
    """What each row cost: where it was made, parameters, steps to the best point, seconds."""
    rows = []
    for stage, rungs in RUNGS.items():
        for rung, (title, _) in rungs.items():
            runs = select(records, stage, rung, "full")
            if runs:
                rows.append(
                    [
                        stage,
                        title,
                        f"{runs[0]['parameters']:,}",
                        f"{np.mean([run['best_step'] for run in runs]):.0f}",
                        f"{np.mean([run['steps'] for run in runs]):.0f}",
                        _mean([run.get("processor_seconds") for run in runs]),
                        "; ".join(sorted({run["device"] for run in runs})),
                    ]
                )
    return table(["stage", "", "parameters", "best step", "steps", "processor s", "made on"], rows)


def _mean(values: Sequence[float | None]) -> str:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.0f}" if known else ""


def pointers(records: Sequence[Record]) -> str:
    """How much more heads look where the roots at a lag are the same, by layer."""
    runs, rows = looked_into(records, "lag4"), []
    for lag in ("0_0", "0_1", "1_2", "2_3", "3_4") if runs else ():
        same = np.array([intervals(run, lag)[..., 0] for run in runs])  # [runs, layers, heads]
        layers = [
            f"{layer.mean():+.2f} ({layer.min():+.2f} to {layer.max():+.2f})" for layer in same.swapaxes(0, 1)
        ]
        rows.append([f"lag ({lag.replace('_', ', ')})", *layers])
    return table(["same root", *(f"layer {n + 1}" for n in range(len(rows[0]) - 1 if rows else 0))], rows)


def pilot(records: Sequence[Record]) -> str:
    """The runs that chose the settings, on validation songs; differences from the control set alike."""
    runs = {r["name"]: r for r in records if r["split"] == "valid"}
    rows = []
    for cell in PILOT:
        run = runs.get(cell.name)
        if run:
            control = runs.get(replace(cell, rung="control").name)
            others = [control] if control and cell.rung != "control" else []
            rows.append(
                [
                    RUNGS[cell.stage][cell.rung][0],
                    ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in cell.changes),
                    f"{rate(run, 'chord_nll'):.3f}",
                    f"{rate(run, 'chord_accuracy'):.3f}",
                    difference_text([run], others, "chord_nll"),
                ]
            )
    return table(["", "with", "chord nll", "chord acc.", "chord nll less the control"], rows)


def progressions(records: Sequence[Record]) -> str:
    """What models write beside real songs and the controls."""
    rows, controls = [], {}
    for rung in WRITING:
        runs = [run for run in select(records, "backbone", rung, "full") if run["progressions"]]
        if runs:
            found = [
                {name: {row["set"]: row for row in run["progressions"][name]} for name in WRITTEN}
                for run in runs
            ]
            controls = controls or found[0]
            rows.append(
                [
                    BACKBONE[rung][0],
                    str(len(runs)),
                    *_written([f[name]["generated"] for f in found] for name in WRITTEN),
                ]
            )
    for name, title in CONTROLS.items() if rows else ():
        rows.append([title, "", *_written([controls[figure][name]] for figure in WRITTEN)])
    return table(["", "seeds", "SSMD", "CPI", "CTD"], rows)


def _written(figures: Iterable[list[Mapping[str, Any]]]) -> list[str]:
    """Means over seeds with their standard deviation; of one seed alone the interval over pieces."""
    cells = []
    for rows in figures:
        values = [row["value"] for row in rows if "value" in row]
        interval = (
            f" [{rows[0]['low']:.3g}, {rows[0]['high']:.3g}]" if len(values) == 1 and "low" in rows[0] else ""
        )
        spread = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.3g}{spread}{interval}" if values else "")
    return cells


def learned(records: Sequence[Record]) -> str:
    """Which published distance the tables at lag (0, 0) come closest to."""
    columns = {}
    for rung in ("tables", "query", "lag4"):
        runs = looked_into(records, rung)
        if runs:
            columns[f"{BACKBONE[rung][0]} ({len(runs)})"] = nearest_distances(runs)
    names = next(iter(columns.values()), {})
    rows = [[name, *(f"{c[name][0]:+.2f}, {c[name][1]:.0%}" for c in columns.values())] for name in names]
    return table(["distance", *columns], rows)


def tables(records: Sequence[Record]) -> dict[str, str]:
    """By the name of the mark in the README, what stands there."""
    trained = [r for r in records if "seed" in r and r["split"] == "test"]
    return {
        "count": f"{len(trained)} of {len(list(cells()))} runs have a record.",
        "backbone": ladder(records, "backbone"),
        "pairs": pairs(records),
        "pilot": pilot(records),
        "places": places(records),
        "conditions": conditions(records),
        "melody": ladder(records, "melody"),
        "moving": moving(records),
        "sequence_places": sequence_counts(records),
        "trust": trust(records),
        "longer": longer(records),
        "progressions": progressions(records),
        "pointers": pointers(records),
        "learned": learned(records),
        "cost": cost(records),
    }


def filled(text: str, found: dict[str, str]) -> str:
    """A README with what stands between `<!-- NAME -->` and `<!-- end of NAME -->` replaced.

    Raises:
      UserError: it lacks a mark.
    """
    for name, content in found.items():
        pattern = re.compile(
            rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL
        )
        if not pattern.search(text):
            raise UserError(f"README.md: the marks of {name!r} are missing: <!-- {name} --> and its end")
        text = pattern.sub(lambda m, content=content: f"{m[1]}\n{content}\n\n{m[2]}", text)
    return text


def main(args: argparse.Namespace) -> int:
    """Writes or checks the README and the figures."""
    records = read_records(Path(args.records))
    if not records:
        raise UserError(f"{args.records}: no records here; run.py makes them")
    folder = Path(args.folder)
    readme = folder / "README.md"
    drawn = figures(records)
    shown = {name: f"![{about}]({name})" if name in drawn else "" for name, about in FIGURES.items()}
    wanted = {readme: filled(readme.read_text(encoding="utf-8"), {**tables(records), **shown})}
    wanted |= {folder / name: svg for name, svg in drawn.items()}
    stale = [p for p, text in wanted.items() if not p.is_file() or p.read_text(encoding="utf-8") != text]
    if args.check:
        for path in stale:
            print(f"{path.name}: not what the records say; run tables.py")
        return 1 if stale else 0
    for path in stale:
        replace_file(path, wanted[path].encode())
        cli.say(f"{path}")
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--records", default=str(RECORDS), metavar="FILE", help="where records are")
    options.add_argument("--folder", default=str(HERE), metavar="DIR", help="where README.md and figures are")
    options.add_argument("--check", action="store_true", help="write nothing; compare")
    options.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
