"""Several hosts that train one model: joining them, and waiting for each other.

Every host runs the same command. ``jax.distributed`` makes one world of their devices; from then on the mesh,
the step and the checkpoints are the same program as on one host. Each host reads its own rows; the first one
prepares data and writes files, so all of them have to see the same workdir.
"""

from __future__ import annotations

import os

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from hrpe_jax.errors import UserError, WrongUse

AUTO = "auto"
DAY = 24 * 60 * 60 * 1000
JOIN_SECONDS = 300


def join_hosts(coordinator: str | None, hosts: int | None = None, host: int | None = None) -> bool:
    """Makes this process one of several hosts. To be called before anything touches a device.

    Args:
      coordinator: "HOST:PORT" of host 0; "auto" where the surroundings say who is who (TPU slices, Slurm,
        Kubernetes, Open MPI); None for one host, or "auto" on a TPU slice that names several workers.
      hosts: how many, with HOST:PORT.
      host: which of them this is, from 0, with HOST:PORT.

    Returns:
      Whether there are several.

    Raises:
      WrongUse: something is missing.
      UserError: the hosts did not find each other.
    """
    if coordinator is None:
        if hosts is not None or host is not None:
            raise WrongUse("--hosts and --host need --coordinator=HOST:PORT, the address of host 0")
        if "," not in os.environ.get("TPU_WORKER_HOSTNAMES", ""):
            return False
        coordinator = AUTO
    if coordinator == AUTO:
        try:
            jax.distributed.initialize()
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"--coordinator=auto: nothing here says which hosts there are ({error}); "
                "use --coordinator=HOST:PORT --hosts=N --host=I"
            ) from None
        return jax.process_count() > 1
    if ":" not in coordinator or hosts is None or host is None or not 0 <= host < hosts:
        raise WrongUse(
            f"--coordinator={coordinator}: HOST:PORT expected, with --hosts=N and --host=I, I from 0 to N - 1"
        )
    try:
        # Without detection: on a machine that Slurm runs, what is said here still counts.
        jax.distributed.initialize(
            coordinator,
            hosts,
            host,
            cluster_detection_method="deactivate",
            initialization_timeout=JOIN_SECONDS,
        )
    except RuntimeError as error:
        detail = str(error).strip().splitlines()[0]
        raise UserError(
            f"--coordinator={coordinator}: the {hosts} hosts did not find each other ({detail})"
        ) from None
    return hosts > 1


def is_first() -> bool:
    """Whether this is the host that prepares data and writes files."""
    return jax.process_index() == 0


def wait_for_hosts(name: str) -> None:
    """Returns when all hosts have called it with this name; each name once. Patient for a day.

    It uses no device, so nothing times out while the first host prepares data.
    """
    if jax.process_count() > 1:
        ocp.multihost.get_barrier_sync_fn()(key=f"hrpe_jax:{name}", timeout_ms=DAY)


def all_hosts_hear(value: bool) -> bool:
    """What the first host says, on every host; to be called by all of them."""
    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(np.int32(value)))
