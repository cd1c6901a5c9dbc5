"""Executed notebooks as papermill leaves them."""

import base64
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

Outputs = list[dict[str, Any]]


def code(source: str, *outputs: dict[str, Any], status: str = "completed", seconds: float = 1.0) -> Any:
    cell = nbformat.v4.new_code_cell(source, outputs=[nbformat.from_dict(output) for output in outputs])
    cell.execution_count = None if status == "pending" else 1
    cell.metadata["papermill"] = {"status": status, "duration": seconds, "exception": status == "failed"}
    return cell


def shown(**data: Any) -> dict[str, Any]:
    """Use text_html for text/html and so on."""
    bundle = {key.replace("_", "/", 1): value for key, value in data.items()}
    return {"output_type": "display_data", "data": bundle, "metadata": {}}


def png(data: bytes) -> dict[str, Any]:
    return shown(image_png=base64.b64encode(data).decode(), text_plain="a chart")


def scrap(name: str, value: Any) -> dict[str, Any]:
    mime = "application/scrapbook.scrap.json+json"
    data = {"name": name, "data": value, "encoder": "json", "version": 1}
    meta = {"scrapbook": {"name": name, "data": True, "display": False}}
    return {"output_type": "display_data", "data": {mime: data}, "metadata": meta}


def error(name: str, said: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": name, "evalue": said, "traceback": [f"\x1b[31m{name}\x1b[0m: {said}"]}


@pytest.fixture
def make() -> SimpleNamespace:
    """Cells and outputs to put into a notebook."""
    return SimpleNamespace(code=code, shown=shown, png=png, scrap=scrap, error=error)


@pytest.fixture
def notebook(tmp_path: Path) -> Callable[..., Path]:
    def write(*cells: Any, name: str = "20_baseline", directory: Path = tmp_path) -> Path:
        heading = nbformat.v4.new_markdown_cell("# 20 Baseline\n\nWhat the fleet does today.")
        made = nbformat.v4.new_notebook(cells=[heading, *cells])
        path = directory / f"{name}.ipynb"
        nbformat.write(made, path)
        return path

    return write
