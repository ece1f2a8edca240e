"""How good are chords under a given melody, and bars that are written anew? One command a table.

    python -m experiments.posterior.run harmonize --data=DATA --style=pop --songs=12 --output=pop.json
    python -m experiments.posterior.run fill --data=DATA --style=pop --songs=12 --output=fill.json
    python -m experiments.posterior.run speed --data=DATA

--data is a prepared data set with styles. Songs are taken evenly from the split, the first --bars bars from
the one in which the melody begins, where those bars are regular; their form is not told. Tables are printed
in Markdown and kept in --output, song by song.

Rows of `harmonize`, each against the song's own chords, beat by beat (root; root and third):
    tonic        the tonic chord throughout
    counts       `analysis.harmonize`: a hidden Markov model over counts, its likeliest path
    smoothed     the same model over the evidence of both experts, the likeliest chord of every beat
    prior        the filters without the melody
    no_look      the filters without looking ahead
    draw         one draw of the filters
    safe         the first answer of `Composer.harmonize`
    votes        the likeliest label of every beat, which need not be a playable answer
`votes` are also given for other shares of the hidden Markov model in them.

Columns of `fill`: bars 9 to 12 of the excerpt, or 5 to 8 of a short one; the log likelihood of the two bars
behind, less that of the bars that stand there: of one candidate (mean of all), of the one drawn by weight, of
the four first, and of the best. `distinct` is the share of different runs of four notes among these four, and
`distinct_single` among four single draws.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.errors import UserError
from hrpe_jax.score.form import crop_form
from hrpe_jax.score.score import ChordSpan, Score, bar_spans
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import replace_file

SHARES = (0.0, 0.25, 0.5)
"""Shares of the hidden Markov model in the votes that are tried."""


def main(args: argparse.Namespace) -> None:
    """Measures, prints the table, and writes the figures."""
    from hrpe_jax.composer import Composer

    composer = Composer.load(args.model)
    songs = list(excerpts(args.data, args.split, args.style, args.songs, args.bars))
    if not songs:
        raise UserError(f"--style: no song of {args.style!r} in the {args.split} split of {args.data}")
    if args.table == "speed":
        print(json.dumps(speeds(composer, songs[0], args.style)))
        return
    measure = harmonized if args.table == "harmonize" else filled
    rows = []
    for number, score in enumerate(songs):
        row = measure(composer, score, args.style, number)
        if row:
            rows.append({"song": score.id, **row})
            if args.output:
                about = {"table": args.table, "style": args.style, "split": args.split, "bars": args.bars}
                replace_file(Path(args.output), (json.dumps({**about, "rows": rows}) + "\n").encode())
            print(f"{number + 1} of {len(songs)}: {score.id}", file=sys.stderr)
    show(rows)


def excerpts(data: str, split: str, style: str, count: int, bars: int) -> Iterator[Score]:
    """Songs of a style with melody and chords, evenly from a split, cut to their first regular bars."""
    from hrpe_jax.data.shards import open_dataset
    from hrpe_jax.report.collect import score_of

    dataset = open_dataset(data)
    stored = {stage: iter(dataset.records(stage, split)) for stage in ("backbone", "melody")}
    found = []
    for song in dataset.songs(split):
        records = {stage: next(own) for stage, own in stored.items() if stage in song}
        if song.get("style") == style and len(records) == 2:
            excerpt = first_bars_of(score_of(records), bars)
            if excerpt is not None:
                found.append(excerpt)
    places = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return (found[place] for place in places)


def first_bars_of(score: Score, bars: int) -> Score | None:
    """The first bars from the one in which the melody begins; None where they are few, short or bare."""
    if not score.melody or not score.chords:
        return None
    spans, full = bar_spans(score), score.meter.bar_ticks
    first = max(number for number, (start, _) in enumerate(spans) if start <= score.melody[0].onset)
    first += spans[first][1] < full and first == 0
    last = min(first + bars, len(spans))
    if last - first < min(bars, 12) or any(length != full for _, length in spans[first:last]):
        return None
    begin, end = spans[first][0], sum(spans[last - 1])
    melody = tuple(
        replace(note, onset=note.onset - begin, duration=min(note.end, end) - note.onset)
        for note in score.melody
        if begin <= note.onset < end
    )
    chords = tuple(
        ChordSpan(max(span.onset, begin) - begin, min(span.end, end) - max(span.onset, begin), span.chord)
        for span in score.chords
        if span.end > begin and span.onset < end
    )
    if len(melody) < 2 * (last - first) or all(span.chord.is_none for span in chords):
        return None
    form = crop_form(score.form, first, last - first)
    return replace(score, melody=melody, chords=chords, bar_resets=(), form=form)


def harmonized(composer: Any, song: Score, style: str, seed: int) -> dict[str, Any]:
    """Accuracies of every row on one song, `[root, root and third]` each."""
    from hrpe_jax.analysis.harmonize import find_melody_chords
    from hrpe_jax.codec.backbone import harmony_of_beats
    from hrpe_jax.sampling import harmonize as chords_of
    from hrpe_jax.sampling.chord_evidence import CLASS_OF, find_evidence, smoothed

    grid, own = harmony_of_beats(song)
    wanted = chords_of.LABEL_OF[CLASS_OF[own]]
    beats = len(own)
    bare = replace(song, chords=(), form=())
    # A melody that ends early has fewer bars: chords keep them.
    bare = replace(bare, chords=(ChordSpan(0, int(grid.ticks[-1]), song.chords[0].chord),))
    locks = np.full(beats, -1)
    model = composer.model

    def accuracy(labels: np.ndarray) -> list[float]:
        known = wanted < chords_of.LABELS - 1
        labels = labels[:beats]
        root = (labels // 2 == wanted // 2)[known].mean()
        return [float(root), float((labels == wanted)[known].mean())]

    def found(**changed: Any) -> Any:
        listens = changed.pop("listens", True)
        request = chords_of.ChordRequest(
            score=bare, locks=locks, begin=0, end=beats, stop=beats, style=style, seed=seed, listens=listens
        )  # fmt: skip
        return chords_of.find_chords(model, request, chords_of.Settings(**changed))

    path = harmony_of_beats(replace(bare, chords=find_melody_chords(replace(bare, chords=()))))[1]
    counted = np.full(beats, chords_of.LABELS - 1)
    counted[: len(path)] = chords_of.labels_of(path)[:beats]
    rows = {
        "tonic": accuracy(np.full(beats, 2 * song.key.tonic + (song.key.mode == "minor"))),
        "counts": accuracy(counted),
    }
    marginal = np.zeros((beats, chords_of.LABELS))
    for number, each in enumerate(smoothed(find_evidence(model, bare, style)).T):
        marginal[:, chords_of.LABEL_OF[number]] += each
    rows["smoothed"] = accuracy(_likeliest(marginal))
    rows["prior"] = _expected(found(listens=False, model_votes=0.0), accuracy, chords_of)
    rows["no_look"] = _expected(found(looks_ahead=False, model_votes=0.0), accuracy, chords_of)
    began = time.process_time()
    answers = found()
    seconds = time.process_time() - began
    rows["draw"] = _expected(answers, accuracy, chords_of)
    for share in SHARES:
        votes = (1 - share) * answers.votes + share * marginal
        rows[f"votes {share:g}"] = accuracy(_likeliest(votes))
    rows["safe"] = accuracy(chords_of.labels_of(answers.answers[0].harmony))
    return {"accuracy": rows, "effective": answers.effective, "cpu_seconds": seconds}


def _likeliest(votes: np.ndarray) -> np.ndarray:
    """The likeliest root of each beat, and the likelier third over it: labels."""
    roots = votes[:, :-1].reshape(len(votes), 12, 2)
    root = roots.sum(axis=2).argmax(axis=1)
    third = roots[np.arange(len(votes)), root].argmax(axis=1)
    return np.asarray(2 * root + third)


def _expected(answers: Any, accuracy: Any, chords_of: Any) -> list[float]:
    """The mean accuracy of the drawn answers but the safe one."""
    drawn = [accuracy(chords_of.labels_of(each.harmony)) for each in answers.answers[1:9]]
    return np.mean(drawn or [accuracy(chords_of.labels_of(answers.answers[0].harmony))], axis=0).tolist()


def filled(composer: Any, song: Score, style: str, seed: int) -> dict[str, Any]:
    """The likelihood of what follows a gap, in nats, less that of the song's own bars."""
    from hrpe_jax.sampling import fill as gaps
    from hrpe_jax.sampling.spans import read_bars

    bars = len(song.bar_starts())
    span = read_bars(song, (9, 12) if bars >= 14 else (5, 8))[0]
    if len(gaps.notes_in(song, span)) < 4 or bars < span.last + gaps.BARS_BEHIND:
        return {}
    request = gaps.FillRequest(score=song, span=span, style=style, seed=seed)
    began = time.process_time()
    found = gaps.fill(composer.model, request)
    seconds = time.process_time() - began
    own = gaps.weight_of_own(composer.model, request)
    weights = np.array([each.log_likelihood for each in found])
    runs = [_runs([note.pitch for note in each.notes]) for each in found]

    def distinct(parts: Sequence[list[tuple[int, ...]]]) -> float:
        joined = [run for part in parts for run in part]
        return len(set(joined)) / max(1, len(joined))

    rng = np.random.default_rng(seed)
    some = rng.permutation(len(found))[:4]
    return {
        "single": float(weights.mean() - own),
        "drawn": float(weights[0] - own),
        "four": float(weights[:4].mean() - own),
        "best": float(weights.max() - own),
        "distinct": distinct(runs[:4]),
        "distinct_single": distinct([runs[place] for place in some]),
        "candidates": len(found),
        "cpu_seconds": seconds,
    }


