"""A prepared data set for people: as text, and as one web page that loads nothing."""

from __future__ import annotations

import statistics
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from hrpe_jax.codec.vocabulary import STAGES
from hrpe_jax.data.shards import SPLITS
from hrpe_jax.report.describe import Counts, Shelf, Song
from hrpe_jax.report.svg import STYLE, roll_of
from hrpe_jax.score.score import Score, bar_spans
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.function import roman_numeral
from hrpe_jax.theory.pitch import midi_name

WIDTH = 100
_BAR_WIDTH = 30
Table = tuple[str, list[tuple[str, float, str]]]
"""A heading, and rows of a name, a number that a bar shows, and what stands behind it."""


def plain(text: str) -> str:
    """Text without what could move a terminal's cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def number(value: float) -> str:
    """A number of beats: 1, .5, 2.33."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return text.removeprefix("0") if text.startswith("0.") else text


# --- a song ------------------------------------------------------------------------------------------------


def heading(song: Song, score: Score) -> list[str]:
    """What is known of a song as a whole, in a few lines."""
    about, listed = song.about, song.listed
    title = f" “{plain(score.title)}”" if score.title and score.title != song.id else ""
    origin = [
        about.get("source") or listed.get("format") or "",
        f"file {listed['file']}" if "file" in listed else "",
    ]
    origin += [
        f"split {song.split}" if song.split else "",
        f"group {listed['group']}" if "group" in listed else "",
    ]
    counts = [f"{len(bar_spans(score))} bars"]
    if "backbone" in song.records:
        counts.append(f"{sum(not span.chord.is_none for span in score.chords)} chords")
    if score.melody:
        low, high = (f(note.pitch for note in score.melody) for f in (min, max))
        names = (midi_name(pitch, score.key.fifths) for pitch in (low, high))
        counts.append(f"{len(score.melody)} notes {'-'.join(names)}")
    counts += [f"{song.listed[stage]} {stage} tokens" for stage in STAGES if stage in song.listed]
    tempo = f"{score.tempo_bpm:.4g} quarters a minute" if "melody" in song.records else "tempo not stored"
    lines = [
        plain(song.id) + title,
        plain(", ".join(filter(None, origin))),
        f"{score.key}, {score.meter}, {tempo}; {', '.join(counts)}",
    ]
    if about.get("found"):
        lines.append("found by analysis: " + ", ".join(about["found"]))
    if about.get("warnings"):
        lines.append("warnings: " + ", ".join(about["warnings"]))
    if about.get("quantization_error") is not None:
        lines.append(
            f"notes were moved by {about['quantization_error']:.2f} ticks on average (12 a quarter note)"
        )
    if len(about.get("keys") or ()) > 1:
        lines.append("keys: " + ", ".join(f"{key} from {_place(score, tick)}" for tick, key in about["keys"]))
    return [line for line in lines if line]


def _place(score: Score, tick: int) -> str:
    for at, (start, length) in enumerate(bar_spans(score), 1):
        if start <= tick < start + length:
            beat = 1 + (tick - start) / score.meter.beat_ticks
            return f"bar {at}" + (f" beat {number(beat)}" if beat > 1 else "")
    return f"tick {tick}"


def show_song(song: Song, width: int = WIDTH) -> str:
    """A song bar by bar: chords at their beats, notes at theirs with their length in beats."""
    score = song.score()
    lines = [*heading(song, score), ""]
    spans = bar_spans(score)
    digits = len(str(len(spans)))
    for at, (start, length) in enumerate(spans, 1):
        parts = []
        if "backbone" in song.records:
            parts.append(("chords", _chords(score, start, start + length)))
        if "melody" in song.records:
            parts.append(("melody", _notes(score, start, start + length)))
        full = score.meter.bar_ticks
        if length < full:
            beats = (number(ticks / score.meter.beat_ticks) for ticks in (length, full))
            parts.insert(0, ("", ["short bar: {} of {} beats".format(*beats)]))
        for first, (name, items) in enumerate(parts):
            head = f"{at if not first else '':>{digits}}  {name:6}  "
            glued = [item.replace(" ", "\0") for item in items]  # a chord and its beat stay on one line
            wrapped = textwrap.wrap("   ".join(glued), max(20, width - len(head))) or ["-"]
            lines += [
                (head if not n else " " * len(head)) + text.replace("\0", " ")
                for n, text in enumerate(wrapped)
            ]
    return "\n".join(lines)


