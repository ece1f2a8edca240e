"""A comparison as one web page that loads nothing: numbers, figures, and pieces to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from hrpe_jax.report import sections
from hrpe_jax.report.copied import copied
from hrpe_jax.report.style import STYLE
from hrpe_jax.score.score import Score

_RULES = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(
    comparison: Mapping[str, Any],
    about: Mapping[str, Mapping[str, Any]],
    pieces: Mapping[str, Sequence[Score]],
    show_pieces: bool = True,
) -> str:
    """The whole page.

    Args:
        comparison: what `metrics.compare.Comparison.to_dict` gives.
        about: "generated" and "reference": counts, see `collect.Collection.about`.
        pieces: "generated" and "reference": the scores themselves.
        show_pieces: draw the nearest, the median and the furthest piece; music under copyright is better not
            drawn.
    """
    settings = comparison["settings"]
    generated, reference = about["generated"]["name"], about["reference"]["name"]
    used = {name: comparison["sets"][name]["used"] for name in ("generated", "reference")}
    n = f"{used['generated']} generated and {used['reference']} real pieces"
    grid = f"windows of {settings['bars']} bars in {settings['meter']}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(generated)} against {escape(reference)}</title>",
        f'<meta http-equiv="Content-Security-Policy" content="{_RULES}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{STYLE}</style></head><body><main>",
        f"<h1>{escape(generated)} against {escape(reference)}</h1>",
        f'<p>{n}, {grid}. Closest to <span class="key reference">real music</span> is best; nothing here is '
        'better when higher. <span class="key generated">generated</span> is what is judged; the other '
        "colours are controls: music of which one knows how much structure it has.</p>",
        sections.sources(comparison, about),
        sections.structure(comparison),
        sections.pictures(comparison),
        sections.values(comparison),
        sections.distributions(comparison),
        sections.ingredients(pieces),
        copied(comparison),
        sections.examples(comparison, pieces["generated"]) if show_pieces else "",
        sections.definitions(comparison),
        "</main></body></html>\n",
    ]
    return "\n".join(part for part in parts if part)
