"""How a command ends, and whether something can be written: `amgan.commandline` and `amgan.files`."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import typer

import amgan.cli
from amgan.commandline import print_json, run
from amgan.errors import Interrupted, UserError
from amgan.files import naming, writable_file, writable_folder, writable_picture


def ending_of(action: Callable[[], object]) -> int:
    """The exit status of a command that does this and nothing else."""
    app = typer.Typer()

    @app.command()
    def command() -> None:
        action()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["command"])
        with pytest.raises(SystemExit) as end:
            run(app)
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UserError("The hat is too small; use 1 to 3."), 2, "Error: The hat is too small; use 1 to 3.\n"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), 2, "a/b cannot be used: there is no permission"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "a/b"), 2, "a/b cannot be used: it is a folder"),
        (OSError(errno.EROFS, "Read-only file system", b"a/b"), 2, "a/b cannot be used: it lies on a read-only disk"),
        (OSError(errno.EIO, "Input/output error", "a/b"), 2, "a/b cannot be used: Input/output error."),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), 2, "The disk of a/b is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 2, "The disk is full"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (Interrupted(), 130, "the same command again goes on from there.\n"),
        (typer.Exit(1), 1, ""),
        (typer.Exit(0), 0, ""),
    ],
)
def test_what_is_raised_decides_the_status(
    error: BaseException, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> NoReturn:
        raise error

    assert ending_of(fail) == status
    printed = capsys.readouterr()
    assert words in printed.err and printed.out == ""
    assert printed.err.count("\n") == (1 if words else 0)


@pytest.mark.parametrize("error", [ConnectionResetError(errno.ECONNRESET, "reset"), ZeroDivisionError("a fault")])
def test_a_fault_of_the_program_keeps_its_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()

    @app.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["command"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # typer sets its own
    with pytest.raises(type(error)):
        run(app)


def test_a_reader_that_has_enough_ends_it_quietly(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)  # as `head` does
    with open(write, "wb") as pipe:
        command = [sys.executable, "-m", "amgan", "weights"]
        root = Path(amgan.cli.__file__).parent.parent
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, cwd=root, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


ODD = "hemd \N{GRINNING FACE} \udcff é.png"  # an emoji, and a byte that was no UTF-8


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_odd_file_names_print_in_any_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for action in (lambda: print(ODD), lambda: print_json({"file": ODD})):
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
        assert ending_of(action) == 0
        text = written.getvalue().decode(encoding)
        assert text.startswith(("hemd", "{")) and "\\udcff" in text
    assert json.loads(text) == {"file": ODD}


# --- amgan.files ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def without_privileges(folder: Path) -> Iterator[None]:
    """Within: nothing below the folder can be written, not even by root, who is somebody else meanwhile."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can reach; those of tmp_path are their owner's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.name != "posix", reason="permissions the POSIX way")
def test_permissions_are_tried_not_guessed(open_folder: Path) -> None:
    (open_folder / "old.png").write_bytes(b"old")
    with without_privileges(open_folder):
        for check, path in (
            (writable_folder, open_folder),
            (writable_folder, open_folder / "new" / "er"),
            (writable_file, open_folder / "new.png"),
            (writable_picture, open_folder / "old.png"),
        ):
            with pytest.raises(UserError, match=r"--to .* cannot be written: there is no permission"):
                check(path, "--to")
    assert writable_picture(open_folder / "old.png").read_bytes() == b"old"


def test_trying_makes_what_can_be_made_and_takes_it_away(tmp_path: Path) -> None:
    assert writable_folder(tmp_path / "a" / "b" / "c") == tmp_path / "a" / "b" / "c"
    assert writable_file(tmp_path / "a" / "list.jsonl") == tmp_path / "a" / "list.jsonl"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    writable_folder(tmp_path / "there" / "new")
    assert list(tmp_path.iterdir()) == [tmp_path / "there"]
    with pytest.raises(UserError, match="name is too long"):
        writable_folder(tmp_path / ("n" * 300))


def test_naming_fills_in_what_the_system_leaves_out(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as unnamed, naming(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert unnamed.value.filename == str(tmp_path / "a")
    with pytest.raises(FileNotFoundError) as named, naming(tmp_path / "a"):
        (tmp_path / "b").read_bytes()
    assert named.value.filename == str(tmp_path / "b")


@pytest.mark.skipif(os.name != "posix", reason="permissions the POSIX way")
def test_a_read_only_index_can_be_searched(open_folder: Path) -> None:
    from retrieval.stores import connect
    from retrieval.stores.base import Point, point_id
    from tests.fake_encoder import FakeEncoder

    store = connect(open_folder / "store")
    encoder = FakeEncoder()
    shard = store.create("shop", encoder.identity, encoder.schema)
    vector = np.zeros(encoder.identity.dimensions, np.float32)
    shard.upsert([Point(point_id("a"), vector, {"item_id": "a"})])
    shard.finalize()
    shard.close()
    with without_privileges(open_folder):
        opened = store.open("shop")
        assert len(opened.search(vector, 3)) == 1
        opened.close()
        with pytest.raises(UserError, match="Cannot write"):
            store.open("shop", write=True)
