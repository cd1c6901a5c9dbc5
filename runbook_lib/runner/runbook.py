"""A folder of notebooks and its manifest: what it migrates, what undoes it, what it plans, where it holds."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from runbook_lib.errors import ParamsError
from runbook_lib.params import Model, Site, load

MANIFEST: Final = "runbook.yaml"
_HOLDS: Final = re.compile(r"\.hold\(\s*[\"']([^\"']*)[\"']")

Object = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
NotebookName = Annotated[str, Field(pattern=r"^[0-9]{2}_[a-z0-9_]+$")]
HoldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Manifest(Model):
    """What ``runbook.yaml`` says."""

    title: str = Field(min_length=1, description="of the change record")
    site: Object = Field(description="MODULE:CLASS, the model of its site files; the folder's own modules may be named")
    rollback: NotebookName | None = Field(None, description="the notebook that undoes the others")
    needs_a_change: list[NotebookName] = Field([], description="notebooks that a dry run leaves out")
    before_changes: list[NotebookName] = Field(
        [], description="notebooks that see how it was before: not run once it is not"
    )
    plans: dict[NotebookName, Object] = Field(
        {}, description="notebook: MODULE:FUNCTION that takes its phase and plans"
    )
    holds: dict[HoldName, str] = Field({}, description="name: the question that is asked there")

    def question(self, hold: str) -> str:
        """Return what a hold asks."""
        if hold not in self.holds:
            known = ", ".join(self.holds) or "it has none"
            raise ParamsError(f"{hold}: no such hold in this runbook", remedy=f"there are: {known}")
        return self.holds[hold]


@dataclass(frozen=True, slots=True)
class Runbook:
    """A folder of notebooks. ``notebooks``: those of a forward run, in their order; ``rollback``: not one of them."""

    directory: Path
    manifest: Manifest
    notebooks: tuple[Path, ...]
    rollback: Path | None

    @classmethod
    def load(cls, directory: Path) -> Runbook:
        """Read a folder; refuse a manifest that names notebooks which are not there."""
        manifest = read_manifest(directory / MANIFEST)
        found = [path.resolve() for path in notebooks_in(directory)]
        named = {key: getattr(manifest, key) for key in ("needs_a_change", "before_changes")} | {
            "plans": [*manifest.plans]
        }
        named["rollback"] = [manifest.rollback] if manifest.rollback is not None else []
        missing = {key: sorted(set(names) - {path.stem for path in found}) for key, names in named.items()}
        for key, names in missing.items():
            if names:
                known = ", ".join(path.stem for path in found)
                raise ParamsError(
                    f"{directory / MANIFEST}: {key}: no notebook {', '.join(names)}", remedy=f"there are {known}"
                )
        for path in found:
            for hold in holds_in(path):
                if hold not in manifest.holds:
                    raise ParamsError(
                        f"{directory / MANIFEST}: holds: {path.stem} holds at {hold}, which is not there",
                        remedy="add it, with the question that is asked there",
                    )
        forward = tuple(path for path in found if path.stem != manifest.rollback)
        return cls(directory.resolve(), manifest, forward, next((path for path in found if path not in forward), None))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the notebooks of a forward run, in their order."""
        return tuple(path.stem for path in self.notebooks)

    def site_model(self) -> type[Site]:
        """Return the model of this runbook's site files."""
        found = self._object("site", self.manifest.site)
        if not (isinstance(found, type) and issubclass(found, Site)):
            raise self._wrong("site", self.manifest.site, "is no model of a site", "name a subclass of Site")
        return found

    def planner(self, notebook: str) -> Any:  # noqa: ANN401 - a function of another module, which it names
        """Return the function that plans a notebook."""
        name = self.manifest.plans[notebook]
        found = self._object(f"plans.{notebook}", name)
        if not callable(found):
            raise self._wrong(f"plans.{notebook}", name, "cannot be called", "name a function")
        return found

    def environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return ``own`` environment for a kernel of this runbook: modules in its folder can be imported."""
        path = [str(self.directory), *filter(None, [own.get("PYTHONPATH")])]
        return {**own, "PYTHONPATH": os.pathsep.join(path)}

    def _object(self, key: str, name: str) -> Any:  # noqa: ANN401 - whatever stands there
        module, _, attribute = name.partition(":")
        if str(self.directory) not in sys.path:
            sys.path.insert(0, str(self.directory))
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise self._wrong(key, name, f"cannot be imported: {error}", "mend the manifest") from None

    def _wrong(self, key: str, name: str, what: str, remedy: str) -> ParamsError:
        return ParamsError(f"{self.directory / MANIFEST}: {key}: {name} {what}", remedy=remedy)


def holds_in(*notebooks: Path) -> tuple[str, ...]:
    """Return the names of the hold points that notebooks ask, in their order."""
    cells = [cell for path in notebooks for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return tuple(dict.fromkeys(_HOLDS.findall(code)))


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; its errors name file, line and key."""
    if not path.is_file():
        raise ParamsError(f"{path}: no such manifest", remedy="name a folder of notebooks that has one: --runbook DIR")
    try:
        return load(path, Manifest)
    except ParamsError as error:
        raise ParamsError(error.what, remedy="mend the manifest; nothing was touched") from None


def notebooks_in(directory: Path) -> list[Path]:
    """Return the notebooks of a folder in their order: files named NN_verb.ipynb.

    Raises ParamsError if there are none.
    """
    found = sorted(directory.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise ParamsError(f"{directory}: holds no notebook named NN_verb.ipynb", remedy="run `make notebooks`")
    return found
