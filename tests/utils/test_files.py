"""Looking at places to write to, and writing whole files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.utils.files import check_output, replace_file


def test_folders_that_cannot_be_written_are_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"is no folder, so .* give another --workdir"):
        check_output(tmp_path / "file" / "below", "--workdir")
    check_output(tmp_path / "new" / "below")
    assert not (tmp_path / "new").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that takes no files")
def test_so_is_a_file_system_that_takes_no_files() -> None:
    with pytest.raises(UserError, match="/proc: "):
        check_output("/proc/nothing")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        replace_file(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
