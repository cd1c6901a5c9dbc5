"""Every notebook has the same form, so that a tired operator finds each thing where it always stands.

About, parameters, then prose before every cell, thin cells, every gate required, and what to do if it stopped.
"""

from __future__ import annotations

import ast
import json
import re
from itertools import pairwise
from pathlib import Path

import jupytext
import pytest
from nbformat import NotebookNode

import runbook_lib
from runbook_lib.runner.runbook import Runbook
from runbook_lib.runner.source import generate

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
PHASES = ROOT / "runbook_lib" / "freqtrade" / "phases"
ABOUT = ("**What.**", "**Why.**", "**How long.**", "**What can go wrong.**")
PARAMETERS = ["site", "change_id", "dry_run"]
LINES = 8
LOGIC = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.NamedExpr, ast.Delete, ast.Global),
    *(ast.For, ast.AsyncFor, ast.While, ast.If, ast.IfExp, ast.Match, ast.Try, ast.TryStar, ast.With, ast.AsyncWith),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Raise, ast.Assert, ast.BoolOp, ast.BinOp),
)


def gates_of(phase: str) -> set[str]:
    """Return the functions of a phase that give a gate, by what they say they return."""
    tree = ast.parse((PHASES / f"{phase}.py").read_text(encoding="utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id == "GateView"
    }


def problems(text: str, name: str) -> list[str]:
    """Return what is wrong with a notebook's source, one line each."""
    cells = jupytext.reads(text, fmt="py:percent").cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    found = [*_about(cells, name), *_parameters(cells), *_prose(cells)]
    trees = []
    for cell in code:
        try:
            trees.append(ast.parse(cell.source))
        except SyntaxError:
            found.append(f"no Python, or a shell: {cell.source.splitlines()[0]}")
    for cell, tree in zip(code[1:], trees[1:], strict=False):
        found += _thin(cell.source, tree)
    return [*found, *_names(trees), *_gates(trees, name)]


def _about(cells: list[NotebookNode], name: str) -> list[str]:
    first = cells[0].source if cells and cells[0].cell_type == "markdown" else ""
    places = [first.find(word) for word in ABOUT]
    found = []
    if not re.match(rf"# {name.split('_', maxsplit=1)[0]} · \w", first):
        found.append(f"does not begin with # {name.split('_', maxsplit=1)[0]} · Title")
    if -1 in places or places != sorted(places):
        found.append(f"About does not say, in this order: {' '.join(ABOUT)}")
    return found


def _parameters(cells: list[NotebookNode]) -> list[str]:
    tagged = [index for index, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])]
    if tagged != [1]:
        return ["the parameters cell is not the one cell after About"]
    body = ast.parse(cells[1].source).body
    plain = all(isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant) for line in body)
    names = [target.id for line in body if isinstance(line, ast.Assign) for target in line.targets]
    return [] if plain and names == PARAMETERS else [f"parameters are not exactly {', '.join(PARAMETERS)}"]


def _prose(cells: list[NotebookNode]) -> list[str]:
    found = [
        f"no prose before: {cell.source.splitlines()[0]}"
        for before, cell in pairwise(cells)
        if cell.cell_type == "code" and before.cell_type != "markdown"
    ]
    last = cells[-1]
    if last.cell_type != "markdown" or not re.match(r"## If it stopped here\n+\S", last.source):
        found.append("does not end with ## If it stopped here, and what to do then")
    return found


def _thin(source: str, tree: ast.Module) -> list[str]:
    start = source.splitlines()[0]
    found = [f"logic in a cell ({type(node).__name__}): {start}" for node in ast.walk(tree) if isinstance(node, LOGIC)]
    if len(source.splitlines()) > LINES:
        found.append(f"more than {LINES} lines: {start}")
    if not isinstance(tree.body[-1], ast.Expr):
        found.append(f"ends in nothing to show: {start}")
    return found


def _names(trees: list[ast.Module]) -> list[str]:
    """Look at imports and names in order: nothing is used but what the façade gives and cells made."""
    found, known = [], set()
    for node in (node for tree in trees for line in tree.body for node in _in_order(line)):
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "runbook_lib"):
            found.append(f"imports something else: {ast.unparse(node)}")
        elif isinstance(node, ast.ImportFrom):
            found += [f"not in the façade: {a.name}" for a in node.names if a.name not in runbook_lib.__all__]
            known |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
        elif isinstance(node, ast.Name) and node.id not in known:
            found.append(f"comes from nowhere: {node.id}")
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            found.append(f"reaches into what is private: {node.attr}")
    return found


def _in_order(line: ast.stmt) -> list[ast.AST]:
    """Return all parts of a statement; of an assignment what is read before what is written."""
    parts = list(ast.walk(line))
    return sorted(parts, key=lambda part: isinstance(getattr(part, "ctx", None), ast.Store))


def _gates(trees: list[ast.Module], name: str) -> list[str]:
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    required = {ast.unparse(call.args[0].func) for call in calls if _is_require(call)}
    opened = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "open_phase"]
    phases = [alias.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
              for alias in node.names if (PHASES / f"{alias.name}.py").exists()]  # fmt: skip
    wanted = {f"{phase}.{gate}" for phase in phases for gate in gates_of(phase)}
    found = [f"gate is not required: {gate}" for gate in sorted(wanted - required)]
    if not required:
        found.append("requires no gate at all")
    if [call.args[0].value for call in opened if isinstance(call.args[0], ast.Constant)] != [name]:
        found.append(f"does not open phase {name}")
    if opened and {key.arg: ast.unparse(key.value) for key in opened[0].keywords} != {p: p for p in PARAMETERS}:
        found.append("does not hand its parameters to open_phase")
    return found


