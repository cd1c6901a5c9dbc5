from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from runbook_lib.record import executed, scraps, sections
from runbook_lib.record.executed import Output
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.view import charts

Write = Callable[..., Path]


def test_charts_take_the_place_of_their_pictures(notebook: Write, make: SimpleNamespace, tmp_path: Path) -> None:
    change = ChangeFolder(tmp_path, "c").create()
    chart = charts.before_after("Requests", "n", {"75": 2}, {"75": 1})
    scraps.keep_chart(change, "requests", chart)
    bundle, _ = chart._repr_mimebundle_()
    picture = make.shown(image_png=bundle["image/png"])
    path = notebook(make.code("a", picture, make.png(b"other")), make.code("b", make.shown(text_html="<b>x</b>")))
    assert sections.items(change, executed.read(path)) == (chart, Output("png", b"other"), Output("html", "<b>x</b>"))
