"""The command line as a shell would call it, in a small project of its own."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from village import Village, lay

from runbook_lib import __main__ as command_line
from runbook_lib.change.locks import HostLocks
from runbook_lib.commands import at_work, execute
from runbook_lib.params import Site

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Said:
    """What a command printed and its exit status."""

    code: int
    out: str
    err: str


Runbook = Callable[..., Said]


@pytest.fixture
def runbook(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Runbook]:
    """Call `runbook WORDS`: everything but the process of its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def call(*words: str) -> Said:
        monkeypatch.setattr("sys.argv", ["runbook", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        said = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Said(code, said.out.replace("\n", " "), said.err)

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy params and notebooks beside an empty folder for changes, and go there."""
    for folder in ("params", "notebooks", "outputs"):
        (tmp_path / folder).mkdir()
    for folder, ends in (("params", "*.*"), ("notebooks", "*.py"), ("notebooks", "*.ipynb"), ("notebooks", "*.yaml")):
        for path in (ROOT / folder).glob(ends):
            (tmp_path / folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def locked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return which hosts were locked; none is connected to."""
    asked: list[list[str]] = []

    def hosts_locked(site: Site, _holder: object, _skipping: object) -> AbstractContextManager[HostLocks]:
        asked.append(list(site.hosts))
        return nullcontext(HostLocks(site.hosts))

    monkeypatch.setattr(at_work, "hosts_locked", hosts_locked)
    return asked


@pytest.fixture
def village(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Village:
    """Go to a project with a runbook of its own, whose notebooks are played."""
    lay(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = Village(tmp_path)
    monkeypatch.setattr(execute, "run", found.run)
    return found


@pytest.fixture
def type_in(runbook: Runbook, village: Village) -> Runbook:
    """Call `runbook VERB --site village --change c ...` with the village's runbook where the verb takes one."""
    assert village.root.exists()

    def call(verb: str, *words: str) -> Said:
        change = () if "--change" in words else ("--change", "c")
        book = ("--runbook", "book") if verb in ("run", "rollback", "plan", "report", "open", "abort") else ()
        return runbook(verb, "--site", "village", *book, *change, *words)

    return call
