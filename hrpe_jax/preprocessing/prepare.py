"""One file in, its records or the reasons against it out: a pure function, whatever runs it.

The pool of processes and Beam both call `prepare_file`; nothing in it knows about other files.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from hrpe_jax.analysis.find_form import find_form
from hrpe_jax.codec import backbone
from hrpe_jax.codec.plan import attributes_of
from hrpe_jax.codec.vocabulary import vocabulary_hashes
from hrpe_jax.data.shards import records_of, to_bytes, token_count
from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.clean import choose_starts, crop, stages_of, trim
from hrpe_jax.preprocessing.fingerprints import Fingerprint, content_digest, fingerprint
from hrpe_jax.preprocessing.writer import Reject
from hrpe_jax.readers.find import SongFile, show
from hrpe_jax.readers.read import read_songs
from hrpe_jax.readers.song import Song
from hrpe_jax.score.score import ChordSpan, Score, ScoreError, bar_spans
from hrpe_jax.theory.key import Key
from hrpe_jax.utils.version import __version__

DEFAULT_TEMPO = 120.0
"""Of a MIDI file that names none, by the standard."""
_LONGEST_DETAIL = 300
# What records depend on: packages with all they contain (fitted tables are JSON), and modules of others.
_PACKAGES = ("theory", "score", "formats", "analysis", "readers", "codec")
_MODULES = (
    "data/shards",
    "preprocessing/clean",
    "preprocessing/fingerprints",
    "preprocessing/prepare",
    "preprocessing/versions",
)
_SOURCES = (".py", ".json")


@dataclass(frozen=True)
class PreparedCrop:
    """A training piece cut from a song.

    Attributes:
        first_bar: of the song, at which it begins.
        bars: how many it has.
        tokens: per stage that it serves, how many.
        records: per stage that it serves, the stored bytes.
    """

    first_bar: int
    bars: int
    tokens: dict[str, int]
    records: dict[str, bytes]


@dataclass(frozen=True)
class PreparedSong:
    """A song as it will be stored, and what the data set as a whole needs to know of it.

    Attributes:
        id: unique in the data set.
        file: as the user knows it.
        tune: which tune of the file, where it holds several; else empty.
        format: whose reader read it.
        tokens: per stage that it serves, how many.
        records: per stage that it serves, the stored bytes.
        about: key, meter, `found`, `warnings`, `qualities` (chord spans by quality), `modulates`, `style`,
            `form` (where it comes from).
        marks: what it is compared by.
        crops: training pieces cut from it.
    """

    id: str
    file: str
    tune: str
    format: str
    tokens: dict[str, int]
    records: dict[str, bytes]
    about: dict[str, Any] = field(compare=False)
    marks: Fingerprint = field(compare=False)
    crops: tuple[PreparedCrop, ...] = ()


Result = PreparedSong | Reject


def prepare_file(song: SongFile) -> list[Result]:
    """Reads a file and encodes its songs; whatever is wrong becomes a reject with a reason code."""
    try:
        songs = read_songs(song)
    except Exception as error:  # one bad file among many must not stop the others
        if isinstance(error, MemoryError):
            raise
        return [_reject(song, error)]
    if not songs:
        return [Reject(song.name, "no_tunes", "it holds no tune")]
    results: list[Result] = []
    used: set[str] = set()
    for read in songs:
        tune = show(read.tune)
        try:
            if isinstance(read, Exception):
                raise read
            results.append(_prepare(song, read, _song_id(song, tune, used)))
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            results.append(_reject(song, error, tune))
    return results


def failed_file(song: SongFile, reason: str, detail: str) -> list[Result]:
    """The result of a file whose process ended before it gave one.

    Args:
        song: the file.
        reason: short code.
        detail: in words.
    """
    return [Reject(song.name, reason, detail)]


class _Unfit(UserError):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _prepare(song: SongFile, read: Song, name: str) -> PreparedSong:
    score = trim(replace(read.score, id=name, title=_one_line(read.score.title)))
    stages, reason = stages_of(score)
    if not stages:
        raise _Unfit(*reason)
    form_source = read.form_source if score.form else ""
    if not score.form:
        score = replace(score, form=find_form(score))
        form_source = "found" if score.form else ""
    beats = backbone.harmony_of_beats(score)
    records = records_of(score, beats)
    harmony = beats[1]
    content = content_digest(score, harmony, records["melody"]["event_ids"], stages)
    keys = _moved_keys(read, score)
    extra = {
        "source": _one_line(score.source) or song.format,
        "title": score.title,
        "found": sorted(read.found),
        "warnings": sorted(read.warnings),
        "quantization_error": None if read.error is None else round(float(read.error), 4),
        "keys": [[tick, str(key)] for tick, key in keys],
        "form_source": form_source,
    }
    if song.style:
        extra["style"] = song.style
    tempo_known = _is_tempo_known(song, read)
    attributes = attributes_of(score, song.style, tempo_known=tempo_known)
    stored = {stage: records[stage] | extra | {"attributes": attributes.values()} for stage in stages}
    crops = []
    for first_bar in choose_starts(score, song.crops) if song.crops else ():
        piece = crop(score, first_bar, keys)
        attributes = attributes_of(piece, song.style, tempo_known=tempo_known)
        shown = extra | {"attributes": attributes.values(), "crop": first_bar, "keys": []}
        crops.append(_prepared_crop(piece, first_bar, stages, shown))
    about = {
        "key": str(score.key),
        "meter": str(score.meter),
        "found": extra["found"],
        "warnings": extra["warnings"],
        "qualities": dict(Counter(s.chord.quality for s in score.chords if not s.chord.is_none)),
        "modulates": len({key for _, key in read.keys}) > 1,
        "style": song.style,
        "form": extra["form_source"],
    }
    return PreparedSong(
        name,
        song.name,
        show(read.tune),
        song.format,
        {stage: token_count(stage, record) for stage, record in stored.items()},
        {stage: to_bytes(record) for stage, record in stored.items()},
        about,
        fingerprint(score, harmony, stages, content, hymn=song.format == "chorales"),
        tuple(piece for piece in crops if piece.tokens),
    )


def _prepared_crop(
    piece: Score, first_bar: int, stages: Sequence[str], extra: dict[str, Any]
) -> PreparedCrop:
    """A crop for the stages of its song that it serves too."""
    records, (serves, _) = records_of(piece), stages_of(piece)
    stored = {stage: records[stage] | extra for stage in stages if stage in serves}
    return PreparedCrop(
        first_bar,
        len(bar_spans(piece)),
        {stage: token_count(stage, record) for stage, record in stored.items()},
        {stage: to_bytes(record) for stage, record in stored.items()},
    )


def _moved_keys(read: Song, score: Score) -> list[tuple[int, Key]]:
    """The keys of a song from where they hold in its trimmed score."""
    line, trimmed = (read.score.melody, score.melody) if score.melody else (read.score.chords, score.chords)
    sounding = [span for span in line if not (isinstance(span, ChordSpan) and span.chord.is_none)]
    earlier = sounding[0].onset - trimmed[0].onset if trimmed else 0
    moved = [(max(tick - earlier, 0), key) for tick, key in read.keys]
    # Of keys that hold before the score begins, only the last is heard.
    return [pair for place, pair in enumerate(moved, 1) if place == len(moved) or moved[place][0]]


def _is_tempo_known(song: SongFile, read: Song) -> bool:
    """Whether a song's tempo is more than what its reader, or the program that wrote it, assumed.

    The built-in chorales name none. MIDI files of exactly 120 are mostly such that nobody gave a tempo to.
    """
    if "tempo_assumed" in read.warnings or song.format == "chorales":
        return False
    return not (song.format == "midi" and read.score.tempo_bpm == DEFAULT_TEMPO)


def _song_id(song: SongFile, tune: str, used: set[str]) -> str:
    """`id`, or `id#tune` for a tune of a book; numbers that a book gives twice are counted on."""
    name = f"{song.id}#{tune}" if tune else song.id
    unique, count = name, 1
    while unique in used:
        count += 1
        unique = f"{name}~{count}"
    used.add(unique)
    return unique


def _reject(song: SongFile, error: Exception, tune: str = "") -> Reject:
    return Reject(song.name, _reason(error), _one_line(str(error))[:_LONGEST_DETAIL], tune)


def _one_line(text: str) -> str:
    return " ".join(show(text).split())


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if (
        isinstance(error, UserError) and isinstance(reason, str) and reason
    ):  # Unicode errors have a reason too
        return reason
    if isinstance(error, ScoreError):
        return "bad_score"
    if isinstance(error, UserError):
        return "bad_file"
    if isinstance(error, RecursionError):
        return "too_deep"
    return "unreadable" if isinstance(error, OSError) else f"error_{type(error).__name__}"


@cache
def code_version() -> str:
    """16 hexadecimal digits that change when the code that makes records does, or what tokens mean."""
    digest = hashlib.sha256(f"{__version__} {sorted(vocabulary_hashes().items())}".encode())
    package = Path(__file__).parents[1]
    inside = (file for name in _PACKAGES for file in sorted((package / name).rglob("*")))
    files = [file for file in inside if file.suffix in _SOURCES]
    for file in (*files, *(package / f"{name}.py" for name in _MODULES)):
        digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]
