"""The card of a released model, written from records; `release_model.py` puts it beside the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.results.targets import structure_lines, target_lines, theory_lines
from hrpe_jax.errors import UserError
from hrpe_jax.report.tables import copying_lines

MARK = "<!-- bundled model -->"
CORPORA = {
    "pop909": (
        "POP909 (Wang et al., ISMIR 2020), github.com/music-x-lab/POP909-Dataset",
        "MIT for the repository; the songs that it arranges are commercial, and their owners'",
    ),
    "chorales": ("chorales by J. S. Bach, as they come with music21", "the music is in the public domain"),
    "billboard": (
        "McGill Billboard annotations, github.com/boomerr1/The-McGill-Billboard-Project",
        "CC0, by its README",
    ),
    "nottingham": (
        "Nottingham folk tunes, github.com/jukedeck/nottingham-dataset",
        "GPL-3.0 for the repository",
    ),
    "openewld": (
        "OpenEWLD, github.com/00sapo/OpenEWLD",
        "MIT for the repository; its README calls the songs public domain, which does not hold for all",
    ),
    "openhymnal": (
        "Open Hymnal Project",
        "each score says that it is in the public domain, but for one that does not",
    ),
    "deepchoir": ("Bach chorales of deepchoir, github.com/sander-wood/deepchoir", "MIT for the repository"),
}
"""Name: (what it is, what its licence is said to be)."""

CANNOT = (
    "It writes lead sheets: one voice and chord symbols, no words and no accompaniment of its own.",
    "A piece has one key and one meter. Keys are all alike, since training transposes; meters are not: "
    "the table says which it has seen.",
    "Chords change on beats; notes lie on sixteenths and triplets.",
    "Forms of pop are people's labels; those of other styles were found by analysis, which errs.",
    "Its other styles have fewer songs than pop; a style that it has not seen needs a model of its own "
    "(`configs/finetune.py`).",
    "Long chord progressions are shared with training songs, as real songs do; see below how long.",
    "No listeners have judged it: the figures say how alike it is to real songs, not how good it is.",
)


def write_card(
    about: Mapping[str, Any], results: Mapping[str, Any] | None, notes: str, commands: Sequence[str]
) -> str:
    """The card as Markdown.

    Args:
        about: "stages" (by name: "parameters", "bytes", "config", "step", "training"), "data" (the manifest's
            counts and leakage), "corpora", "precision", "seen".
        results: what `experiments/results/run.py` wrote; None before it has run.
        notes: Markdown on what is musically wrong; "" for none.
        commands: that made it.
    """
    parts = [
        "# The model of this package\n\nTwo stages that write lead sheets: chords by a Transformer with "
        "H-RPE, a melody over them by a Transformer-XL. `python -m hrpe_jax.sample` composes with it where "
        "no `--model` is named.",
        _facts(about),
        "## What it cannot do\n\n" + "\n".join(f"- {line}" for line in CANNOT),
    ]
    if notes:
        parts.append(f"## What is wrong with its worst pieces\n\n{notes.strip()}")
    parts += _measured(results) if results else ["## Figures\n\nNot measured yet."]
    made = "\n".join(commands)
    parts.append(f"## How it was made\n\n```sh\n{made}\n```")
    return "\n\n".join(parts) + "\n"


def front_page(text: str, results: Mapping[str, Any]) -> str:
    """The page of results with the lines between its marks `<!-- bundled model -->` written anew."""
    before, mark, rest = text.partition(f"{MARK}\n")
    _, end, after = rest.partition(MARK)
    if not (mark and end):
        raise UserError(f"the page has no two marks {MARK}; put them where the figures are to stand")
    made = results["pieces"]
    asked = ", ".join(f"{name} {value}" for name, value in made["asked"].items())
    rows = [["target", "to reach", "reached", ""], *target_lines(results)]
    lines = [
        f"{made['pieces']} unselected pieces ({asked}) and the test songs; all figures with their "
        "controls, and how they were made, are in [the model's card](../../hrpe_jax/pretrained/README.md).",
        table(rows),
        table(list(_prediction(results["prediction"]))),
    ]
    body = "\n\n".join(lines)
    return f"{before}{MARK}\n\n{body}\n\n{MARK}{after}"


def _facts(about: Mapping[str, Any]) -> str:
    data, stages = about["data"], about["stages"]
    lines = [["what", ""]]
    for name in about["corpora"]:
        what, licence = CORPORA[name]
        lines += [["data", what], ["licence of the data", licence]]
    songs = data["songs"]
    lines.append(["songs", ", ".join(f"{split} {songs[split]:,}" for split in songs)])
    lines.append(["licence of the weights", "Apache-2.0, as the program"])
    for name, stage in stages.items():
        model, training = stage["config"]["model"], stage["training"]
        size = f"{stage['parameters']:,} parameters, {stage['bytes'] / 1e6:.2f} MB in {about['precision']}"
        heads = f"{model['heads']} heads of {model['head_width']}"
        shape = f"{model['layers']} layers, width {model['width']}, {heads}"
        lines.append([f"{name}: size", f"{size}; {shape}"])
        cost = f"{training['seconds'] / 60:.0f} min on {training['device']}"
        events = f"{training['steps']:,} steps of {training['tokens'] // training['steps']:,} events"
        best = f"the best validation was at step {stage['step']:,}"
        lines.append([f"{name}: training", f"{cost}; {events}; {best}"])
    lines.append(["meters it has seen, in songs", _counts(about["seen"]["meters"])])
    lines.append(["keys of its songs", _counts(about["seen"]["keys"])])
    shared = data["leakage"]["melody"]["test"]["share"]
    lines.append(["test melodies' 14-interval shingles seen in training", f"{shared:.2%}"])
    return table(lines)


def _measured(results: Mapping[str, Any]) -> Iterator[str]:
    music = results["music"]
    settings, asked = music["settings"], results["pieces"]["asked"]
    yield "## Targets\n\n" + table([["target", "to reach", "reached", ""], *target_lines(results)])
    prediction = table(list(_prediction(results["prediction"])))
    yield (
        "## Prediction\n\nNats per event; every song of a split once. `as last time` expects what followed "
        f"last time in the song.\n\n{prediction}"
    )
    options = ", ".join(f"{name} {value}" for name, value in asked.items())
    yield (
        f"## Pieces\n\n{results['pieces']['pieces']} pieces, unselected ({options}), in windows of "
        f"{settings['bars']} bars of {settings['meter']}, beside {music['sets']['reference']['used']} test "
        "songs; 95 % intervals. Closest to real music is best.\n\n"
        f"{table(structure_lines(music))}\n\n{table(theory_lines(music))}"
    )
    yield (
        "## Copying\n\nLongest passage, in any key, that a piece shares with the training songs, in windows "
        "of the same length; share: how much of a piece lies within shared passages of 9 or more.\n\n"
        f"{table(copying_lines(music['copying']))}"
    )


def _prediction(prediction: Mapping[str, Any]) -> Iterator[list[str]]:
    yield ["stage", "split", "", "NLL", "perplexity", "accuracy", "chord / pitch accuracy"]
    for stage in ("backbone", "melody"):
        for split, stages in prediction.items():
            for name, row in stages.get(stage, {}).items():
                if name == "songs":
                    continue
                detail = row.get("chord_accuracy", row.get("pitch_accuracy", math.nan))
                figures = [f"{row['nll']:.3f}", f"{math.exp(row['nll']):.3g}", f"{row['accuracy']:.3f}"]
                yield [stage, f"{split}, {stages[stage]['songs']} songs", name, *figures, f"{detail:.3f}"]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def table(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; its first line is the head."""
    width = max(map(len, lines))
    rows = [[*line, *[""] * (width - len(line))] for line in lines]
    rule = ["---"] * width
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))
