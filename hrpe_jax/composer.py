"""The Python face of sampling: `Composer.load(path).compose(...)`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hrpe_jax.checkpoints.release import BUNDLED, Model, load_model
from hrpe_jax.errors import UserError
from hrpe_jax.sampling import compose as pipeline
from hrpe_jax.sampling.controls import Controls, read_controls
from hrpe_jax.sampling.notices import notices
from hrpe_jax.sampling.piece import Piece
from hrpe_jax.sampling.stream import BarOfPiece, stream
from hrpe_jax.score.score import Score


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
    def load(cls, path: str | os.PathLike[str] = BUNDLED) -> Composer:
        """Reads a released model, or the best checkpoints of a training workdir.

        Args:
            path: either folder; the model of the package if none is given.

        Raises:
            UserError: there is none, or one that this program cannot use; in one line.
        """
        from hrpe_jax.utils.jax_setup import enable_compilation_cache

        enable_compilation_cache()
        return cls(load_model(path))

    def compose(self, **wishes: Any) -> list[Score]:
        """Writes pieces.

        Args:
            **wishes: what is asked for; everything may be left out.

                `num_pieces` (4), `bars` (16), `key` ("Eb major"), `mode` ("minor"), `meter` ("6/8"), `tempo`
                (quarter notes a minute), `seed` (the same seed gives the same pieces).

                `chords`: your own, such as "| Am7 D7 | Gmaj7 | C:maj/3 ? | ii V I |": lead-sheet symbols,
                Harte's labels or roman numerals, and `?` where the model fills in.

                `form`: such as "AABA"; `AA'BA'` repeats the chords under a new melody.

                `prime`: a `Score`, or a file that `hrpe_jax.read_score` reads; the piece goes on from it, or
                with `prime_use="chords"` gets a new melody over its chords.

                `stage`: "both", "backbone" (chords alone) or "melody" (over given chords).

                `temperature`, `top_k`, `top_p`, `repetition_penalty`: of all draws, or with `_backbone` or
                `_melody` behind the name of one stage.

                `sampling.controls.read_controls` says what each may be.

        Returns:
            `num_pieces` scores, all bars full, chords and melody ending together.

        Raises:
            UserError: a wish that cannot be met, in one line that names it.
        """
        return [piece.score for piece in self.pieces(**wishes)]

    def pieces(self, **wishes: Any) -> list[Piece]:
        """As `compose`, with the tokens, the likelihoods and the settings of each piece."""
        return pipeline.compose(self.model, controls_of(**wishes))

    def stream(self, **wishes: Any) -> Iterator[BarOfPiece]:
        """Writes one piece, bar by bar.

        The chords are written first, then the melody; each bar is given as soon as it is sure, that is when
        the next one begins. Memory and time a bar do not grow with the piece, so `bars` may be thousands.

        Args:
            **wishes: as for `compose`, but `num_pieces` is 1 and `form` is not for streams.

        Yields:
            Bars with their number, ticks, chords and notes. Put together they are the piece that `compose`
            gives for the same wishes; a note that is tied over a bar line comes with the bar it begins in.

        Raises:
            UserError: as `compose`.
        """
        return stream(self.model, replace(controls_of(**wishes), num_pieces=1))

    def notices(self, **wishes: Any) -> list[str]:
        """What to know before asking this of this model: meters and keys that its training had none of."""
        return notices(self.model, controls_of(**wishes))


def controls_of(*, prime: Score | str | os.PathLike[str] | None = None, **wishes: Any) -> Controls:
    """`read_controls`, with a prime that may also be a file.

    Raises:
        UserError: a file that cannot be read, or as `read_controls`.
    """
    if prime is None or isinstance(prime, Score):
        return read_controls(prime=prime, **wishes)
    from hrpe_jax.readers.read import read_first

    try:
        return read_controls(prime=read_first(prime).score, **wishes)
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith("--") else f"--prime: {text}") from None