def _chords(score: Score, start: int, stop: int) -> list[str]:
    items = []
    for span in score.chords:
        if span.onset < stop and span.end > start:
            beat = number(1 + max(0, span.onset - start) / score.meter.beat_ticks)
            name = to_lead_sheet(span.chord, score.key)
            if span.onset < start:
                items.append(f"{beat} ({name})")
            elif span.chord.is_none:
                items.append(f"{beat} {name}")
            else:
                items.append(f"{beat} {name} {roman_numeral(span.chord, score.key)}")
    return items


def _notes(score: Score, start: int, stop: int) -> list[str]:
    items = []
    for note in score.melody:
        name = midi_name(note.pitch, score.key.fifths)
        if start <= note.onset < stop:
            beat, beats = ((note.onset - start), note.duration)
            where, long = number(1 + beat / score.meter.beat_ticks), number(beats / score.meter.beat_ticks)
            items.append(f"{where} {name} ({long})")
        elif note.onset < start < note.end:
            items.append(f"1 ~{name}")
    return items


# --- a data set --------------------------------------------------------------------------------------------


def tables(shelf: Shelf, counts: Counts) -> list[Table]:
    """Everything that is counted, as tables with bars."""
    found: list[Table] = []
    if shelf.dataset is not None:
        about = shelf.dataset.manifest["counts"]
        rows = []
        for stage in STAGES:
            for split in SPLITS:
                songs = shelf.dataset.num_songs(split, stage)
                tokens = about.get("tokens", {}).get(stage, {}).get(split, 0)
                rows.append((f"{stage} {split}", float(songs), f"{songs} songs, {tokens} tokens"))
        found.append(("Songs by stage and split", rows))
    found += [
        ("Songs by style", _of(counts.styles, counts.songs)),
        ("Songs by format", _of(counts.formats, counts.songs)),
        ("Songs by stage", _of(counts.stages, counts.songs)),
        ("Keys", _of(counts.keys, counts.songs, 24)),
        ("Meters", _of(counts.meters, counts.songs)),
        ("Chord qualities", _of(counts.qualities, sum(counts.qualities.values()), 32)),
        ("Chord durations in beats", _of(_durations(counts.chord_beats), len(counts.chord_beats))),
        ("Song lengths in bars", _histogram(counts.bars)),
        *((f"Song lengths in {stage} tokens", _histogram(counts.tokens[stage])) for stage in STAGES),
        ("Tempo in quarters a minute", _histogram(counts.tempos)),
        ("Melody pitches", _octaves(counts.pitches)),
        ("Found by analysis", _of(counts.found, counts.songs)),
        ("Warnings", _of(counts.warnings, counts.songs)),
    ]
    if shelf.dataset is not None:
        manifest = shelf.dataset.manifest
        rejects = shelf.rejects()
        reasons = Counter(line.get("reason", "") for line in rejects)
        found.append(("Left out, by reason (rejects.jsonl)", _of(reasons, len(rejects), 30)))
        found.append(("Leakage: share of a split's patterns that are in train", _leakage(manifest)))
        sizes = manifest.get("groups", {}).get("sizes", {})
        found.append(("Groups of versions of one song, by size", _of(Counter(sizes), sum(sizes.values()))))
    return [(name, rows) for name, rows in found if rows]


def _of(counts: Mapping[str, int], total: int, most: int = 15) -> list[tuple[str, float, str]]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(name, float(n), f"{n} ({100 * n / max(1, total):.1f} %)") for name, n in ordered[:most]]
    if rest := sum(n for _, n in ordered[most:]):
        rows.append((f"{len(ordered) - most} others", float(rest), f"{rest}"))
    return rows


