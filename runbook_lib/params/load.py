"""YAML file -> validated params. Every problem is one line: file, line, key, what is wrong."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from runbook_lib.errors import ParamsError

M = TypeVar("M", bound=BaseModel)


def load(path: Path, model: type[M]) -> M:
    """Read ``path`` as ``model``.

    Raises ParamsError that lists every problem, each with its line and, for a mistyped key, the key that was meant.
    """
    document = _read(path)
    try:
        return model.model_validate(_plain(document), context={"root": project_root(path)})
    except ValidationError as error:
        problems = [_describe(path, document, model, problem) for problem in error.errors(include_url=False)]
        raise ParamsError("; ".join(problems), remedy="mend the site file; nothing was touched") from None


def project_root(site_file: Path) -> Path:
    """Return the directory that a site file's relative paths count from, and that change records are kept below.

    It is the nearest one above the site file that has a folder ``outputs``; without any, the site file's own.
    """
    here = site_file.resolve().parent
    return next((folder for folder in (here, *here.parents) if (folder / "outputs").is_dir()), here)


def _read(path: Path) -> CommentedMap:
    try:
        document = YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such site file", remedy="name one of params/*.yaml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: cannot be read: {error}", remedy="check the path and its mode") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ParamsError(f"{path}:{line}: not valid YAML: {error.problem}", remedy="mend the site file") from None
    except YAMLError as error:
        told = " ".join(str(error).split())
        raise ParamsError(f"{path}: not valid YAML: {told}", remedy="mend the site file") from None
    if not isinstance(document, CommentedMap):
        raise ParamsError(f"{path}: holds no mapping", remedy="start from params/production.example.yaml")
    return document


def _plain(node: object) -> Any:  # noqa: ANN401 - YAML is any shape until the model has judged it
    """Strip ruamel's round-trip types; they carry line numbers that pydantic has no use for."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _describe(path: Path, document: CommentedMap, model: type[BaseModel], problem: Any) -> str:  # noqa: ANN401
    where = problem["loc"]
    key = ".".join(str(part) for part in where) or "(the file as a whole)"
    text = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        text = f"unknown key{_meant(model, where)}"
    elif problem["type"] == "missing":
        text = "is missing"
    return f"{path}:{_line(document, where)}: {key}: {text}"


def _line(document: CommentedMap, where: tuple[int | str, ...]) -> int:
    """Return the 1-based line of the deepest part of ``where`` that the file has."""
    node: object = document
    line = 1
    for part in where:
        if isinstance(node, CommentedMap):
            name = next((name for name in node if str(name) == str(part)), None)
            if name is None:
                break
            line = node.lc.key(name)[0] + 1
            node = node[name]
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line = node.lc.item(part)[0] + 1
            node = node[part]
        else:
            break
    return line


def _meant(model: type[BaseModel], where: tuple[int | str, ...]) -> str:
    """Suggest the known key that is nearest to the unknown one."""
    owner: type[BaseModel] | None = model
    for part in where[:-1]:
        field = owner.model_fields.get(str(part)) if owner else None
        if field is not None:
            owner = _model_in(field.annotation)
    names = list(owner.model_fields) if owner else []
    near = difflib.get_close_matches(str(where[-1]), names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)