def _runs(pitches: list[int]) -> list[tuple[int, ...]]:
    return [tuple(pitches[place : place + 4]) for place in range(len(pitches) - 3)]


def speeds(composer: Any, song: Score, style: str) -> dict[str, Any]:
    """Seconds of four suggestions for four bars and of harmonising the excerpt: first call, and warm."""
    made: dict[str, Any] = {"bars": len(song.bar_starts())}
    for name, call in (
        ("suggest", lambda seed: composer.suggest(song, (5, 8), style=style, seed=seed)),
        ("harmonize", lambda seed: composer.harmonize(song, 3, style=style, seed=seed)),
    ):
        for number, kind in enumerate(("first", "warm", "warm_again")):
            began, busy = time.perf_counter(), time.process_time()
            call(number)
            made[f"{name}_{kind}"] = {
                "seconds": round(time.perf_counter() - began, 2),
                "cpu_seconds": round(time.process_time() - busy, 2),
            }
    return made


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Prints the means over songs as a Markdown table."""
    if not rows:
        raise UserError("no song has such a gap; give longer excerpts with --bars")
    if "accuracy" in rows[0]:
        print("| row | root | root and third |\n|---|---|---|")
        for name in rows[0]["accuracy"]:
            root, both = np.mean([row["accuracy"][name] for row in rows], axis=0)
            print(f"| {name} | {root:.3f} | {both:.3f} |")
    names = [name for name, value in rows[0].items() if isinstance(value, (int, float))]
    print("\n| " + " | ".join(["songs", *names]) + " |\n|" + "---|" * (len(names) + 1))
    means = [f"{np.mean([row[name] for row in rows]):.3f}" for name in names]
    print("| " + " | ".join([str(len(rows)), *means]) + " |")


def parser() -> argparse.ArgumentParser:
    """The options of this command."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = options.add_argument
    add("--debug", action="store_true", help="show the traceback of an error")
    add("table", choices=("harmonize", "fill", "speed"), help="what is measured")
    add("--data", type=cli.path, required=True, metavar="DIR", help="prepared data set with styles")
    add("--model", type=cli.path, default="pretrained", metavar="DIR", help="model (default: the package's)")
    add("--split", default="valid", metavar="NAME", help="valid or test")
    add("--style", default="pop", metavar="NAME", help="whose songs")
    add("--songs", type=int, default=12, metavar="N", help="how many")
    add("--bars", type=int, default=16, metavar="N", help="of each")
    add("--output", type=cli.path, metavar="FILE", help="figures as JSON")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
