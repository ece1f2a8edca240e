"""A data set as one web page that loads nothing: piano rolls under chord names, and the counts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hrpe_jax.report.dataset_songs import Song
from hrpe_jax.report.dataset_text import Table, heading, plain
from hrpe_jax.report.svg import STYLE, roll_of

_STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf7;--ink:#22252b;--soft:#6b7280;--line:#d9d6cf;--row:#f0eee8;
--note:#2f6f9f;--chord:#8a3b12;--bar:#9fb8c9}
@media(prefers-color-scheme:dark){:root{--paper:#16181c;--ink:#e6e3dc;--soft:#9aa0aa;--line:#3a3e46;--row:#1d2025;
--note:#6fb3e0;--chord:#e8a477;--bar:#38566b}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:70rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.1rem;margin:1.6rem 0 .2rem}
h3{font-size:1rem;margin:1rem 0 .3rem}
p{margin:.1rem 0;color:var(--soft)}
.roll{overflow-x:auto;border:1px solid var(--line);border-radius:6px;margin-top:.4rem}
.tables{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:0 1.5rem}
table{width:100%;border-collapse:collapse;font-size:.85rem}td{padding:.1rem .3rem;vertical-align:top}
td:first-child{white-space:nowrap;max-width:10rem;overflow:hidden;text-overflow:ellipsis}td:nth-child(2){width:35%}
.fill{background:var(--bar);height:.9rem;margin-top:.25rem;border-radius:2px}
"""


def page(name: str, facts: Sequence[str], tables: Sequence[Table], songs: Sequence[Song]) -> str:
    """The whole page.

    Args:
        name: of the data set.
        facts: the first lines.
        tables: the counts.
        songs: those to draw.
    """
    rules = "default-src 'none'; style-src 'unsafe-inline'"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_safe(name)}</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{rules}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{_STYLE}{STYLE}</style></head><body><h1>{_safe(name)}</h1>",
        *(f"<p>{_safe(fact)}</p>" for fact in facts),
        *map(_song, songs),
        '<h2>Counts</h2><div class="tables">',
        *(_table(*table) for table in tables),
        "</div></body></html>\n",
    ]
    return "\n".join(parts)


def _safe(text: str) -> str:
    return escape(plain(text))


def _song(song: Song) -> str:
    score = song.score()
    first, *lines = heading(song, score)
    about = "".join(f"<p>{_safe(line)}</p>" for line in lines)
    roll = roll_of(score)
    return f'<section><h2>{_safe(first)}</h2>{about}<div class="roll" tabindex="0">{roll}</div></section>'


def _table(name: str, rows: list[tuple[str, float, str]]) -> str:
    most = max(value for _, value, _ in rows)
    most = max(most, 1.0) if "share" in name else most
    lines = []
    for label, value, text in rows:
        fill = f'<div class="fill" style="width:{100 * value / most:.1f}%"></div>' if value > 0 else ""
        lines.append(f"<tr><td>{_safe(label)}</td><td>{fill}</td><td>{_safe(text)}</td></tr>")
    return f"<div><h3>{_safe(name)}</h3><table>{''.join(lines)}</table></div>"
