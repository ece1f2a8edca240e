"""Pieces as files: `NAME.mid` to listen to and `NAME.json` with the tokens, and as a line of text."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec import vocabulary
from hrpe_jax.files import check_output, unwritable
from hrpe_jax.score.midi import write_midi
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import to_lead_sheet

if TYPE_CHECKING:
    from hrpe_jax.sampling.pipeline import Piece

FORMAT = 1


def piece_json(piece: Piece) -> dict[str, Any]:
    """A piece as JSON values.

    `backbone` has an object for every chord event with `predicted_id, gen_root_pc, gen_quality,
    gen_function`, and its name and beats for people; `generated_event_ids` are the melody's tokens, BOS to
    EOS. `metadata` has the fields of the training records.
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
    }


def write_pieces(pieces: Sequence[Piece], folder: str | os.PathLike[str]) -> list[Path]:
    """Writes `NAME.mid` and `NAME.json` of every piece, all or none; files of the same names are replaced.

    Returns:
        The files, in order.

    Raises:
        UserError: the folder cannot be written.
    """
    check_output(folder)
    folder = Path(folder)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".sample-", dir=folder))
        try:
            for piece in pieces:
                write_midi(piece.score, beside / f"{piece.score.id}.mid")
                text = json.dumps(piece_json(piece), ensure_ascii=False, indent=1)
                (beside / f"{piece.score.id}.json").write_text(text + "\n", encoding="utf-8")
            names = [f"{piece.score.id}{suffix}" for piece in pieces for suffix in (".mid", ".json")]
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
