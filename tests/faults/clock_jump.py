"""A clock that jumps: programs that are started with it see the machine's clock as far off as the test says by then.

Loaded into a program before its C library, so that nothing in it sees another time; only clocks that people set are
changed. Needs a C compiler.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

COMPILER = shutil.which("cc")
SOURCE = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t none, *jump = &none;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_JUMP");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = file < 0 ? MAP_FAILED : mmap(0, sizeof *jump, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) jump = page;
    if (file >= 0) close(file);
}

int clock_gettime(clockid_t which, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, which, now);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) now->tv_sec += *jump;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec fine;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    if (now) *now = fine.tv_sec;
    return fine.tv_sec;
}
"""


class Jump:
    """Built in a directory of its own. ``environment``: what a program must find in its own to see this clock."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._by = directory / "seconds"
        self.by(0)
        library = directory / "clock.so"
        (directory / "clock.c").write_text(SOURCE)
        command = [COMPILER or "cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), f"{directory}/clock.c"]
        subprocess.run(command, check=True)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_JUMP": str(self._by)}

    def by(self, seconds: int) -> None:
        """Let the clock be off by so many seconds from now on, in programs that run already, too."""
        with self._by.open("r+b" if self._by.exists() else "wb", buffering=0) as file:
            file.write(struct.pack("=q", seconds))
