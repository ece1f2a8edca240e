"""A comparison as one web page that loads nothing: numbers, figures, and pieces to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from hrpe_jax.report import sections
from hrpe_jax.report.checks import fault_section, foreign_section, two_sample_section
from hrpe_jax.report.svg import STYLE
from hrpe_jax.report.tables import copied, meter_of, predictions
from hrpe_jax.score.score import Score

SETS = ("varied", "shuffled", "random", "loop", "silence", "transposed")

_LIGHT = {
    "paper": "#fbfaf7", "ink": "#22252b", "soft": "#6b7280", "line": "#d9d6cf", "row": "#f0eee8",
    "note": "#2f6f9f", "chord": "#8a3b12", "generated": "#1f6fb2", "reference": "#b4460f", "card": "#ffffff",
    "varied": "#3b8a6e", "shuffled": "#7b5fb0", "random": "#b0568a", "loop": "#8f7a16", "silence": "#7b7f86",
    "transposed": "#4f8fa6",
}  # fmt: skip
_DARK = {
    "paper": "#16181c", "ink": "#e6e3dc", "soft": "#9aa0aa", "line": "#3a3e46", "row": "#1d2025",
    "note": "#6fb3e0", "chord": "#e8a477", "generated": "#6fb3e8", "reference": "#f0945c", "card": "#1c1f24",
    "varied": "#6cc3a4", "shuffled": "#b39be6", "random": "#e08fbd", "loop": "#cdb84e", "silence": "#9da1a8",
    "transposed": "#84c2d8",
}  # fmt: skip


def _colours(values: dict[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in values.items())


def _of_sets() -> str:
    kinds = {"generated": "generated", "reference": "reference", **{f"c-{name}": name for name in SETS}}
    return "".join(f".{kind}{{--c:var(--{name})}}" for kind, name in kinds.items())


STYLE = (
    f":root{{color-scheme:light dark;{_colours(_LIGHT)}}}\n"
    f"@media(prefers-color-scheme:dark){{:root{{{_colours(_DARK)}}}}}\n"
    f"{STYLE}{_of_sets()}"
    """
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:76rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:.2rem 0}
h2{font-size:1.15rem;margin:2rem 0 .3rem;border-bottom:1px solid var(--line)}
h3{font-size:.95rem;margin:.2rem 0}p{margin:.3rem 0;max-width:60rem}
.soft,figcaption{color:var(--soft);font-size:.82rem}
figure{margin:.6rem 0;background:var(--card);border:1px solid var(--line);border-radius:6px;
padding:.6rem .7rem}
figure svg{max-width:100%;height:auto}figcaption{margin-top:.4rem;max-width:60rem;contain:inline-size}
.grid{display:flex;flex-wrap:wrap;gap:.7rem}.grid figure{margin:0}.grid h3{contain:inline-size}
.roll{overflow-x:auto}.roll svg{max-width:none}
img{image-rendering:pixelated;border:1px solid var(--line);display:block}
@media(prefers-color-scheme:dark){img{filter:brightness(1.9)}}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.84rem;font-variant-numeric:tabular-nums}
th,td{padding:.18rem .55rem;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;white-space:nowrap}th:first-child,td:first-child{text-align:left}
td:first-child{min-width:8rem;overflow-wrap:break-word}
td small{color:var(--soft);white-space:nowrap}td.why{text-align:left;color:var(--soft)}
tr.plain td:first-child{color:var(--soft)}
td.generated,th.generated{color:var(--generated)}td.reference,th.reference{color:var(--reference)}
svg .name{fill:var(--c);font-weight:600}.curve{fill:none;stroke:var(--c);stroke-width:1.6}
.curve.generated,.curve.reference{stroke-width:2.4}.band{fill:var(--c);opacity:.16}
.box{fill:var(--c);fill-opacity:.35}.whisker{stroke:var(--c)}.median{stroke:var(--c);stroke-width:2.4}
.dot{fill:var(--c);opacity:.55}svg .fill{fill:var(--c);fill-opacity:.75}
.cell{fill:var(--note);stroke:var(--line);stroke-width:.5}.axis{stroke:var(--ink)}
.key{color:var(--c);font-weight:600}
details{margin:.4rem 0}summary{cursor:pointer}dl{margin:.3rem 0}dt{font-weight:600;margin-top:.5rem}
dd{margin:0 0 0 1rem;font-size:.86rem}
"""
)


_RULES = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(
    comparison: Mapping[str, Any],
    about: Mapping[str, Mapping[str, Any]],
    pieces: Mapping[str, Sequence[Score]],
    show_pieces: bool = True,
    *,
    title: str = "",
    stages: Mapping[str, Any] | None = None,
    split: str = "",
) -> str:
    """The whole page.

    Args:
        comparison: what `metrics.compare.Comparison.to_dict` gives, and under "faults" what
            `metrics.faults.FaultTable.to_dict` gives, under "classifier" what `metrics.two_sample` gives for
            each length; these may stand alone.
        about: "generated" and "reference": counts, see `collect.Collection.about`.
        pieces: "generated" and "reference": the scores themselves.
        show_pieces: draw the nearest, the median and the furthest piece; music under copyright is better not
            drawn.
        title: of the page; "" names both sets.
        stages: of a model that composed the pieces, its figures by stage beside those of counts.
        split: that those were measured on.
    """
    generated, reference = about["generated"]["name"], about["reference"]["name"]
    title = title or f"{generated} against {reference}"
    tunes = [
        foreign_section(comparison.get("foreign_chords", {})),
        fault_section(comparison["faults"]) if "faults" in comparison else "",
        two_sample_section(comparison["classifier"]) if "classifier" in comparison else "",
    ]
    if "metrics" not in comparison:
        return _framed(title, [predictions(stages, split) if stages else "", *tunes])
    settings = comparison["settings"]
    used = {name: comparison["sets"][name]["used"] for name in ("generated", "reference")}
    n = f"{used['generated']} generated and {used['reference']} real pieces"
    grid = f"windows of {settings['bars']} bars in {meter_of(comparison)}"
    parts = [
        f'<p>{n}, {grid}. Closest to <span class="key reference">real music</span> is best; nothing here is '
        'better when higher. <span class="key generated">generated</span> is what is evaluated; the other '
        "colours are controls: music of which one knows how much structure it has.</p>",
        predictions(stages, split) if stages else "",
        sections.sources(comparison, about),
        *tunes,
        sections.structure(comparison),
        sections.pictures(comparison),
        sections.values(comparison),
        sections.distributions(comparison),
        sections.ingredients(pieces),
        copied(comparison),
        sections.examples(comparison, pieces["generated"]) if show_pieces else "",
        sections.definitions(comparison),
    ]
    return _framed(title, parts)


def model_page(
    title: str, stages: Mapping[str, Any], split: str, foreign: Mapping[str, Any] | None = None
) -> str:
    """A page of predictions alone, of a model whose pieces are not evaluated.

    Args:
        title: of the page.
        stages: the model's figures by stage.
        split: that they were measured on.
        foreign: what `workflows.foreign_chords` found; None where it was not measured.
    """
    return _framed(title, [predictions(stages, split), foreign_section(foreign or {})])


def _framed(title: str, parts: Sequence[str]) -> str:
    head = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(title)}</title>",
        f'<meta http-equiv="Content-Security-Policy" content="{_RULES}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{STYLE}</style></head><body><main>",
        f"<h1>{escape(title)}</h1>",
    ]
    return "\n".join(part for part in (*head, *parts, "</main></body></html>\n") if part)
