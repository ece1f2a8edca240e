"""What a program is compiled for."""

from __future__ import annotations

import jax


def target() -> str:
    """The platform that what is traced now will run on: "cpu", "gpu" or "tpu".

    That of the default device, unless a mesh of TPUs is set (``jax.set_mesh``): the program is then compiled
    for them, even where there are none (``tools/tpu_compile.py``).
    """
    device = getattr(jax.sharding.get_abstract_mesh(), "abstract_device", None)
    for_tpus = str(getattr(device, "device_kind", "")).upper().startswith("TPU")
    return "tpu" if for_tpus else jax.default_backend()
