from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncssh
import pytest

from runbook_lib.lab.hosts import HostSettings

pytestmark = [pytest.mark.hosts, pytest.mark.usefixtures("host")]
Connect = Callable[..., AbstractAsyncContextManager[asyncssh.SSHClientConnection]]


@pytest.fixture
async def sftp(connect: Connect) -> AsyncIterator[asyncssh.SFTPClient]:
    async with connect() as ssh, ssh.start_sftp_client() as client:
        yield client


@pytest.fixture
def outside(settings: HostSettings, tmp_path: Path) -> Path:
    """Make a shared environment that links in the home lead to."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "file").write_text("shared")
    (settings.home / ".venv").symlink_to(shared)
    (settings.home / "direct").symlink_to(shared / "file")
    return shared


def content(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


async def test_relative_paths_start_at_home_and_absolute_ones_at_the_root(
    sftp: asyncssh.SFTPClient, settings: HostSettings
) -> None:
    async with sftp.open("a.bin", "wb") as file:
        await file.write(bytes(range(256)))
        await file.fsync()
    assert (settings.home / "a.bin").read_bytes() == bytes(range(256))
    await sftp.makedirs("/etc/x")
    assert (settings.root / "etc" / "x").is_dir()
    assert await sftp.listdir("/home/freqai/../..//etc") == [".", "..", "x"]


async def test_real_paths_are_what_commands_see(sftp: asyncssh.SFTPClient, settings: HostSettings) -> None:
    (settings.home / "a").write_text("x")
    assert await sftp.realpath(".") == str(settings.home)
    assert await sftp.realpath("/home/freqai/a") == str(settings.home / "a")
    assert await sftp.exists(str(settings.home / "a"))


async def test_dots_end_at_the_root(sftp: asyncssh.SFTPClient, settings: HostSettings, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    assert not await sftp.exists("../" * 30 + "etc/passwd")
    assert not await sftp.exists(str(tmp_path / "secret"))
    assert not await sftp.exists(f"{settings.root}/../../secret")


async def test_rename_in_one_step_and_modes(sftp: asyncssh.SFTPClient, settings: HostSettings) -> None:
    (settings.home / "new").write_text("new")
    (settings.home / "old").write_text("old")
    with pytest.raises(asyncssh.SFTPError):
        await sftp.rename("new", "old")
    await sftp.chmod("new", 0o600)
    await sftp.posix_rename("new", "old")
    assert (settings.home / "old").read_text() == "new"
    assert (settings.home / "old").stat().st_mode & 0o777 == 0o600
    assert not (settings.home / "new").exists()


async def test_links_out_of_the_root_are_read(sftp: asyncssh.SFTPClient, outside: Path) -> None:
    async with sftp.open(".venv/file") as file:
        assert await file.read() == "shared"
    assert await sftp.listdir(".venv") == [".", "..", "file"]
    assert await sftp.readlink(".venv") == str(outside)


@pytest.mark.parametrize(
    "write",
    [
        lambda sftp: sftp.open(".venv/file", "w").__aenter__(),
        lambda sftp: sftp.open(".venv/new", "a").__aenter__(),
        lambda sftp: sftp.open("direct", "r+").__aenter__(),
        lambda sftp: sftp.remove(".venv/file"),
        lambda sftp: sftp.mkdir(".venv/new"),
        lambda sftp: sftp.rmdir(".venv/new"),
        lambda sftp: sftp.chmod("direct", 0o777),
        lambda sftp: sftp.utime(".venv/file", (1, 1)),
        lambda sftp: sftp.truncate("direct", 0),
        lambda sftp: sftp.rename("mine", ".venv/new"),
        lambda sftp: sftp.posix_rename("mine", ".venv/file"),
        lambda sftp: sftp.rename(".venv/file", "taken"),
        lambda sftp: sftp.symlink("mine", ".venv/new"),
        lambda sftp: sftp.link(".venv/file", "hard"),
    ],
)
async def test_nothing_is_written_through_them(
    sftp: asyncssh.SFTPClient, outside: Path, settings: HostSettings, write: Callable[[asyncssh.SFTPClient], object]
) -> None:
    (settings.home / "mine").write_text("mine")
    before = (outside / "file").stat()
    with pytest.raises(asyncssh.SFTPPermissionDenied):
        await write(sftp)  # type: ignore[misc]  # each of them is awaited
    after = (outside / "file").stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (before.st_mode, before.st_mtime_ns, before.st_nlink)
    assert content(outside) == {"file": "shared"}


async def test_no_link_is_made_that_leads_out(sftp: asyncssh.SFTPClient, settings: HostSettings) -> None:
    await sftp.symlink("../" * 30 + "etc", "relative")
    await sftp.symlink("/etc", "absolute")
    for link in ("relative", "absolute"):
        assert (settings.home / link).resolve() == settings.root / "etc"


async def test_the_link_itself_may_be_replaced(
    sftp: asyncssh.SFTPClient, outside: Path, settings: HostSettings
) -> None:
    (settings.home / "mine").write_text("mine")
    await sftp.posix_rename("mine", "direct")
    assert not (settings.home / "direct").is_symlink()
    assert (outside / "file").read_text() == "shared"
    await sftp.remove(".venv")
    assert content(outside) == {"file": "shared"}


async def test_scp(connect: Connect, settings: HostSettings, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"\0\xff" * 1000)
    async with connect() as ssh:
        await asyncssh.scp(str(tmp_path / "sent"), (ssh, "got"))
    assert (settings.home / "got").read_bytes() == b"\0\xff" * 1000
