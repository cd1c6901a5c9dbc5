import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade import feed
from runbook_lib.freqtrade.strategies import consumer_module, fed_name, feed_files, producer_module


def test_the_consumers_module_puts_the_feed_before_the_operators_class() -> None:
    tree = ast.parse(consumer_module("Mine", "my_file"))
    (fed,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert fed.name == fed_name("Mine") == "MineFed"
    assert [ast.unparse(base) for base in fed.bases] == ["CandleConsumer", "Mine"]
    assert "from my_file import Mine" in ast.unparse(tree)


def test_freqtrades_search_for_the_class_finds_it() -> None:
    # freqtrade greps strategy files for exactly this before it loads one
    assert "class MineFed(" in consumer_module("Mine", "my_file")
    assert "class StrategyNone(" in producer_module()


@pytest.mark.parametrize(
    ("strategy", "module"), [("Mine", "my-file"), ("Mi ne", "file"), ("class", "file"), ("M", "1f")]
)
def test_names_that_cannot_be_imported_are_refused(strategy: str, module: str) -> None:
    with pytest.raises(ParamsError, match="cannot be imported"):
        consumer_module(strategy, module)


def test_the_deployed_folder_imports_alone(tmp_path: Path) -> None:
    for name, text in feed_files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "mine.py").write_text("class Mine:\n    pass\n")
    (tmp_path / "MineFed.py").write_text(consumer_module("Mine", "mine"))
    code = "import sys, MineFed; print(MineFed.MineFed.__mro__[1:3], [m for m in sys.modules if m == 'runbook_lib'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "CandleConsumer" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_every_room_of_the_feed_is_deployed() -> None:
    source = Path(feed.__file__).parent
    assert set(feed_files()) == {f"candle_feed/{path.relative_to(source)}" for path in source.rglob("*.py")}
    assert {"candle_feed/__init__.py", "candle_feed/candle/wire.py"} <= set(feed_files())


def test_the_feed_imports_nothing_that_a_host_lacks() -> None:
    everywhere = {"numpy", "pandas", "aiohttp", *sys.stdlib_module_names}
    within_a_bot = {"ccxt", "fastapi", "freqtrade", "starlette"}  # imported when needed: tests run without them
    for name, text in feed_files().items():
        tree = ast.parse(text)
        assert _imported(tree.body) <= everywhere, name
        assert _imported(ast.walk(tree)) <= everywhere | within_a_bot, name


def _imported(nodes: Iterable[ast.AST]) -> set[str]:
    modules = []
    for node in nodes:
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.append(node.module or "")
    return {module.split(".")[0] for module in modules}
