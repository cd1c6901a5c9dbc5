"""Real papermill, real kernels: how a run passes, fails, stops, and what it leaves. Three kernels in all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from papermill.iorw import papermill_io

from runbook_lib.errors import GateFailed, GateInconclusive, ParamsError, RunbookError, RunError, Stopped
from runbook_lib.record import executed
from runbook_lib.runner import run as runner
from runbook_lib.runner.run import Kernels, NotebookRun, lay_out, run
from runbook_lib.runner.source import generate

HEAD = '# %% [markdown]\n# # 10 · X\n\n# %% tags=["parameters"]\nsite = "default"\ndry_run = False\n\n'
PASSES = """\
# %%
import json, os, psutil
from runbook_lib.values import Progress
from runbook_lib.view.progress import Waiting

with Waiting("3 candles") as waiting:
    waiting.report(Progress("3 candles", 1764000000.0, 1, 3))
    waiting.report(Progress("3 candles", None, 3, 3))

# %%
from ipykernel.kernelapp import IPKernelApp

app = IPKernelApp.instance()
listening = [c.laddr.port for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN]
sockets = os.stat(os.path.dirname(app.ip))
print(json.dumps({
    "site": site, "dry_run": dry_run, "cwd": os.getcwd(), "transport": app.transport, "mode": sockets.st_mode & 0o777,
    "listening": sorted(listening), "children": app.iopub_thread._pipe_port,
}))
"""
GATE = """\
# %%
from runbook_lib.errors import GateFailed
print("before the gate", '"ws_token": "Zk3v9QeT7xLr2PwY"')

# %%
raise GateFailed("gate data: 75: cells differ: expected 0, observed 3", remedy="look there")

# %%
print("never")
"""
BREAKS = "# %%\nraise ValueError('first line\\nsecond line')\n"


@dataclass
class Ran:
    runs: list[NotebookRun]
    progress: list[Mapping[str, Any]]
    output: Path
    cwd: Path
    home: Path


def write(folder: Path, **sources: str) -> list[Path]:
    paths = []
    for name, text in sources.items():
        source = folder / f"{name.removeprefix('n')}.py"
        source.write_text(HEAD + text, encoding="utf-8")
        source.with_suffix(".ipynb").write_text(generate(source), encoding="utf-8")
        paths.append(source.with_suffix(".ipynb"))
    return paths


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One that passes, one that a gate stops, one that must not run."""
    home = tmp_path_factory.mktemp("runbook")
    notebooks = write(home, n10_passes=PASSES, n20_gate=GATE, n30_never=PASSES)
    heard: list[Mapping[str, Any]] = []
    (cwd := home / "root").mkdir()
    parameters = {"site": "mine.yaml", "dry_run": True}
    runs = list(run(notebooks, home / "out" / "deep", parameters, Kernels(cwd, heard.append)))
    return Ran(runs, heard, home / "out" / "deep", cwd, home)


def test_a_secret_that_a_cell_shows_is_masked_in_what_is_kept(ran: Ran) -> None:
    shown = said(ran.output / "20_gate.ipynb")
    assert "before the gate" in shown
    assert "Zk3v9QeT7xLr2PwY" not in shown


def said(path: Path) -> str:
    notebook = nbformat.read(path, as_version=4)
    return "".join(output.text for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output)


def test_a_notebook_whose_cells_all_ran_has_passed(ran: Ran) -> None:
    passed = ran.runs[0]
    assert (passed.name, passed.passed, passed.error) == ("10_passes", True, None)
    assert passed.path == ran.output / "10_passes.ipynb"
    assert 0 < passed.seconds < 60
    assert executed.read(passed.path).completed


def test_the_record_does_not_tell_whose_disk_it_lies_on(ran: Ran) -> None:
    told = nbformat.read(ran.runs[0].path, as_version=4).metadata.papermill
    assert not [path for path in (told.input_path, told.output_path) if Path(path).is_absolute()]


def test_parameters_and_directory_are_those_that_were_handed_over(ran: Ran) -> None:
    told = json.loads(said(ran.runs[0].path))
    assert (told["site"], told["dry_run"], told["cwd"]) == ("mine.yaml", True, str(ran.cwd))


def test_nobody_else_can_reach_the_kernel(ran: Ran) -> None:
    """Its channels are sockets in a folder of ours; the one port left is where forked children write their output."""
    told = json.loads(said(ran.runs[0].path))
    assert (told["transport"], told["mode"]) == ("ipc", 0o700)
    assert told["listening"] == [told["children"]]


