"""Say what this host is and has: Python, freqtrade, processors, memory, disk, ports, files.

Arguments: path (where free space is asked for), freqtrade_python, address, ports, files (paths).
"""

import errno
import os
import platform
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

VERSION = "import importlib.metadata as m, platform as p; print(m.version('freqtrade'), p.python_version())"


def freqtrade(python: str) -> dict[str, Any]:
    """Ask freqtrade's Python for its versions; the package's metadata says so without the slow import."""
    if not Path(python).exists():
        return {"error": python + " does not exist"}
    try:
        asked = subprocess.run([python, "-c", VERSION], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603 - the site file names it
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": python + ": " + str(error)}
    if asked.returncode:
        lines = asked.stderr.strip().splitlines() or ["exit status " + str(asked.returncode)]
        return {"error": python + ": " + lines[-1]}
    version, python_version = asked.stdout.split()
    return {"version": version, "python": python_version}


def port(address: str, number: int) -> dict[str, Any]:
    """Try to bind: the only question whose answer needs no rights and no other program."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        # a port that only has connections fading out is free; Linux still refuses one that is listened on
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((address, number))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            return {"port": number, "taken": taken, "error": "" if taken else os.strerror(error.errno or 0)}
    return {"port": number, "taken": False, "error": ""}


def file(path: str) -> dict[str, Any]:
    """Whether a file is there, and who may read it."""
    try:
        found = Path(path).expanduser().stat()
    except OSError as error:
        return {"path": path, "exists": False, "mode": 0, "size": 0, "error": error.strerror}
    return {
        "path": path,
        "exists": stat.S_ISREG(found.st_mode),
        "mode": stat.S_IMODE(found.st_mode),
        "size": found.st_size,
        "error": "" if stat.S_ISREG(found.st_mode) else "is no regular file",
    }


def free_megabytes(path: str) -> int:
    """Space that this login may still use there; of the nearest directory that exists."""
    place = Path(path).expanduser().resolve()
    while not place.exists():
        place = place.parent
    space = os.statvfs(place)
    return int(space.f_bavail * space.f_frsize // 1_000_000)


def main(arguments: dict[str, Any]) -> dict[str, Any]:
    """Collect the facts."""
    return {
        "python": platform.python_version(),
        "freqtrade": freqtrade(str(Path(arguments["freqtrade_python"]).expanduser())),
        "processors": os.cpu_count() or 0,
        "memory_megabytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000,
        "free_megabytes": free_megabytes(arguments["path"]),
        "ports": [port(arguments["address"], number) for number in arguments["ports"]],
        "files": [file(path) for path in arguments["files"]],
    }
