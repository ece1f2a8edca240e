"""The options of a piece, as they are given: the keywords of `Composer.compose` and the flags of `sample`.

A new option is a field here, a keyword of `Composer.compose` and `Composer.stream`, and a flag of
`hrpe_jax.sample`; a test holds the four equal. `controls.read_controls` checks the values.

`OutputOptions` says which files a run writes: formats, the band and its sound, and how notes are printed.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from hrpe_jax.arranging.arrange import DEFAULT_BAND, BandOptions
from hrpe_jax.arranging.arrangement import Programs
from hrpe_jax.arranging.styles import read_band
from hrpe_jax.errors import UserError, cut
from hrpe_jax.formats.audio import MAX_SECONDS, check_audio, check_soundfont
from hrpe_jax.formats.engrave import check_engrave
from hrpe_jax.formats.musicxml.write import CLEFS, INSTRUMENTS, READABLE, PrintOptions
from hrpe_jax.score.score import Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, Meter

DEFAULT_SILENT_BARS, DEFAULT_CANDIDATES = 1, 16


@dataclass(frozen=True, kw_only=True)
class ComposeOptions:
    """Options of a composition. None leaves the choice to the model, or to what else is given.

    Attributes:
        num_pieces: how many pieces, 1 to 10,000.
        bars: 1 to 10,000, not counting a continued prime. None: as `chords` or `form` have, else 16.
        key: such as "Eb major" or "C#m". None: the key of `chords` or the prime, else the model's choice.
        mode: "major" or "minor", in a key that the model chooses or on the tonic of `key`.
        meter: such as "6/8". None: 4/4 with `chords`, that of the prime, else the model's choice.
        tempo: 20 to 400 quarter notes a minute. None: that of the prime, else as in songs of the style.
        chords: such as "| Am7 D7 | Gmaj7 | C:maj/3 ? | ii V I |"; the model fills `?`. See `chord_input`.
        form: sections that come again, such as "AABA", "AA'BA'" or "A8B4A8", see `form`.
        prime: a score, or a file that `hrpe_jax.read_score` reads, to continue or to take chords from.
        prime_use: "continue", "chords" (a new melody over its chords) or "harmonize" (chords under it).
        stage: "both", "backbone" (chords alone) or "melody" (over given chords).
        seed: 0 to 2**32 - 1; the same seed gives the same pieces.
        temperature: logits are divided by it; above 0, lower is safer.
        temperature_backbone: `temperature` of the chords. None: `temperature`.
        temperature_melody: `temperature` of the melody. None: `temperature`.
        top_k: draw among the k most likely tokens; 0 for all.
        top_k_backbone: `top_k` of the chords. None: `top_k`.
        top_k_melody: `top_k` of the melody. None: `top_k`.
        top_p: draw among the most likely tokens that sum to p. None: 0.98 (chords), 0.95 (melody).
        top_p_backbone: `top_p` of the chords. None: `top_p`.
        top_p_melody: `top_p` of the melody. None: `top_p`.
        repetition_penalty: divides the chance of the last eight pitches and chords; 1 for none.
        repetition_penalty_backbone: `repetition_penalty` of the chords. None: `repetition_penalty`.
        repetition_penalty_melody: `repetition_penalty` of the melody. None: `repetition_penalty`.
        silent_bars: whole bars in a row in which the melody may be silent, 0 or more.
        candidates: progressions to choose from, by how they lead into given chords or the end; 1 to 64.
        style: such as "pop" or "folk", one that the model knows. None: its usual one.
        range: lowest and highest note of the melody, such as "A3-E5". None: as in songs of the style.
        density: notes a bar, where the melody sounds. None: as in songs of the style.
        intro: bars without a melody before it begins.
        rewrite: bars of the prime to write anew, such as "5-8" or "5-8,13-16". See `Composer.suggest`.
        rewrite_what: "melody", "chords", "both", "rhythm", "pitches" or "vary".
        distance: share of the notes that may change with "vary", above 0, at most 1.
        chords_per_bar: 1 or 2, of chords that are found under a melody. None: as the model has it.
    """

    num_pieces: int = 4
    bars: int | None = None
    key: Key | str | None = None
    mode: str | None = None
    meter: Meter | str | None = None
    tempo: float | None = None
    chords: str | None = None
    form: str | None = None
    prime: Score | str | os.PathLike[str] | None = None
    prime_use: str = "continue"
    stage: str = "both"
    seed: int = 0
    temperature: float = 1.0
    temperature_backbone: float | None = None
    temperature_melody: float | None = None
    top_k: int = 0
    top_k_backbone: int | None = None
    top_k_melody: int | None = None
    top_p: float | None = None
    top_p_backbone: float | None = None
    top_p_melody: float | None = None
    repetition_penalty: float = 1.0
    repetition_penalty_backbone: float | None = None
    repetition_penalty_melody: float | None = None
    silent_bars: int = DEFAULT_SILENT_BARS
    candidates: int = DEFAULT_CANDIDATES
    style: str | None = None
    range: str | None = None
    density: float | None = None
    intro: int = 0
    rewrite: str | None = None
    rewrite_what: str = "melody"
    distance: float = 0.5
    chords_per_bar: int | None = None


DEFAULT_FORMATS = ("mid", "musicxml", "abc", "json", "html")
FORMATS = (*DEFAULT_FORMATS, "pdf", "svg", "txt", "cho", "irealb")
PAGE_FILE = "index.html"
MAX_ON_PAGE = 24
"""Pieces that the page shows, the first of the run; a browser draws some thousand notes for each."""
LABELS = {
    "mid": "MIDI", "musicxml": "MusicXML", "abc": "ABC", "json": "JSON", "pdf": "PDF", "svg": "SVG",
    "txt": "Chords", "cho": "ChordPro", "irealb": "iReal Pro",
}  # fmt: skip
_NAMES = {"midi": "mid", "xml": "musicxml", "page": "html", "chordpro": "cho", "ireal": "irealb"}
MAX_SWING, MAX_HUMANIZE = 0.75, 3.0


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is to be written, as it is given: the flags of `hrpe_jax.sample`; `read_outputs` checks them.

    Attributes:
        formats: names with commas, such as "mid,pdf". None: mid, musicxml, abc, json and html.
        audio: "wav", "ogg", "mp3" or "opus". None: no sound.
        programs: General MIDI programs 0-127 of melody, chords and bass with commas: "73" or "73,0,32".
            None: the band's.
        explain: whether the page tells why the model chose its chords.
        band: a style such as "swing", with parts left out "swing-drums", or a pattern file. None: what fits.
        swing: share of a beat that its first eighth has, 0.5 to 0.75. None: the style's.
        humanize: how far the band differs from its patterns, 0 (not at all) to 3; 1 is usual.
        soundfont: an .sf2 file. None: the one that pretty_midi ships.
        transpose: "Bb", "Eb" or "F", for the part of an instrument. None: concert pitch.
        clef: "treble" or "bass". None: what fits.
        page_audio: whether the page plays the rendered sound.
    """

    formats: str | None = None
    audio: str | None = None
    programs: str | None = None
    explain: bool = True
    band: str | None = None
    swing: float | None = None
    humanize: float = 1.0
    soundfont: str | os.PathLike[str] | None = None
    transpose: str | None = None
    clef: str | None = None
    page_audio: bool = False