def _durations(beats: Sequence[float]) -> dict[str, int]:
    return Counter(number(value) if value <= 16 else "more than 16" for value in beats)


def _histogram(values: Sequence[float], bins: int = 8) -> list[tuple[str, float, str]]:
    """Counts in classes of equal width, with the median and the extremes in the first row."""
    if not values:
        return []
    low, high = min(values), max(values)
    rows = [("range", 0.0, f"{low:.4g} to {high:.4g}, median {statistics.median(values):.4g}")]
    step = _round_up((high - low) / bins) or 1.0
    first = low // step
    classes = Counter(int(value // step - first) for value in values)
    for at in range(max(classes) + 1):
        begin = (first + at) * step
        end = begin + step - isinstance(low, int)  # the last whole number that belongs here
        rows.append((f"{begin:g}-{end:g}", float(classes[at]), str(classes[at])))
    return rows


def _round_up(width: float) -> float:
    """The next of 1, 2, 5, 10, 20 ..."""
    step = 1.0
    while step < width:
        step *= 2.5 if str(step)[0] == "2" else 2
    return step


def _octaves(pitches: Sequence[int]) -> list[tuple[str, float, str]]:
    octaves = Counter(pitch // 12 for pitch in pitches)
    total = max(1, len(pitches))
    return [
        (f"C{at - 1}-B{at - 1}", float(octaves[at]), f"{octaves[at]} ({100 * octaves[at] / total:.1f} %)")
        for at in sorted(octaves)
    ]


def _leakage(manifest: Mapping[str, object]) -> list[tuple[str, float, str]]:
    report = manifest.get("leakage")
    rows = []
    for what, part in report.items() if isinstance(report, dict) else ():
        for split in SPLITS:
            if isinstance(part, dict) and isinstance(part.get(split), dict):
                about = part[split]
                share, of = about.get("share") or 0.0, about.get("shingles", 0)
                text = f"{100 * share:.2f} % of {of}" + "".join(
                    f", most in {worst['id']}: {100 * worst['share']:.1f} %"
                    for worst in about.get("worst", [])[:1]
                )
                rows.append((f"{what} {split}", float(share), plain(text)))
    return rows


def facts(shelf: Shelf, counts: Counts) -> list[str]:
    """The summary's first lines."""
    lines = []
    if len(shelf) > counts.songs:
        lines.append(f"{len(shelf)} songs; what follows was counted over {counts.songs} of them (--sample)")
    else:
        lines.append(f"{len(shelf)} songs, {sum(counts.bars)} bars, {len(counts.chord_beats)} chords")
    if shelf.dataset is not None:
        manifest = shelf.dataset.manifest
        origin = manifest.get("origin", {})
        lines.append(
            f"formats {', '.join(origin.get('formats', [])) or '?'}; split by {origin.get('splits', '?')}"
        )
        files = manifest["counts"].get("files", {})
        if files:
            lines.append("files: " + ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in files.items()))
    if counts.modulating:
        lines.append(f"{counts.modulating} songs change key")
    return lines


def show_summary(shelf: Shelf, counts: Counts) -> str:
    """All tables, with bars."""
    lines = [plain(str(shelf.path)), *map(plain, facts(shelf, counts))]
    block = "█" if "utf" in (sys.stdout.encoding or "").lower() else "#"
    for name, rows in tables(shelf, counts):
        most = max(value for _, value, _ in rows)
        most = max(most, 1.0) if "share" in name else most  # a share's bar is full at 100 %
        wide = min(30, max(len(plain(label)) for label, _, _ in rows))
        lines += ["", name]
        for label, value, text in rows:
            bar = block * (max(1, round(_BAR_WIDTH * value / most)) if value > 0 else 0)
            lines.append(f"  {plain(label):{wide}}  {bar}{' ' if bar else ''}{text}")
    return "\n".join(lines)


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
