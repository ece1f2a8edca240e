"""What the controls of the page offer."""

from __future__ import annotations

from typing import Any

from hrpe_jax.arranging.styles import band_names
from hrpe_jax.codec.columns import STYLES
from hrpe_jax.formats.page.html import pretty
from hrpe_jax.server.candidates import WHAT, WISHES
from hrpe_jax.server.edit_piece import MAX_TEMPO, MIN_TEMPO
from hrpe_jax.server.files import KINDS
from hrpe_jax.theory.key import Key, Mode

METERS = ("4/4", "3/4", "2/4", "6/8", "9/8", "12/8", "2/2", "5/4")
_MODES: tuple[Mode, ...] = ("major", "minor")


def choices() -> dict[str, Any]:
    """Keys as [name, shown], meters, styles, bands, kinds of files, and what suggestions may be."""
    keys = [Key(tonic, mode).name for mode in _MODES for tonic in range(12)]
    return {
        "keys": [[name, pretty(name)] for name in keys],
        "meters": list(METERS),
        "styles": list(STYLES),
        "bands": list(band_names()),
        "what": list(WHAT),
        "wishes": [wish for wish in WISHES if wish],
        "export": list(KINDS),
        "tempo": [MIN_TEMPO, MAX_TEMPO],
    }
