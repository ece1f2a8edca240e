"""Programs that are files: the same results, found by another process, and never a reason to fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.sampling import programs
from hrpe_jax.sampling.programs import StoredJit


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(programs, "_folder", lambda: tmp_path / "programs")
    return tmp_path / "programs"


def affine(power: int, state: dict, keys: jax.Array) -> tuple[dict, jax.Array]:
    """With what samplers have: a static argument, a donated tree, random keys."""
    drawn = jax.vmap(lambda key: jax.random.uniform(key))(keys)
    return {"x": state["x"] ** power + drawn}, keys


def call(function: StoredJit, power: int = 2, rows: int = 3) -> np.ndarray:
    state, keys = function(power, {"x": jnp.arange(rows, dtype=jnp.float32)}, jax.random.split(KEY, rows))
    assert jnp.issubdtype(keys.dtype, jax.dtypes.prng_key)
    return np.asarray(state["x"])


KEY = jax.random.key(3)


def made() -> StoredJit:
    return StoredJit(affine, static=(0,), donated=(1,))


def test_another_process_finds_the_program(folder: Path):
    """What another `StoredJit` knows is the file alone, and the file is not compiled again."""
    expected = np.asarray(
        jax.jit(affine, static_argnums=0)(2, {"x": jnp.arange(3.0)}, jax.random.split(KEY, 3))[0]["x"]
    )
    np.testing.assert_array_equal(call(made()), expected)
    (file,) = folder.iterdir()
    before = file.read_bytes()

    def refused(*_: object) -> None:
        raise AssertionError("compiled again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "_write", refused)
        np.testing.assert_array_equal(call(made()), expected)
    assert file.read_bytes() == before


def test_static_arguments_and_shapes_have_programs_of_their_own(folder: Path):
    function = made()
    assert call(function, 3).tolist() != call(function, 2).tolist()
    assert len(call(function, 2, rows=5)) == 5
    call(function, 2)
    assert function._cache_size() == len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_file_is_compiled_anew(folder: Path, damage: str):
    expected = call(made())
    (file,) = folder.iterdir()
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    file.write_bytes(
        {"cut": content[:-9], "flipped": bytes(flipped), "empty": b"", "other": b"x" * 99}[damage]
    )
    np.testing.assert_array_equal(call(made()), expected)
    np.testing.assert_array_equal(call(made()), expected)
    assert file.read_bytes() not in (b"", bytes(flipped), content[:-9])


def test_another_version_or_setting_looks_for_another_file(folder: Path, monkeypatch: pytest.MonkeyPatch):
    call(made())
    monkeypatch.setattr(programs, "_surroundings", lambda: ("another jax",))
    call(made())
    with jax.default_matmul_precision("bfloat16"):
        call(made())
    assert len(list(folder.iterdir())) == 3


def test_a_folder_that_cannot_be_written_is_no_failure(folder: Path):
    folder.write_text("a file")
    assert len(call(made())) == 3


def test_old_files_go(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(programs, "_OLD", 2)
    function = made()
    for power in (1, 2, 3):
        call(function, power)
    assert len(list(folder.iterdir())) == 2


def test_a_clock_that_was_set_back_does_not_cost_the_newest(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(programs, "_OLD", 2)
    function = made()
    for power in (1, 2):
        call(function, power)
    before = set(folder.iterdir())
    for path in before:
        os.utime(path, (4_102_444_800, 4_102_444_800))
    call(function, 3)
    assert len(set(folder.iterdir()) - before) == 1


def test_inside_of_transformations_it_is_jit(folder: Path):
    function = made()
    shape = jax.eval_shape(lambda x: function(2, {"x": x}, jax.random.split(KEY, 3)), jnp.zeros(3))
    assert shape[0]["x"].shape == (3,)
    assert not folder.exists()


def test_a_program_is_prepared_by_shapes(folder: Path):
    function = made()
    keys = jax.eval_shape(lambda: jax.random.split(KEY, 3))
    function.prepare(2, {"x": jax.ShapeDtypeStruct((3,), jnp.float32)}, keys)
    call(function)
    assert function._cache_size() == 1


def test_what_is_compiled_is_told_once(folder: Path):
    told: list[str] = []
    with programs.watch(told.append):
        call(made())
        call(made())  # found as a file
    call(made(), rows=4)  # nobody watches
    assert told == ["test_programs"]


def test_what_is_prepared_beside_a_block_is_there_after_it_and_never_fails(folder: Path):
    function = made()

    def refused() -> None:
        raise ValueError("the call itself says so")

    with programs.beside(lambda: call(function)), programs.beside(refused):
        pass
    assert function._cache_size() == 1


SCRIPT = """
import jax, numpy as np
from hrpe_jax.sampling.logits import row_keys
print(jax.random.key_data(row_keys(np.uint32(3), 1, np.arange(4, dtype=np.int32))).tolist())
"""


def test_processes_share_the_folder(tmp_path: Path):
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert said[0] == said[1]
    (file,) = (tmp_path / "programs").iterdir()
    assert file.name.startswith("logits.row_keys-")


def test_every_program_of_sampling_is_stored():
    """`jax.jit` in another module would compile in every process."""
    folder = Path(programs.__file__).parent
    assert [file.name for file in sorted(folder.glob("*.py")) if "jax.jit" in file.read_text()] == [
        "programs.py"
    ]
