"""The Python interface of sampling: `Composer.load(path).compose(...)`, and suggestions for a score."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from hrpe_jax.checkpoints.release import PRETRAINED, Model, load_model
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.chord_input import reading_notes
from hrpe_jax.sampling.compose import Piece, compose_pieces
from hrpe_jax.sampling.controls import read_controls
from hrpe_jax.sampling.notices import notices
from hrpe_jax.sampling.options import DEFAULT_CANDIDATES, DEFAULT_SILENT_BARS, ComposeOptions
from hrpe_jax.sampling.posterior.spans import Bars
from hrpe_jax.sampling.posterior.suggest import Suggestion, SuggestOptions, harmonize, suggest
from hrpe_jax.sampling.posterior.suggested_pieces import asks_for_suggestions, suggested_pieces
from hrpe_jax.sampling.stream import BarOfPiece, stream
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


class Composer:
    """Writes lead sheets with a trained model.

    A first call compiles programs for its sizes (some seconds, kept in the user's cache folder); later ones
    with another key, meter, tempo, seed, temperature or fewer bars run at once.

    Example:
        composer = Composer.load()
        four = composer.compose(key="Eb major", bars=16, seed=7)
        mine = composer.compose(chords="Dm7 | G7 | ? | Cmaj7", num_pieces=1)[0]
        more = composer.compose(prime="opening.musicxml", bars=8, num_pieces=1)[0]
        print(mine.key.name, [str(span.chord) for span in mine.chords])

    Attributes:
        model: both stages.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @classmethod
    def load(cls, path: str | os.PathLike[str] = PRETRAINED) -> Composer:
        """Reads a released model, or the best checkpoints of a training workdir.

        Args:
            path: either folder; the model of the package if none is given.

        Raises:
            UserError: there is none, or one that this program cannot use; in one line.
        """
        from hrpe_jax.utils.jax_setup import enable_compilation_cache

        enable_compilation_cache()
        return cls(load_model(path))

    def compose(
        self,
        *,
        num_pieces: int = 4,
        bars: int | None = None,
        key: Key | str | None = None,
        mode: str | None = None,
        meter: Meter | str | None = None,
        tempo: float | None = None,
        chords: str | None = None,
        form: str | None = None,
        prime: Score | str | os.PathLike[str] | None = None,
        prime_use: str = "continue",
        stage: str = "both",
        seed: int = 0,
        temperature: float = 1.0,
        temperature_backbone: float | None = None,
        temperature_melody: float | None = None,
        top_k: int = 0,
        top_k_backbone: int | None = None,
        top_k_melody: int | None = None,
        top_p: float | None = None,
        top_p_backbone: float | None = None,
        top_p_melody: float | None = None,
        repetition_penalty: float = 1.0,
        repetition_penalty_backbone: float | None = None,
        repetition_penalty_melody: float | None = None,
        silent_bars: int = DEFAULT_SILENT_BARS,
        candidates: int = DEFAULT_CANDIDATES,
        style: str | None = None,
        range: str | None = None,
        density: float | None = None,
        intro: int = 0,
        rewrite: str | None = None,
        rewrite_what: str = "melody",
        distance: float = 0.5,
        chords_per_bar: int | None = None,
    ) -> list[Score]:
        """Writes pieces. None leaves the choice to the model, or to what else is given.

        Args:
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

        Returns:
            `num_pieces` scores. All bars are full; chords and melody end together.

        Raises:
            UserError: an option that cannot be met, in one line that names it.
        """
        return [piece.score for piece in self.pieces(_options(locals()))]

    def stream(
        self,
        *,
        num_pieces: int = 4,
        bars: int | None = None,
        key: Key | str | None = None,
        mode: str | None = None,
        meter: Meter | str | None = None,
        tempo: float | None = None,
        chords: str | None = None,
        form: str | None = None,
        prime: Score | str | os.PathLike[str] | None = None,
        prime_use: str = "continue",
        stage: str = "both",
        seed: int = 0,
        temperature: float = 1.0,
        temperature_backbone: float | None = None,
        temperature_melody: float | None = None,
        top_k: int = 0,
        top_k_backbone: int | None = None,
        top_k_melody: int | None = None,
        top_p: float | None = None,
        top_p_backbone: float | None = None,
        top_p_melody: float | None = None,
        repetition_penalty: float = 1.0,
        repetition_penalty_backbone: float | None = None,
        repetition_penalty_melody: float | None = None,
        silent_bars: int = DEFAULT_SILENT_BARS,
        candidates: int = DEFAULT_CANDIDATES,
        style: str | None = None,
        range: str | None = None,
        density: float | None = None,
        intro: int = 0,
        rewrite: str | None = None,
        rewrite_what: str = "melody",
        distance: float = 0.5,
        chords_per_bar: int | None = None,
    ) -> Iterator[BarOfPiece]:
        """Writes one piece, bar by bar.

        The chords are written first, then the melody. A bar is yielded as soon as it is sure, which is when
        the next one begins. Memory and time a bar do not grow with the piece, so `bars` may be thousands.
        The options are those of `compose`, but for `num_pieces` and `form`.

        Args:
            num_pieces: ignored; one piece is written.
            bars: 1 or more, not counting a continued prime. None: as `chords` have, else 16.
            key: such as "Eb major" or "C#m". None: the key of `chords` or the prime, else the model's choice.
            mode: "major" or "minor", in a key that the model chooses or on the tonic of `key`.
            meter: such as "6/8". None: 4/4 with `chords`, that of the prime, else the model's choice.
            tempo: 20 to 400 quarter notes a minute. None: that of the prime, else as in songs of the style.
            chords: such as "| Am7 D7 | Gmaj7 | C:maj/3 ? | ii V I |"; the model fills `?`. See `chord_input`.
            form: refused.
            prime: a score, or a file that `hrpe_jax.read_score` reads, to continue or to take chords from.
            prime_use: "continue", or "chords" for a new melody over the prime's chords.
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

        Yields:
            Bars with their number, ticks, chords and notes. Together they are the first piece that `compose`
            writes for the same options. A note tied over a bar line comes with the bar it begins in.

        Raises:
            UserError: as `compose`.
        """
        return self.bars(_options(locals()))

    def pieces(self, options: ComposeOptions) -> Iterator[Piece]:
        """As `compose`, piece by piece, with the tokens, likelihoods and settings of each."""
        options = read_prime(options)
        if asks_for_suggestions(options):
            return iter(suggested_pieces(self.model, options))
        return compose_pieces(self.model, read_controls(options))

    def bars(self, options: ComposeOptions) -> Generator[BarOfPiece, None, Piece]:
        """As `stream`; the value of the generator is the whole piece."""
        if asks_for_suggestions(options):
            raise UserError("--rewrite: suggestions are written as a whole, not bar by bar; use compose")
        return stream(self.model, replace(read_controls(read_prime(options)), num_pieces=1))

    def suggest(
        self,
        score: Score,
        bars: Bars = (5, 8),
        what: str = "melody",
        count: int = 4,
        *,
        like: Bars | None = None,
        keep: Sequence[Note | ChordSpan] = (),
        everywhere: bool = False,
        distance: float = 0.5,
        chords_per_bar: int | None = None,
        candidates: int = 32,
        temperature: float = 1.0,
        style: str | None = None,
        seed: int = 0,
    ) -> list[Score]:
        """Writes some bars of a score anew; all else stays as it is.

        Candidates are drawn behind what stands before, and chosen by how likely they make the two bars that
        follow. None is what stands there now, and all differ.

        Args:
            score: any.
            bars: first and last bar, (5, 8) or "5-8"; several spans as "5-8,13-16". Bars are numbered as they
                are printed: from 1, a pickup is bar 0.
            what: "melody", "chords", "both", "rhythm" (the pitches stay, in order), "pitches" (the rhythm
                stays) or "vary" (a variation of the melody).
            count: how many, 1 to 32.
            like: bars that the new melody should be like: an answer to a phrase.
            keep: notes and chords inside the bars that stay.
            everywhere: whether the same bars of other sections with the same letter change too.
            distance: of a variation: the share of notes that may change.
            chords_per_bar: 1 or 2. None: as the model has it.
            candidates: melodies that are drawn to choose from.
            temperature: of the draws; lower is safer.
            style: such as "pop". None: unknown.
            seed: the same seed gives the same suggestions.

        Returns:
            `count` scores, fewer where no more different ones were found.

        Raises:
            UserError: bars that the score does not have, or more kept than can be; in one line.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "score")}
        return [each.score for each in self.suggestions(score, SuggestOptions(**given))]

    def harmonize(
        self,
        score: Score,
        count: int = 1,
        keep: Sequence[ChordSpan] | str | None = None,
        *,
        bars: Bars | None = None,
        chords_per_bar: int | None = None,
        style: str | None = None,
        seed: int = 0,
    ) -> list[Score]:
        """Finds chords for a melody. The first answer is the safe one, the others differ from it.

        Args:
            score: with a melody; its own chords play no part.
            count: how many answers, 1 to 32.
            keep: chords that stay: spans, or a text for the whole piece such as "| C | ? | G7 |", where `?`
                is open.
            bars: that are asked for, as in `suggest`; other bars keep their chords. None: all.
            chords_per_bar: 1 or 2 for chords that change on bar lines, or in the middle too. None: as the
                model has it.
            style: such as "pop". None: unknown.
            seed: the same seed gives the same answers.

        Raises:
            UserError: there is no melody, or what is kept cannot be; in one line.
        """
        text = keep if isinstance(keep, str) else None
        spans = () if keep is None or isinstance(keep, str) else tuple(keep)
        options = SuggestOptions(
            bars=bars, count=count, keep=spans, keep_chords=text, chords_per_bar=chords_per_bar, style=style,
            seed=seed,
        )  # fmt: skip
        return [each.score for each in self.harmonies(score, options)]

    def vary(
        self,
        score: Score,
        distance: float = 0.5,
        count: int = 1,
        *,
        bars: Bars | None = None,
        style: str | None = None,
        seed: int = 0,
    ) -> list[Score]:
        """Writes variations of a melody over its chords, such as a second verse.

        Args:
            score: with a melody, at most 64 bars of it unless `bars` says which.
            distance: share of the notes that may change, above 0, at most 1.
            count: how many, 1 to 32.
            bars: that may change. None: all.
            style: such as "pop". None: unknown.
            seed: the same seed gives the same variations.

        Raises:
            UserError: as `suggest`.
        """
        options = SuggestOptions(
            bars=bars, what="vary", count=count, distance=distance, style=style, seed=seed
        )
        return [each.score for each in self.suggestions(score, options)]

    def suggestions(self, score: Score, options: SuggestOptions) -> list[Suggestion]:
        """As `suggest` and `vary`, with the log weight of each, its reason, and votes for chords."""
        return suggest(self.model, score, options)

    def harmonies(self, score: Score, options: SuggestOptions) -> list[Suggestion]:
        """As `harmonize`, with the log weight of each, its reason, and how sure each beat's chord is."""
        return harmonize(self.model, score, options)

    def studio(self, folder: str = "~/hrpe_jax", height: int = 820) -> Any:
        """Shows the studio in a notebook: its projects lie in the folder, its frame has so many pixels."""
        # By name: the studio imports composers.
        return import_module("hrpe_jax.server.notebook").show(self, folder, height)

    def notices(self, options: ComposeOptions) -> list[str]:
        """Warnings: one line for each option that lies outside what the model was trained on, and for chords
        that were guessed at or simplified."""
        if asks_for_suggestions(options):
            return []
        controls = read_controls(read_prime(options))
        chords = [chord for chord, _ in controls.chords or ()]
        said = reading_notes(options.chords, chords) if options.chords else []
        return [*said, *notices(self.model, controls)]


def read_prime(options: ComposeOptions) -> ComposeOptions:
    """The options with a prime that is a score: a path is read.

    Raises:
        UserError: a file that cannot be read.
    """
    if options.prime is None or isinstance(options.prime, Score):
        return options
    from hrpe_jax.readers.read import read_first

    try:
        return replace(options, prime=read_first(options.prime).score)
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith("--") else f"--prime: {text}") from None


def _options(keywords: Mapping[str, Any]) -> ComposeOptions:
    """The keywords of a method, `locals()` in its first line, as options."""
    return ComposeOptions(**{name: value for name, value in keywords.items() if name != "self"})
