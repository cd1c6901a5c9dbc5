import ast
import platform
import socket
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.freqtrade.probes.host import ClockReading, best, clock, host_facts

IN_FREQTRADE = "history.py"  # runs in freqtrade's own environment: it asks freqtrade
SCRIPTS = sorted(
    str(path)
    for path in files("runbook_lib.freqtrade.probes.scripts").iterdir()
    if path.name.endswith(".py") and path.name != IN_FREQTRADE
)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: Path(path).name)
def test_scripts_need_no_more_than_an_old_python_and_its_library(path: str) -> None:
    tree = ast.parse(Path(path).read_text(), feature_version=(3, 9))
    nodes = list(ast.walk(tree))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names - {"__future__"}
    assert not any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) for node in nodes)  # X | Y: 3.10


def test_facts_of_this_machine(here: Any) -> None:
    (here.home / "config.json").write_text("{}")
    (here.home / "config.json").chmod(0o640)
    with socket.create_server(("127.0.5.1", 0)) as taken, socket.create_server(("127.0.5.2", 0)) as elsewhere:
        busy, free = taken.getsockname()[1], elsewhere.getsockname()[1]
        facts = host_facts(
            here,
            address="127.0.5.1",
            freqtrade_python=sys.executable,
            path="freqtrade/not/made/yet",
            ports=[busy, free],
            files=["config.json", "absent.json", "."],
        )
    assert facts.python == platform.python_version()
    assert facts.freqtrade == ""
    assert "No package metadata was found for freqtrade" in facts.freqtrade_error
    assert facts.processors > 0
    assert facts.memory_megabytes > 100
    assert facts.free_megabytes > 0
    assert [(port.port, port.taken, port.error) for port in facts.ports] == [(busy, True, ""), (free, False, "")]
    present, absent, directory = facts.files
    assert (present.exists, present.mode, present.size, present.open_to_others) == (True, 0o640, 2, True)
    assert (absent.exists, absent.error) == (False, "No such file or directory")
    assert (directory.exists, directory.error) == (False, "is no regular file")


def test_an_address_of_another_host_is_said_to_be_one(here: Any) -> None:
    (port,) = host_facts(here, address="192.0.2.1", freqtrade_python="x", path=".", ports=[8080]).ports
    assert (port.taken, port.error) == (False, "Cannot assign requested address")


def test_a_freqtrade_that_is_not_there_is_named(here: Any) -> None:
    facts = host_facts(here, address="127.0.0.1", freqtrade_python="freqtrade/.venv/bin/python", path=".")
    assert facts.freqtrade_error == "freqtrade/.venv/bin/python does not exist"


def test_the_version_comes_from_the_metadata_of_that_python(here: Any) -> None:
    fake = here.home / "python"
    fake.write_text("#!/bin/sh\necho 2026.9 3.11.2\n")
    fake.chmod(0o755)
    facts = host_facts(here, address="127.0.0.1", freqtrade_python=str(fake), path=".")
    assert (facts.freqtrade, facts.freqtrade_python, facts.freqtrade_error) == ("2026.9", "3.11.2", "")


def test_clock_of_this_machine_is_this_clock(here: Any) -> None:
    reading = clock(here, times=2)
    assert abs(reading.offset_seconds) <= reading.error_seconds


def test_offset_is_taken_from_the_quickest_reading() -> None:
    slow = ClockReading(asked=100.0, said=103.5, answered=102.0)
    quick = ClockReading(asked=200.0, said=202.05, answered=200.1)
    assert best([slow, quick]) is quick
    assert quick.offset_seconds == pytest.approx(2.0)
    assert quick.error_seconds == pytest.approx(0.05)