@dataclass(frozen=True)
class Outputs:
    """What to write.

    Attributes:
        formats: among `FORMATS`, in their order; "html" is one page for all pieces.
        audio: "wav", "ogg", "mp3", "opus", or "" for none.
        band: who plays.
        soundfont: an .sf2 file; None for the one that pretty_midi ships.
        printing: how notes are printed.
        page_audio: kind of the sound in the page; "" for the page's own instruments.
        explain: whether the page tells why the model chose its chords.
    """

    formats: tuple[str, ...] = DEFAULT_FORMATS
    audio: str = ""
    band: BandOptions = DEFAULT_BAND
    soundfont: Path | None = None
    printing: PrintOptions = READABLE
    page_audio: str = ""
    explain: bool = True

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the files of each piece, in order."""
        return tuple(name for name in (*self.formats, self.audio) if name and name != "html")


DEFAULT_OUTPUTS = Outputs()


def read_outputs(options: OutputOptions | None = None) -> Outputs:
    """Reads what a user asked for.

    Args:
        options: as given; None for everything by default.

    Raises:
        UserError: something that cannot be, or an extra that is missing.
    """
    options = options or OutputOptions()
    formats = _formats(options.formats)
    for kind in {"pdf", "svg"}.intersection(formats):
        check_engrave(kind)
    if options.audio:
        check_audio(options.audio)
    check_soundfont(options.soundfont)
    band = BandOptions(
        band=None if options.band is None else read_band(options.band),
        swing=_within("swing", options.swing, 0.5, MAX_SWING),
        humanize=_within("humanize", options.humanize, 0.0, MAX_HUMANIZE) or 0.0,
        programs=_programs(options.programs),
    )
    return Outputs(
        formats=formats,
        audio=options.audio or "",
        band=band,
        soundfont=None if options.soundfont is None else Path(options.soundfont),
        printing=replace(
            READABLE,
            transpose=_one_of("transpose", options.transpose, INSTRUMENTS),
            clef=_one_of("clef", options.clef, CLEFS),
        ),
        page_audio=_page_audio(options.audio) if options.page_audio else "",
        explain=options.explain,
    )


def _formats(text: str | None) -> tuple[str, ...]:
    if text is None:
        return DEFAULT_FORMATS
    names = [name.strip().lower().removeprefix(".") for name in text.split(",")]
    wanted = {_NAMES.get(name, name) for name in names if name}
    if wanted.difference(FORMATS) or not wanted:
        raise UserError(f"--formats: {cut(text)!r}: expected some of {', '.join(FORMATS)}, with commas")
    return tuple(name for name in FORMATS if name in wanted)


def _within(name: str, value: float | None, low: float, high: float) -> float | None:
    if value is not None and not low <= value <= high:
        raise UserError(f"--{name}: {value:g}: expected {low:g} to {high:g}")
    return value


def _one_of(name: str, text: str | None, choices: tuple[str, ...]) -> str:
    if text is None:
        return ""
    found = next((choice for choice in choices if choice.lower() == text.strip().lower()), None)
    if found is None:
        raise UserError(f"--{name}: {cut(text)!r}: expected one of {', '.join(choices)}")
    return found


def _page_audio(audio: str | None) -> str:
    """The kind of sound in a page: what is written anyway, else the smallest that every browser plays."""
    if audio:
        return audio
    try:
        check_audio("mp3")
    except UserError:
        return "wav"
    return "mp3"


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
    if (wanted.audio or wanted.page_audio) and seconds > MAX_SECONDS:
        raise UserError(
            f"--audio: {bars} bars last {seconds:.0f} seconds; at most {MAX_SECONDS} expected: ask for fewer "
            "bars, or play the MIDI file"
        )


def _programs(text: str | None) -> Programs:
    if text is None:
        return Programs()
    numbers = [int(part) for part in text.split(",")] if re.fullmatch(r"\d{1,3}(,\d{1,3}){0,2}", text) else []
    if not numbers or max(numbers) > 127:
        raise UserError(
            f"--programs: {cut(text)!r}: expected General MIDI programs 0 to 127 of melody, chords and "
            "bass, such as 73 (a flute) or 73,0,32"
        )
    return Programs(*numbers)
