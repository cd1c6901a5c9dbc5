"""Small disks, for one embedded host or for the operator. Run as a program: that host, until its input ends.

Two ways to have one without root. ``own file system``: the host's root is a tmpfs of a few megabytes, mounted in a user
and mount namespace of this process and its children; it is a disk that is really full. ``file limit``: the kernel
refuses to let any file of the host grow beyond a size (RLIMIT_FSIZE). That models a full disk where the kernel gives no
namespaces to users: a real error in mid-write, though by another name, and for large files alone.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from runbook_lib.lab.hosts import EmbeddedHosts, HostSettings

DISK = 4 << 20  # bytes
LARGEST_FILE = 1 << 20  # bytes
NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount"]
CAUSES = {"own file system": "No space left on device", "file limit": "File size limit exceeded"}


def namespaces() -> bool:
    """Whether the kernel lets us have file systems of our own."""
    try_mount = [*NAMESPACES, "mount", "-t", "tmpfs", "-o", "size=1m", "small", "/mnt"]
    return subprocess.run(try_mount, capture_output=True, check=False).returncode == 0


@contextmanager
def small_directory(mount_point: Path) -> Iterator[Path]:
    """Lend a directory on a small disk; it is seen by that path alone."""
    mount_point.mkdir()
    mount = f"mount -t tmpfs -o size={DISK},mode=700 small {shlex.quote(str(mount_point))}"
    program = [*NAMESPACES, "sh", "-c", f"{mount} && echo up && exec cat"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield Path(f"/proc/{process.pid}/root") / mount_point.relative_to("/")
        process.stdin.close()
        assert process.wait(5) == 0


@contextmanager
def small_disk(settings: HostSettings, kind: str) -> Iterator[None]:
    """Run one host with a small disk in a process of its own."""
    given = json.dumps(asdict(settings), default=str)
    settings.root.mkdir(parents=True, exist_ok=True)
    program = [sys.executable, str(Path(__file__)), given]
    if kind == "own file system":
        mount = f"mount -t tmpfs -o size={DISK},mode=700 small {shlex.quote(str(settings.root))}"
        program = [*NAMESPACES, "sh", "-c", f'{mount} && exec "$@"', "sh", *program]
    else:
        program = ["prlimit", f"--fsize={LARGEST_FILE}", *program]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield
        process.stdin.close()
        assert process.wait(20) == 0


async def main() -> None:
    given = json.loads(sys.argv[1])
    paths = {key: Path(given.pop(key)) for key in ("root", "host_key", "authorized_keys")}
    hosts = EmbeddedHosts([HostSettings(**given, **paths)])
    await hosts.start()
    sys.stdout.write("up\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await hosts.stop()


if __name__ == "__main__":
    asyncio.run(main())
