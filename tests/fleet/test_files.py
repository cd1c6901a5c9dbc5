from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import CommandFailed, TransferFailed
from runbook_lib.fleet import Files, Session
from runbook_lib.values import FileState

if TYPE_CHECKING:
    from tests.fleet.conftest import SshHost

pytestmark = pytest.mark.hosts
ODD = 'a folder/it\'s -a "file" $HOME\n.json'


@pytest.fixture
def files(session: Session) -> Files:
    return Files(session)


def _state(path: str, data: bytes, mode: int) -> FileState:
    return FileState(path, True, hashlib.sha256(data).hexdigest(), mode, len(data))


def _only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("path", ["plain.json", "deep/er/still.json", ODD, "-n", "~/home.json"])
def test_what_is_written_is_read_and_seen(files: Files, host: SshHost, path: str) -> None:
    data = os.urandom(70_000)
    before = len(host.commands)
    assert files.write(path, data, 0o640) == _state(path, data, 0o640)
    assert len(host.commands) == before + 1
    there = host.home / path.removeprefix("~/")
    assert there.read_bytes() == data
    assert there.stat().st_mode & 0o7777 == 0o640
    assert _only(there.parent) == [there.name]
    assert files.read(path) == data
    assert files.stat(path) == _state(path, data, 0o640)
    files.remove(path)
    assert files.read(path) is None
    assert files.stat(path) == FileState(path, False)
    files.remove(path)


def test_a_large_and_an_empty_file(files: Files) -> None:
    large = os.urandom(20 << 20)
    files.write("large", large, 0o600)
    assert files.read("large") == large
    files.write("empty", b"", 0o600)
    assert files.read("empty") == b""


def test_many_files_are_looked_at_in_one_round_trip(files: Files, host: SshHost) -> None:
    for n in range(50):
        (host.home / f"f{n}").write_bytes(b"%d" % n)
        (host.home / f"f{n}").chmod(0o604)
    before = len(host.commands)
    seen = files.stat_all([*(f"f{n}" for n in range(50)), "none", "no/such/folder"])
    assert len(host.commands) == before + 1
    assert seen == {
        **{f"f{n}": _state(f"f{n}", b"%d" % n, 0o604) for n in range(50)},
        "none": FileState("none", False),
        "no/such/folder": FileState("no/such/folder", False),
    }


def test_a_file_is_replaced_whole_and_a_link_is_followed(files: Files, host: SshHost) -> None:
    (host.home / "real").mkdir()
    (host.home / "real" / "config").write_text("old")
    (host.home / "config").symlink_to("real/config")
    inode = (host.home / "real" / "config").stat().st_ino
    files.write("config", b"new", 0o600)
    assert (host.home / "config").is_symlink()
    assert (host.home / "real" / "config").read_text() == "new"
    assert (host.home / "real" / "config").stat().st_ino != inode
    assert _only(host.home / "real") == ["config"]


def test_a_cut_connection_in_mid_write_leaves_the_old_file(files: Files, host: SshHost, session: Session) -> None:
    (host.home / "config").write_text("old")
    session.connect()
    cutter = threading.Thread(target=_cut_when_it_grows, args=(host,))
    cutter.start()
    with pytest.raises(TransferFailed, match="h73: writing config: cut off"):
        files.write("config", b"x" * (64 << 20), 0o600)
    cutter.join()
    assert files.read("config") == b"old"
    for _ in range(100):
        if _only(host.home) == ["config"]:
            break
        threading.Event().wait(0.02)
    assert _only(host.home) == ["config"]


def _cut_when_it_grows(host: SshHost) -> None:
    for _ in range(500):
        if any(path.stat().st_size for path in host.home.glob(".config.runbook-*")):
            break
        threading.Event().wait(0.01)
    host.cut()


def test_a_disk_that_is_full_leaves_the_old_file(files: Files, host: SshHost) -> None:
    (host.home / "config").write_text("old")
    tool = host.home / "bin" / "cat"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nhead -c 10\necho 'cat: write error: No space left on device' >&2\nexit 1\n")
    tool.chmod(0o755)
    host.env["PATH"] = f"{tool.parent}:{host.env['PATH']}"
    with pytest.raises(TransferFailed, match=r"h73: `writing config` ended with status 1: cat: .*No space left"):
        files.write("config", b"x" * 100, 0o600)
    tool.write_text("#!/bin/sh\nhead -c 10\n")
    with pytest.raises(TransferFailed, match="digest differs"):
        files.write("config", b"x" * 100, 0o600)
    assert (host.home / "config").read_text() == "old"
    assert _only(host.home) == ["bin", "config"]


def test_what_cannot_be_a_file_is_refused(files: Files, host: SshHost) -> None:
    (host.home / "folder").mkdir()
    (host.home / "file").write_text("")
    with pytest.raises(TransferFailed, match="is a directory"):
        files.write("folder", b"x", 0o600)
    with pytest.raises(TransferFailed, match=r"cannot create directory .*: File exists"):
        files.write("file/below", b"x", 0o600)
    with pytest.raises(CommandFailed, match="Is a directory"):
        files.stat("folder")
    with pytest.raises(CommandFailed, match="Is a directory"):
        files.read("folder")
    with pytest.raises(CommandFailed, match="directory"):
        files.remove("folder")
    os.mkfifo(host.home / "pipe")
    with pytest.raises(CommandFailed, match="pipe is no plain file"):
        files.stat("pipe")


def test_an_original_is_kept_with_mode_and_time_and_never_overwritten(files: Files, host: SshHost) -> None:
    source = host.home / "config"
    source.write_text("first")
    source.chmod(0o604)
    os.utime(source, (1_000_000_000, 1_000_000_000))
    assert files.copy("config", "kept/config.1") == _state("kept/config.1", b"first", 0o604)
    kept = host.home / "kept" / "config.1"
    assert (kept.read_text(), kept.stat().st_mtime) == ("first", 1_000_000_000)
    files.copy("config", "kept/config.1")
    source.write_text("second")
    with pytest.raises(TransferFailed, match="exists already and is another file"):
        files.copy("config", "kept/config.1")
    assert kept.read_text() == "first"
    files.copy("config", "kept/config.1", replace=True)
    assert kept.read_text() == "second"
    assert _only(host.home / "kept") == ["config.1"]
    with pytest.raises(TransferFailed, match="none does not exist"):
        files.copy("none", "kept/none")


def test_as_root(session: Session, host: SshHost) -> None:
    tool = host.home / "bin" / "sudo"
    tool.parent.mkdir()
    tool.write_text(
        '#!/bin/sh\nwhile [ "$1" != -- ] && [ "$1" != true ]; do shift; done\n[ "$1" = true ] || shift\nexec "$@"\n'
    )
    (host.home / "bin" / "id").write_text("#!/bin/sh\necho 1000\n")
    for path in tool.parent.iterdir():
        path.chmod(0o755)
    host.env["PATH"] = f"{tool.parent}:{host.env['PATH']}"
    files = Files(session, sudo=True)
    files.write("etc/it's.conf", b"data", 0o644)
    assert files.read("etc/it's.conf") == b"data"
    assert files.stat("etc/it's.conf") == _state("etc/it's.conf", b"data", 0o644)
    files.copy("etc/it's.conf", "etc/kept")
    files.remove("etc/it's.conf")
    assert _only(host.home / "etc") == ["kept"]
    assert all(command.startswith(("sudo -n -- ", "if [")) for command in host.commands)
