"""How well a model predicts songs, for a page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from hrpe_jax.report.figures import figure
from hrpe_jax.report.tables import model_lines, model_rows

_WHAT = {
    "backbone": "Chord events and the end of the song; root and chord: where the chord changes.",
    "melody": "Events of the melody; pitch: where a note begins. The counts do not see the chords.",
}


def predictions(stages: Mapping[str, Any], split: str) -> str:
    """The section of a report: a table for each stage, the model beside tables of counts."""
    parts = []
    for stage, found in stages.items():
        head, *lines = model_lines(stage, model_rows(found))
        titles = "".join(f"<th>{escape(cell)}</th>" for cell in ("", *head[1:]))
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>"
            for line in lines
            if any(cell != "-" for cell in line[1:])
        )
        table = f'<div class="wide"><table><tr>{titles}</tr>{rows}</table></div>'
        caption = (
            f"{found['songs']} songs of the {split} split, every song once, as written. nll: nats an event, "
            f"lower is better; accuracy, top 3, top 5: shares. {_WHAT[stage]}"
        )
        parts.append(figure(table, caption, stage))
    return (
        "<h2>Predictions</h2><p>What comes next in real songs, said by the model and by tables of counts on "
        "the same tokens: a Kneser-Ney 5-gram of the training songs, and (as last time) what followed the "
        "last time in the song itself, with the 5-gram for the rest.</p>"
        f'<div class="grid">{"".join(parts)}</div>'
    )
