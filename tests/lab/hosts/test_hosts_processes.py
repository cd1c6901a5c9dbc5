from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from runbook_lib.lab.hosts.processes import _environment, end_all, marked, send, send_group


async def test_marked_processes_are_found_wherever_they_went(
    tmp_path: Path, eventually: Callable[..., Awaitable[None]]
) -> None:
    mark = uuid.uuid4().hex
    script = f"setsid sh -c '(echo $$ > {tmp_path}/pid; exec sleep 1000) & exec sleep 1000' & exec sleep 1000"
    # an unmarked one whose mark only begins the same must be left alone
    with (
        subprocess.Popen(  # noqa: ASYNC220  starts in a millisecond, and is no child of the loop
            ["sh", "-c", script], env={"M": mark, "PATH": os.defpath}
        ) as process,
        subprocess.Popen(  # noqa: ASYNC220  as above
            ["sleep", "1000"], env={"M": mark + "x", "PATH": os.defpath}
        ) as other,
    ):
        await eventually(lambda: len(marked("M", mark)) == 3)
        assert process.pid in marked("M", mark)
        await end_all("M", mark)
        assert marked("M", mark) == []
        assert process.wait(1) == -signal.SIGKILL
        assert other.poll() is None
        send_group(os.getpid() * 100 + 7, signal.SIGKILL)
        send([other.pid], signal.SIGKILL)
        assert other.wait(1) == -signal.SIGKILL
        send([other.pid], signal.SIGKILL)


def test_a_process_amid_an_exec_is_not_missed(tmp_path: Path) -> None:
    """Without a second look, about one in 300 of these is."""
    script = tmp_path / "again.sh"
    script.write_text(f"exec sh {script}\n")
    with subprocess.Popen(["sh", script], env={"M": "x", "PATH": os.defpath}) as process:
        missed = sum(b"M=x" not in _environment(process.pid) for _ in range(3000))
        process.kill()
    assert missed == 0