def test_kernels_leave_no_sockets_behind(ran: Ran) -> None:
    assert not [path for path in ran.home.rglob("*") if path.is_socket()]
    assert list(ran.cwd.iterdir()) == []


def test_what_a_cell_waits_for_is_heard_at_once(ran: Ran) -> None:
    assert ran.progress == [
        {"what": "3 candles", "until": 1764000000.0, "done": 1, "total": 3},
        {"what": "3 candles", "until": None, "done": 3, "total": 3},
    ]


def test_a_gate_that_fails_in_the_kernel_fails_the_run_as_itself(ran: Ran) -> None:
    failed = ran.runs[1]
    assert not failed.passed
    assert failed.kind is GateFailed
    assert failed.kind.exit_code == 6
    assert failed.error == "gate data: 75: cells differ: expected 0, observed 3 -> look there"


def test_nothing_runs_after_a_notebook_that_failed(ran: Ran) -> None:
    assert [ended.name for ended in ran.runs] == ["10_passes", "20_gate"]
    assert not (ran.output / "30_never.ipynb").exists()


def test_what_ran_before_the_failure_is_kept(ran: Ran) -> None:
    kept = executed.read(ran.output / "20_gate.ipynb")
    assert [cell.completed for cell in kept.cells][-3:] == [True, False, False]
    assert kept.error.startswith("GateFailed: gate data")
    assert "before the gate" in said(kept.path)
    assert "never" not in said(kept.path)


def test_any_other_error_is_one_line_with_its_name(tmp_path: Path) -> None:
    [ended] = run(write(tmp_path, n10_x=BREAKS), tmp_path / "out", {}, Kernels(tmp_path, [].append))
    assert ended.error == "ValueError: first line"
    assert ended.kind is RunError
    assert ended.kind.exit_code == 8


def test_an_unknown_parameter_is_refused_before_any_kernel_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object, **__: object) -> None:
        pytest.fail("a kernel was started")

    monkeypatch.setattr(runner.papermill, "execute_notebook", start)
    notebooks = write(tmp_path, n10_a=PASSES, n20_b=PASSES)
    with pytest.raises(ParamsError) as caught:
        list(run(notebooks, tmp_path / "out", {"sight": 1, "x": 2}, Kernels(tmp_path, [].append)))
    assert str(caught.value) == "10_a.ipynb has no parameter sight, x -> it knows dry_run, site"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("GateInconclusive", GateInconclusive),
        ("ParamsError", ParamsError),
        ("RunbookError", RunbookError),
        ("KeyError", RunError),
        ("ClassVar", RunError),
        ("annotations", RunError),
        ("_rebuild", RunError),
        ("", RunError),
    ],
)
def test_only_our_own_errors_keep_their_kind(name: str, kind: type[RunbookError]) -> None:
    assert runner._kind(name) is kind


@pytest.mark.parametrize(
    ("name", "words", "line"),
    [
        ("StalePlan", "75: edited -> plan again", "75: edited -> plan again"),
        ("KeyError", "'x'", "KeyError: 'x'"),
        ("TypeError", "a\nb", "TypeError: a"),
        ("KeyboardInterrupt", "", "KeyboardInterrupt"),
        ("StalePlan", "", "StalePlan"),
    ],
)
def test_an_error_is_told_in_one_line(name: str, words: str, line: str) -> None:
    assert runner._one_line(name, words) == line


def test_notebooks_are_laid_out_once_with_their_parameters(tmp_path: Path) -> None:
    notebooks = write(tmp_path, n10_a=PASSES, n20_b=GATE)
    (out := tmp_path / "out").mkdir()
    (out / "20_b.ipynb").write_text("mine")
    assert lay_out(notebooks, out, {"site": "mine.yaml"}) == [out / "10_a.ipynb"]
    assert (out / "20_b.ipynb").read_text() == "mine"
    laid = nbformat.read(out / "10_a.ipynb", as_version=4)
    (told,) = [cell.source for cell in laid.cells if "site = " in cell.source]  # no default beside it
    assert 'site = "mine.yaml"' in told
    assert not executed.read(out / "10_a.ipynb").completed
    with pytest.raises(ParamsError, match="has no parameter x"):
        lay_out(notebooks, out, {"x": 1})


