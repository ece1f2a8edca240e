"""Which files a run writes: formats, sound, and the instruments in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hrpe_jax.errors import UserError, cut
from hrpe_jax.formats.audio import MAX_SECONDS, check_audio
from hrpe_jax.formats.midi.write import DEFAULT_PROGRAMS, Programs
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, Meter

FORMATS = ("mid", "musicxml", "abc", "json", "html")
PAGE_FILE = "index.html"
MAX_ON_PAGE = 24
"""Pieces that the page shows, the first of the run; a browser draws some thousand notes for each."""
LABELS = {"mid": "MIDI", "musicxml": "MusicXML", "abc": "ABC", "json": "JSON"}
_NAMES = {"midi": "mid", "xml": "musicxml", "page": "html"}


@dataclass(frozen=True)
class Outputs:
    """What to write.

    Attributes:
        formats: among `FORMATS`, in their order; "html" is one page for all pieces.
        audio: "wav", "ogg", "mp3", or "" for none.
        programs: General MIDI programs of the voices.
        explain: whether the page tells why the model chose its chords.
    """

    formats: tuple[str, ...] = FORMATS
    audio: str = ""
    programs: Programs = DEFAULT_PROGRAMS
    explain: bool = True

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the files of each piece, in order."""
        return tuple(name for name in (*self.formats, self.audio) if name and name != "html")


DEFAULT_OUTPUTS = Outputs()


def read_outputs(
    formats: str | None = None, audio: str | None = None, programs: str | None = None, explain: bool = True
) -> Outputs:
    """Reads what a user asked for.

    Args:
        formats: names with commas, such as "mid,musicxml"; None for all.
        audio: "wav", "ogg" or "mp3"; None for none.
        programs: General MIDI programs 0-127 of melody, chords and bass with commas: "73" or "73,0,32".
        explain: see `Outputs`.

    Raises:
        UserError: something that is none of these, or an extra that is missing.
    """
    names = [name.strip().lower().removeprefix(".") for name in (formats or ",".join(FORMATS)).split(",")]
    wanted = {_NAMES.get(name, name) for name in names if name}
    unknown = sorted(wanted.difference(FORMATS))
    if unknown or not wanted:
        raise UserError(
            f"--formats: {cut(formats or '')!r}: expected some of {', '.join(FORMATS)}, with commas"
        )
    if audio:
        check_audio(audio)
    return Outputs(
        tuple(name for name in FORMATS if name in wanted), audio or "", _programs(programs), explain
    )


def check_length(wanted: Outputs, bars: int, meter: Meter | None, tempo: float) -> None:
    """Finds out before any work whether the sound that is wanted would be too long.

    Args:
        wanted: what to write.
        bars: of each piece.
        meter: taken for 4/4 where the model is to choose it.
        tempo: quarter notes a minute.

    Raises:
        UserError: it would.
    """
    seconds = bars * (meter or Meter(4, 4)).bar_ticks * 60 / (tempo * TICKS_PER_QUARTER)
    if wanted.audio and seconds > MAX_SECONDS:
        raise UserError(
            f"--audio: {bars} bars last {seconds:.0f} seconds; at most {MAX_SECONDS} expected: ask for fewer "
            "bars, or play the MIDI file"
        )


def _programs(text: str | None) -> Programs:
    if text is None:
        return DEFAULT_PROGRAMS
    numbers = [int(part) for part in text.split(",")] if re.fullmatch(r"\d{1,3}(,\d{1,3}){0,2}", text) else []
    if not numbers or max(numbers) > 127:
        raise UserError(
            f"--programs: {cut(text)!r}: expected General MIDI programs 0 to 127 of melody, chords and "
            "bass, such as 73 (a flute) or 73,0,32"
        )
    return Programs(*numbers)
