"""What is generated has to be what its source says, and is never changed by looking."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Runbook = Callable[..., Any]


@pytest.fixture
def generated(project: Path, runbook: Runbook) -> Path:
    assert runbook("generate").code == 0
    return project


def test_what_agrees_is_left_alone(generated: Path, runbook: Runbook) -> None:
    files = {path: path.stat().st_mtime_ns for path in generated.rglob("*") if path.is_file()}
    assert runbook("generate", "--check").code == 0
    sources = list((generated / "notebooks").glob("*.py"))
    assert f"{len(sources) + 1} generated files agree" in runbook("generate").out
    assert {path: path.stat().st_mtime_ns for path in generated.rglob("*") if path.is_file()} == files


def touch_output(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][1]["execution_count"] = 1
    path.write_text(json.dumps(notebook), encoding="utf-8")


def remove(path: Path) -> None:
    path.unlink()


def add_a_space(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "touch"),
    [
        ("notebooks/20_baseline.ipynb", touch_output),
        ("notebooks/20_baseline.ipynb", add_a_space),
        ("notebooks/20_baseline.ipynb", remove),
        ("params/schema.json", add_a_space),
        ("params/schema.json", remove),
    ],
)
def test_a_touched_file_is_named_and_mended_only_on_demand(
    generated: Path, runbook: Runbook, name: str, touch: Callable[[Path], None]
) -> None:
    path = generated / name
    whole = path.read_bytes()
    touch(path)
    touched = path.read_bytes() if path.exists() else None
    said = runbook("generate", "--check")
    assert said.code == 8
    assert said.err == f"runbook: not as generated: {name} -> run `make notebooks`\n"
    assert (path.read_bytes() if path.exists() else None) == touched
    assert runbook("generate").code == 0
    assert path.read_bytes() == whole


def test_a_source_that_was_changed_is_found(generated: Path, runbook: Runbook) -> None:
    source = generated / "notebooks/10_preflight.py"
    source.write_text(source.read_text(encoding="utf-8") + "#\n# More.\n", encoding="utf-8")
    assert "notebooks/10_preflight.ipynb" in runbook("generate", "--check").err
