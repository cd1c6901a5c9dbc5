"""One set of pins: pyproject.toml says them, environment.yml and the lock repeat them."""

import re
import tomllib
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
REQUIRED = {"jupyter", "papermill", "paramiko", "pandas", "matplotlib", "scrapbook"}


def pins() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {*project["dependencies"], *project["optional-dependencies"]["dev"]}


def test_every_dependency_is_pinned() -> None:
    assert [pin for pin in pins() if not re.fullmatch(r"[A-Za-z0-9._-]+==[^=<>]+", pin)] == []
    assert {pin.partition("==")[0] for pin in pins()} >= REQUIRED


def test_conda_says_the_same() -> None:
    listed = YAML(typ="safe").load((ROOT / "environment.yml").read_text())["dependencies"]
    assert set(next(item["pip"] for item in listed if isinstance(item, dict))) == pins()


def test_the_lock_holds_every_pin_with_its_hash() -> None:
    lock = (ROOT / "requirements" / "runbook.lock").read_text()
    for pin in pins():
        name, version = pin.split("==")
        normal = re.escape(re.sub(r"[._-]+", "-", name))  # as packages are named in a lock
        line = re.search(rf"(?im)^{normal}=={re.escape(version)}[^\n]*\\\n +--hash=sha256:", lock)
        assert line is not None, pin


def test_locks_name_no_index() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        assert re.findall(r"(?m)^\s*--(?:extra-)?index-url|^\s*--find-links|^[^#]*https?://", lock.read_text()) == []
