"""Pieces as files: MIDI, MusicXML, ABC, JSON with tokens and settings, sound, the page of the run; and as a
line of text."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hrpe_jax.arranging.arrange import arrange
from hrpe_jax.arranging.arrangement import Arrangement
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec import vocabulary
from hrpe_jax.errors import UserError
from hrpe_jax.formats.abc.write import write_abc
from hrpe_jax.formats.audio import audio_bytes, render, write_audio
from hrpe_jax.formats.charts.write import irealb_link
from hrpe_jax.formats.engrave import check_engrave, engrave, marks, write_pdf, write_svg
from hrpe_jax.formats.json import score_values
from hrpe_jax.formats.midi.write import midi_bytes
from hrpe_jax.formats.musicxml.write import write_musicxml
from hrpe_jax.formats.page import Choice, PagePiece, Sheet, build_page
from hrpe_jax.formats.page.html import MAX_BARS
from hrpe_jax.formats.write import write_score
from hrpe_jax.sampling.options import DEFAULT_OUTPUTS, LABELS, MAX_ON_PAGE, PAGE_FILE, Outputs
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.utils.files import check_output, unwritable

if TYPE_CHECKING:
    from hrpe_jax.sampling.compose import Piece
    from hrpe_jax.sampling.explain import ChordChoice


def page_of(pieces: Sequence[Piece], wanted: Outputs, choices: Sequence[Sequence[ChordChoice]] = ()) -> str:
    """The page as HTML text, of the first `MAX_ON_PAGE` pieces; `choices` as for `write_pieces`.

    Args:
        pieces: as composed.
        wanted: what the page shows.
        choices: the explained chords of each piece.
    """
    count = len(pieces)
    pieces = pieces[:MAX_ON_PAGE]
    told: list[Sequence[ChordChoice]] = list(choices) or [()] * len(pieces)
    shown = [
        _page_piece(piece, wanted, tuple(_choices(piece, about)), number)
        for number, (piece, about) in enumerate(zip(pieces, told, strict=True))
    ]
    title = f"{count} piece{'' if count == 1 else 's'} by hrpe_jax"
    return build_page(shown, title, count - len(pieces))


def arrangement_of(piece: Piece, wanted: Outputs) -> Arrangement:
    """What the band plays in a piece; other seeds and numbers of pieces play it another way."""
    seed = f"{piece.settings.get('seed', 0)} {piece.score.id}"
    return arrange(piece.score, replace(wanted.band, seed=zlib.crc32(seed.encode())))


def _page_piece(piece: Piece, wanted: Outputs, choices: tuple[Choice, ...], number: int) -> PagePiece:
    arrangement = arrangement_of(piece, wanted)
    files = [
        (LABELS.get(suffix, suffix.upper()), f"{piece.score.id}.{suffix}")
        for suffix in wanted.suffixes
        if suffix not in ("mid", "irealb")  # are in the page
    ]
    if "irealb" in wanted.suffixes:
        files.append((LABELS["irealb"], irealb_link(piece.score)))
    audio = ""
    if wanted.page_audio:
        sound = audio_bytes(render(piece.score, arrangement, wanted.soundfont), wanted.page_audio)
        kind = {"mp3": "mpeg", "opus": "ogg"}.get(wanted.page_audio, wanted.page_audio)
        audio = f"data:audio/{kind};base64,{base64.b64encode(sound).decode()}"
    sheet = _sheet(piece.score, wanted, number)
    return PagePiece(piece.score, tuple(files), choices, _about(piece), arrangement, audio, sheet)


def _sheet(score: Score, wanted: Outputs, number: int) -> Sheet | None:
    """The notes engraved, where the extra is there; a piece that nobody would read on a screen is not."""
    if len(score.bar_starts()) > MAX_BARS:
        return None
    try:
        check_engrave("svg")
    except UserError:
        return None
    prefix = f"p{number}-"
    printing = replace(wanted.printing, transpose="")  # what is heard
    found = marks(score, printing, prefix)
    (svg,) = engrave(score, printing, prefix=prefix)
    return Sheet(svg, tuple((mark.tick, mark.element, mark.measure) for mark in found))


def _choices(piece: Piece, about: Sequence[ChordChoice]) -> list[Choice]:
    """The explained events with their ticks."""
    if not about:
        return []
    events = np.array([t for t in piece.backbone_ids if tokens.KIND[t] == tokens.KIND_EVENT])[: len(about)]
    beats = np.cumsum(tokens.BEATS[events], dtype=np.int64) - tokens.BEATS[events]
    ticks = beats * piece.score.meter.beat_ticks
    return [
        Choice(
            int(tick),
            tokens.id_chord(int(token)),
            choice.probability,
            choice.alternatives,
            tuple(
                (at.event, at.weight, at.content, at.distance, at.harmony, at.layer, at.head)
                for at in choice.links
            ),
        )
        for token, tick, choice in zip(events, ticks, about, strict=True)
    ]


def _about(piece: Piece) -> dict[str, str]:
    """The settings that say something, as words."""
    facts = {f"{stage}, nats per event": f"{nats:.3f}" for stage, nats in piece.nats.items()}
    for name, value in piece.settings.items():
        if name != "votes" and value not in (None, "", False, [], ()):  # one for every beat
            facts[name.replace("_", " ")] = _words(value)
    return facts


def _words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(inside)}" for name, inside in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value))
    return "yes" if value is True else str(value)


FORMAT = 1


def piece_json(piece: Piece) -> dict[str, Any]:
    """A piece as JSON values.

    `backbone` has an object for every chord event with `predicted_id, gen_root_pc, gen_quality,
    gen_function`, and its name and beats for people; `generated_event_ids` are the melody's tokens, BOS to
    EOS. `metadata` has the fields of the training records. `score` is the music itself
    (`score.score_json`).
    """
    score = piece.score
    functions = tokens.function_table()[score.key.index]
    events = [
        {
            "predicted_id": token,
            "gen_root_pc": int(tokens.ROOT[token]),
            "gen_quality": int(tokens.QUALITY_CODE[token]),
            "gen_function": int(functions[token]),
            "chord": to_lead_sheet(tokens.id_chord(token), score.key),
            "beats": int(tokens.BEATS[token]),
        }
        for token in piece.backbone_ids
        if tokens.KIND[token] == tokens.KIND_EVENT
    ]
    return {
        "format": FORMAT,
        "id": score.id,
        "title": score.title,
        "metadata": {
            "key_signature_root": score.key.tonic,
            "key_signature_mode": score.key.mode,
            "time_signature_num": score.meter.numerator,
            "time_signature_den": score.meter.denominator,
            "tempo_bpm": score.tempo_bpm,
        },
        "backbone_ids": list(piece.backbone_ids),
        "backbone": events,
        "generated_event_ids": list(piece.event_ids),
        "nats_per_event": {name: round(value, 4) for name, value in piece.nats.items()},
        "vocabulary": {"version": vocabulary.VERSION, **vocabulary.vocabulary_hashes()},
        "settings": dict(piece.settings),
        "score": score_values(score),
    }


def write_pieces(
    pieces: Sequence[Piece],
    folder: str | os.PathLike[str],
    wanted: Outputs = DEFAULT_OUTPUTS,
    choices: Sequence[Sequence[ChordChoice]] = (),
) -> list[Path]:
    """Writes the files of every piece and the page of all, all or none; files of the same names are replaced.

    Args:
        pieces: with different ids.
        folder: made if it is not there.
        wanted: which files.
        choices: what `explain_pieces` says of the chords of those on the page; empty where nobody was asked.

    Returns:
        The files, in order.

    Raises:
        UserError: the folder cannot be written, or sound that is too long was asked for.
    """
    check_output(folder)
    folder = Path(folder)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".sample-", dir=folder))
        try:
            names = [
                write_piece(piece, beside, suffix, wanted) for piece in pieces for suffix in wanted.suffixes
            ]
            if "html" in wanted.formats:
                page = page_of(pieces, wanted, choices)
                (beside / PAGE_FILE).write_text(page, encoding="utf-8", newline="\n")
                names.append(PAGE_FILE)
            for name in names:
                os.replace(beside / name, folder / name)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise unwritable(folder, error) from None
    return [folder / name for name in names]


def write_piece(piece: Piece, folder: Path, suffix: str, wanted: Outputs) -> str:
    """Writes one file of a piece into a folder that is there, and returns its name.

    Args:
        piece: as composed.
        folder: that is there.
        suffix: of the kind of file.
        wanted: how it is written.
    """
    path, score = folder / f"{piece.score.id}.{suffix}", piece.score
    match suffix:
        case "mid":
            path.write_bytes(midi_bytes(score, arrangement_of(piece, wanted)))
        case "musicxml":
            write_musicxml(score, path, wanted.band.programs.melody or 0, wanted.printing)
        case "abc":
            write_abc(score, path)
        case "json":
            text = json.dumps(piece_json(piece), ensure_ascii=False, indent=1)
            path.write_text(text + "\n", encoding="utf-8", newline="\n")
        case "pdf":
            write_pdf(score, path, wanted.printing)
        case "svg":
            write_svg(score, path, wanted.printing)
        case "txt" | "cho" | "irealb":
            write_score(score, path)
        case _:
            write_audio(score, path, arrangement_of(piece, wanted), wanted.soundfont)
    return path.name


def describe(piece: Piece) -> str:
    """A piece in one line: name, key, meter, bars and chords."""
    score = piece.score
    about = f"{score.key.name}, {score.meter}, {len(score.bar_starts())} bars"
    return f"{score.id}: {about}: {chord_line(score)}"


def chord_line(score: Score) -> str:
    """The chords by bars, such as `| C | Am F | % |`; "%" where a bar brings no new one."""
    starts = score.bar_starts()
    bars: list[list[str]] = [[] for _ in starts]
    for span in score.chords:
        bars[bisect_right(starts, span.onset) - 1].append(to_lead_sheet(span.chord, score.key))
    return f"| {' | '.join(' '.join(bar) or '%' for bar in bars)} |"
