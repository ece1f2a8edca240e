"""A comparison as one web page that loads nothing: numbers, figures, and pieces to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from hrpe_jax.report import sections
from hrpe_jax.report.copied import copied
from hrpe_jax.report.predictions import predictions
from hrpe_jax.report.rows import meter_of
from hrpe_jax.report.style import STYLE
from hrpe_jax.score.score import Score

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
        comparison: what `metrics.compare.Comparison.to_dict` gives.
        about: "generated" and "reference": counts, see `collect.Collection.about`.
        pieces: "generated" and "reference": the scores themselves.
        show_pieces: draw the nearest, the median and the furthest piece; music under copyright is better not
            drawn.
        title: of the page; "" names both sets.
        stages: of a model that composed the pieces, its figures by stage beside those of counts.
        split: that those were measured on.
    """
    settings = comparison["settings"]
    generated, reference = about["generated"]["name"], about["reference"]["name"]
    used = {name: comparison["sets"][name]["used"] for name in ("generated", "reference")}
    n = f"{used['generated']} generated and {used['reference']} real pieces"
    grid = f"windows of {settings['bars']} bars in {meter_of(comparison)}"
    parts = [
        f'<p>{n}, {grid}. Closest to <span class="key reference">real music</span> is best; nothing here is '
        'better when higher. <span class="key generated">generated</span> is what is judged; the other '
        "colours are controls: music of which one knows how much structure it has.</p>",
        predictions(stages, split) if stages else "",
        sections.sources(comparison, about),
        sections.structure(comparison),
        sections.pictures(comparison),
        sections.values(comparison),
        sections.distributions(comparison),
        sections.ingredients(pieces),
        copied(comparison),
        sections.examples(comparison, pieces["generated"]) if show_pieces else "",
        sections.definitions(comparison),
    ]
    return _framed(title or f"{generated} against {reference}", parts)


def model_page(title: str, stages: Mapping[str, Any], split: str) -> str:
    """A page of predictions alone, of a model whose pieces are not judged."""
    return _framed(title, [predictions(stages, split)])


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
