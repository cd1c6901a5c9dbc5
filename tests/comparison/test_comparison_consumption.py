from __future__ import annotations

import os
import subprocess
import sys

from consumption import ProcessorMeter, memory, processor_seconds

BURN = "import time\nwhile time.process_time() < 0.5: pass\n"


def test_what_goes_by_while_paused_is_left_out() -> None:
    used = {"75": 10.0, "proxy": 1.0}
    meter = ProcessorMeter(lambda: dict(used))
    used["75"] = 13.0
    with meter.paused():
        used["75"] = 17.0
        used["proxy"] = 1.5
    used["75"] = 18.0
    assert meter.spent() == {"75": 4.0, "proxy": 0.0}


def test_a_process_is_told_with_all_that_it_started_the_ended_included() -> None:
    script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()  # its child has burnt its time and is gone
        used = processor_seconds(parent.pid)
        parent.communicate("\n")
    assert 0.4 < used < 5


def test_a_living_child_counts_too() -> None:
    script = f"{BURN}print(flush=True)\ninput()"
    before = processor_seconds(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = processor_seconds(os.getpid())
        held = memory(os.getpid())
        alone = memory(child.pid)
        child.communicate("\n")
    assert during - before > 0.4  # the kernel counts in hundredths
    assert held.resident > alone.resident > 1_000_000