def _is_require(call: ast.Call) -> bool:
    return ast.unparse(call.func) == "phase.require" and len(call.args) == 1 and isinstance(call.args[0], ast.Call)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_has_the_form(source: Path) -> None:
    assert problems(source.read_text(encoding="utf-8"), source.stem) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_what_is_generated_is_what_was_reviewed(source: Path) -> None:
    standing = source.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert standing == generate(source), "run `make notebooks`"
    for cell in json.loads(standing)["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_every_notebook_has_its_source_and_no_other_number() -> None:
    folder = ROOT / "notebooks"
    assert [path.stem for path in sorted(folder.glob("*.ipynb"))] == [path.stem for path in SOURCES]
    assert all(re.fullmatch(r"\d\d_[a-z]+(_[a-z]+)*", path.stem) for path in SOURCES)
    assert len({path.stem[:2] for path in SOURCES}) == len(SOURCES) >= 5


def test_every_notebook_leads_to_the_next_and_the_last_to_the_record() -> None:
    book = Runbook.load(ROOT / "notebooks")
    assert {path.stem for path in SOURCES} == {*book.names, book.manifest.rollback}
    ways = {path.stem: re.search(r"## If it passed\n(?:#[^\n]*\n)+", path.read_text("utf-8")) for path in SOURCES}
    assert all(way is not None and "Ctrl+S" in way[0] for way in ways.values())
    wanted = dict(zip(book.names, [*(f"({name}.ipynb)" for name in book.names[1:]), "runbook report"], strict=True))
    wanted[str(book.manifest.rollback)] = "runbook report --anew"
    assert [name for name, way in ways.items() if way is None or wanted[name] not in way[0]] == []


GOOD = """\
# %% [markdown]
# # 10 · Preflight
#
# **What.** Looks.
#
# **Why.** Cheaper now.
#
# **How long.** A minute.
#
# **What can go wrong.** Nothing.

# %% tags=["parameters"]
site = "params/lab.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change

# %%
from runbook_lib import open_phase, preflight

phase = open_phase("10_preflight", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## Who is there

# %%
hosts = preflight.observe(phase)
hosts

# %% [markdown]
# ## What must be true

# %%
phase.require(preflight.gate(phase, hosts))

# %% [markdown]
# ## If it stopped here
#
# Nothing was changed.
"""


def test_a_good_notebook_has_no_problem() -> None:
    assert problems(GOOD, "10_preflight") == []


def cell(body: str) -> tuple[str, str]:
    return "hosts = preflight.observe(phase)\nhosts", body


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("# 10 · Preflight", "# Preflight"), "does not begin with"),
        (("**Why.**", "**Wherefore.**"), "About does not say"),
        (("**How long.** A minute.", "A minute."), "About does not say"),
        (('change_id = "by-hand"\n', ""), "parameters are not exactly"),
        (("dry_run = False", "dry_run = False\npassword = 'x'"), "parameters are not exactly"),
        (("dry_run = False", "dry_run = bool(0)"), "parameters are not exactly"),
        ((' tags=["parameters"]', ""), "the parameters cell is not"),
        (("# %% [markdown]\n# ## Who is there\n\n", ""), "no prose before"),
        (("# ## If it stopped here", "# ## The end"), "does not end with"),
        (("#\n# Nothing was changed.\n", ""), "does not end with"),
        (("from runbook_lib import", "from runbook_lib.freqtrade.phases import"), "imports something else"),
        (("from runbook_lib import", "import os\nfrom runbook_lib import"), "imports something else"),
        (("open_phase, preflight", "open_phase, preflight, fleet"), "not in the façade: fleet"),
        (('"10_preflight"', '"20_baseline"'), "does not open phase"),
        (("dry_run=dry_run", "dry_run=False"), "does not hand its parameters"),
        (("phase.require(preflight.gate(phase, hosts))", "preflight.gate(phase, hosts)"), "gate is not required"),
        (("phase.require(preflight.gate(phase, hosts))", "hosts"), "requires no gate at all"),
        (cell("hosts = preflight.observe(phase)"), "ends in nothing to show"),
        (cell("def look():\n    pass\nphase"), "FunctionDef"),
        (cell("class Look:\n    pass\nphase"), "ClassDef"),
        (cell("for host in hosts:\n    host\nphase"), "For"),
        (cell("while phase:\n    phase\nphase"), "While"),
        (cell("if phase:\n    phase\nphase"), "If"),
        (cell("try:\n    phase\nexcept phase:\n    phase\nphase"), "Try"),
        (cell("with phase:\n    phase\nphase"), "With"),
        (cell("[host for host in phase]"), "ListComp"),
        (cell("preflight.observe(host for host in phase)"), "GeneratorExp"),
        (cell("{host: 1 for host in phase}"), "DictComp"),
        (cell("preflight.observe(lambda: phase)"), "Lambda"),
        (cell("phase and phase"), "BoolOp"),
        (cell("# !rm -rf x"), "no Python, or a shell"),
        (cell("# %cd x"), "no Python, or a shell"),
        (cell("open('x')"), "comes from nowhere: open"),
        (cell("eval('1')"), "comes from nowhere: eval"),
        (cell("hosts = hosts\nhosts"), "comes from nowhere: hosts"),
        (cell("phase._fleet"), "private"),
        (cell("\n".join(["phase"] * 9)), "more than 8 lines"),
    ],
)
def test_a_bad_notebook_is_told_what_is_wrong(change: tuple[str, str], said: str) -> None:
    assert change[0] in GOOD
    assert any(said in problem for problem in problems(GOOD.replace(*change), "10_preflight"))
