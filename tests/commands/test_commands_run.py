"""What may not be run is refused with its own exit status, and nothing is created by asking."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.commands import execute as module
from runbook_lib.errors import GateFailed, GateInconclusive, RunbookError, RunError
from runbook_lib.record import statement
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner.run import NotebookRun

Runbook = Callable[..., Any]
FLEET = ("--site", "params/production.example.yaml")


def nothing_created(project: Path) -> bool:
    return list((project / "outputs").iterdir()) == [] and not (project / ".lab").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--change", "c", "--site", "params/none.yaml"), 2, "params/none.yaml: no such site file"),
        (("--change", "c", "--site", "bad.yaml"), 2, "bad.yaml:1: sight: unknown key; did you mean site?"),
        (("--change", "../c", *FLEET), 2, "change id '../c': only a-z, 0-9"),
        (("--change", "C", *FLEET), 2, "change id 'C'"),
        (("--change", "", *FLEET), 2, "change id ''"),
        (("--change", "c", "--only", "99_x", *FLEET), 2, "no notebook 99_x -> there are 10_preflight, 20_baseline"),
        (("--change", "c", "--only", "60_validate", "--dry-run", *FLEET), 2, "nothing to run"),
        (("--change", "c"), 10, "site lab is a lab, and it does not run -> start it"),
        ((), 2, "Missing option '--change'"),
        (("--change", "c", "--dry"), 2, "No such option"),
    ],
)
def test_what_may_not_be_run_is_refused(
    project: Path, runbook: Runbook, words: tuple[str, ...], code: int, said: str
) -> None:
    (project / "bad.yaml").write_text("sight: x\n")
    ended = runbook("run", *words)
    assert ended.code == code
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert nothing_created(project)


def test_notebooks_that_are_not_there_are_refused(project: Path, runbook: Runbook) -> None:
    for path in (project / "notebooks").glob("*.ipynb"):
        path.unlink()
    ended = runbook("run", "--change", "c", *FLEET)
    assert (ended.code, ended.err) == (
        2,
        "runbook: notebooks: holds no notebook named NN_verb.ipynb -> run `make notebooks`\n",
    )
    assert nothing_created(project)


Ends = Callable[[str, type[RunbookError]], None]


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    """Let the first notebook end with an error; no kernel is started."""

    def play(error: str, kind: type[RunbookError]) -> None:
        def run(notebooks: list[Path], output: Path, *_: object, **__: object) -> list[NotebookRun]:
            name = notebooks[0]
            return [NotebookRun(name.stem, output / name.name, 0.0, 1.0, error, kind)]

        monkeypatch.setattr(module, "run", run)

    return play


@pytest.mark.parametrize(
    ("kind", "verdict"), [(GateFailed, "Failed"), (GateInconclusive, "Inconclusive"), (RunError, "Failed")]
)
def test_a_scheduler_reads_from_the_status_what_stopped_a_run(
    project: Path, runbook: Runbook, ends: Ends, kind: type[RunbookError], verdict: str
) -> None:
    ends("gate data: cells differ", kind)
    ended = runbook("run", "--change", "c", *FLEET)
    assert ended.code == {GateFailed: 6, GateInconclusive: 7, RunError: 8}[kind]
    assert f"{verdict}: gate data: cells differ" in ended.out
    folder = ChangeFolder(project / "outputs", "c")
    assert statement.check(folder) == []
    predicate = statement.read(folder)["predicate"]
    assert (predicate["verdict"], predicate["sentence"]) == (verdict, "gate data: cells differ")
    assert predicate["not_run"] == ["20_baseline", "30_producers", "40_consumers", "60_validate", "70_failover_drill"]
    assert folder.site.read_text() == (project / "params/production.example.yaml").read_text()


def test_an_interrupted_run_says_so_and_keeps_its_record(
    project: Path, runbook: Runbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run", interrupted)
    ended = runbook("run", "--change", "c", *FLEET)
    assert ended.code == 130
    assert ended.err.strip() == "runbook: interrupted; what was started has been ended, the record is kept"
    folder = ChangeFolder(project / "outputs", "c")
    assert statement.check(folder) == []
    assert statement.read(folder)["predicate"]["sentence"].startswith("cut off by the operator")
    assert statement.read(folder)["predicate"]["verdict"] == "Inconclusive"
