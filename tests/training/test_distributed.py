"""Joining hosts: what is missing is said before anything waits. Two real hosts: tests/multihost."""

from __future__ import annotations

import jax
import pytest

from hrpe_jax.errors import UserError, WrongUse
from hrpe_jax.training.sharding import is_first, join_hosts, wait_for_hosts


def test_one_host_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPU_WORKER_HOSTNAMES", "localhost")
    assert not join_hosts(None)
    assert is_first()
    wait_for_hosts("anything")


@pytest.mark.parametrize(
    ("coordinator", "hosts", "host", "said"),
    [
        (None, 2, None, "--hosts and --host need --coordinator=HOST:PORT"),
        ("somewhere", 2, 0, "--coordinator=somewhere: HOST:PORT expected"),
        ("somewhere:1234", None, 0, "with --hosts=N and --host=I"),
        ("somewhere:1234", 2, 2, "I from 0 to N - 1"),
    ],
)
def test_what_is_missing_is_said(
    coordinator: str | None, hosts: int | None, host: int | None, said: str
) -> None:
    with pytest.raises(WrongUse, match=said):
        join_hosts(coordinator, hosts, host)


def test_a_tpu_slice_is_joined_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *args, **options: calls.append((args, options)))
    monkeypatch.setenv("TPU_WORKER_HOSTNAMES", "a,b")
    assert not join_hosts(None)  # there is one process here after all
    assert calls == [((), {})]


def test_surroundings_that_say_nothing_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> None:
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", nothing)
    with pytest.raises(UserError, match=r"--coordinator=auto: nothing here says which hosts there are"):
        join_hosts("auto")