def test_a_runbooks_own_modules_are_laid_out_beside_its_notebooks(tmp_path: Path) -> None:
    notebooks = write(tmp_path, n10_a=PASSES)
    (tmp_path / "of_ours.py").write_text("x = 1\n")
    (out := tmp_path / "out").mkdir()
    lay_out(notebooks, out, {"site": "mine.yaml"})
    assert sorted(path.name for path in out.iterdir()) == ["10_a.ipynb", "of_ours.py"]


def test_who_begins_a_notebook_is_asked_first_and_may_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def begin(name: str) -> None:
        begun.append(name)
        if name == "20_b":
            raise Stopped("SIGINT")

    monkeypatch.setattr(runner, "_run_one", lambda notebook, *_: NotebookRun(notebook.stem, notebook, 0.0, 0.0))
    runs = run(write(tmp_path, n10_a=PASSES, n20_b=PASSES), tmp_path, {}, Kernels(tmp_path, [].append), begin=begin)
    assert next(runs).name == "10_a"
    with pytest.raises(Stopped):
        next(runs)
    assert begun == ["10_a", "20_b"]


def test_an_executed_notebook_is_whole_and_masked_whenever_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    papermill_io.write('{"ws_token": "Zk3v9QeT7xLr2PwY"}', str(path))
    inode = path.stat().st_ino
    papermill_io.write("{}", str(path))
    assert path.stat().st_ino != inode  # renamed into its place, never written into
    papermill_io.write('{"ws_token": "Zk3v9QeT7xLr2PwY"}', str(path))
    assert "Zk3v9QeT7xLr2PwY" not in path.read_text()


DIES = "# %%\nprint('first')\n\n# %%\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n\n# %%\nprint('never')\n"


def test_a_kernel_that_is_killed_leaves_no_cell_completed_that_did_not_run_to_its_end(tmp_path: Path) -> None:
    (notebook,) = write(tmp_path, n10_dies=DIES)
    parameters = {"site": "lab", "dry_run": True}
    (ended,) = run([notebook], tmp_path / "out", parameters, Kernels(tmp_path, lambda _content: None))
    assert (ended.kind, ended.error) == (RunError, "the kernel died")
    left = executed.read(tmp_path / "out" / "10_dies.ipynb")
    assert [cell.completed for cell in left.cells] == [True, True, False, False]


def test_a_kernel_that_does_not_start_ends_the_run_as_one_that_died(tmp_path: Path) -> None:
    (notebook,) = write(tmp_path, n10_dies=DIES)
    kernels = Kernels(tmp_path, lambda _content: None, {**os.environ, "PYTHONHOME": str(tmp_path)})
    (ended,) = run([notebook], tmp_path / "out", {"site": "lab", "dry_run": True}, kernels)
    assert ended.kind is RunError
    assert str(ended.error).startswith("the kernel did not start: ")


def test_a_run_that_is_interrupted_leaves_no_cell_completed_that_did_not_run_to_its_end(tmp_path: Path) -> None:
    waits = "from runbook_lib.view.progress import Waiting\nfrom runbook_lib.values import Progress\n"
    waits += "with Waiting('x') as waiting:\n    waiting.report(Progress('x'))\nimport time; time.sleep(60)\n"
    (notebook,) = write(tmp_path, n10_waits=f"# %%\n{waits}\n# %%\nprint('never')\n")

    def interrupt(_content: Mapping[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run([notebook], tmp_path / "out", {"site": "lab", "dry_run": True}, Kernels(tmp_path, interrupt)))
    left = executed.read(tmp_path / "out" / "10_waits.ipynb")
    assert [cell.completed for cell in left.cells] == [True, False, False]


HANGS = """\
# %%
import atexit, pathlib, time

atexit.register(lambda: (pathlib.Path("ends").write_text(str(time.time())), time.sleep(60)))
"""


def test_a_kernel_that_hangs_at_its_end_is_not_waited_for(tmp_path: Path) -> None:
    (notebook,) = write(tmp_path, n10_hangs=HANGS)
    (ended,) = run(
        [notebook], tmp_path / "out", {"site": "lab", "dry_run": True}, Kernels(tmp_path, lambda _said: None)
    )
    assert ended.passed
    assert time.time() - float((tmp_path / "ends").read_text()) < 2.2  # seconds; by default it is told to end after 2.5
