import re
import xml.etree.ElementTree as ET

import pytest

from runbook_lib.view import charts, style
from runbook_lib.view.chart import described, inline

BEFORE = {"75": 110, "120": 110, "121": 110, "124": 110}
AFTER = {"75": 0, "120": 0, "121": 0, "124": 0, "73": 55, "108": 55}


def words(svg: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(svg).iter() if node.tag.endswith("}text")]  # noqa: S314 - ours


def test_totals_and_change_are_computed() -> None:
    chart = charts.before_after("Requests", "per candle", BEFORE, AFTER)
    assert "440 → 110 per candle, \u221275\u202f%" in chart.alt
    assert any("440 → 110 per candle, \u221275" in word for word in words(chart.svg))
    assert "73: not measured before, 55 after" in chart.alt


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (440, 550, "440 → 550 x, +25\u202f%"),
        (0, 5, "0 → 5 x"),
        (3, 3, "3 → 3 x, ±0\u202f%"),
        (3, 2, "3 → 2 x, \u221233.3\u202f%"),
    ],
)
def test_change_in_words(before: float, after: float, told: str) -> None:
    assert charts.change(before, after, "x") == told


def test_values_are_written_on_the_bars_and_before_is_hatched() -> None:
    chart = charts.before_after("Requests", "per candle", BEFORE, AFTER)
    assert words(chart.svg).count("110") == 4
    assert words(chart.svg).count("55") == 2
    assert "<pattern" in chart.svg


def test_charts_are_the_same_to_the_byte() -> None:
    first, second = (charts.before_after("Requests", "n", BEFORE, AFTER) for _ in range(2))
    assert first == second
    assert "<dc:date>" not in first.svg


def test_heatmap_numbers_what_is_not_zero_and_leaves_zero_blank() -> None:
    chart = charts.heatmap("Differ", ["A/B", "C/D"], ["75", "120"], [[0, 7], [0, 0]], "cells")
    assert "7 cells in 1 of 4 places" in chart.alt
    assert "A/B, 120: 7" in chart.alt
    assert "7" in words(chart.svg)
    assert "0" not in words(chart.svg)


def test_heatmap_of_110_pairs_names_every_pair_within_a_page() -> None:
    pairs = [f"P{n}/USDT" for n in range(110)]
    chart = charts.heatmap("Differ", pairs, ["75", "120"], [[0, 0]] * 110, "cells")
    assert set(pairs) <= set(words(chart.svg))
    height = float(re.search(r'height="([\d.]+)pt"', chart.svg).group(1))  # type: ignore[union-attr]  # a failure is a failure
    assert height < 11 * 72
    assert "Every place is zero" in chart.alt


def test_heatmap_refuses_counts_of_another_shape() -> None:
    with pytest.raises(ValueError, match="2 rows of 1"):
        charts.heatmap("Differ", ["a", "b"], ["75"], [[1]], "cells")


def test_spread_writes_its_quantiles_out() -> None:
    chart = charts.spread("Age", "s", {"75": range(101), "120": [float("nan")]}, limit=90)
    assert "75: p50 50, p95 95, max 100 (n 101)" in chart.alt
    assert "120: no values" in chart.alt
    assert "limit 90" in "".join(words(chart.svg))


def test_spread_of_many_values_stays_small_and_keeps_the_ends() -> None:
    assert len(charts.spread("Age", "s", {"75": range(50_000)}).svg) < 150_000
    assert charts._thin(list(range(50_000)))[0] == 0
    assert charts._thin(list(range(50_000)))[-1] == 49_999


@pytest.mark.parametrize(
    "chart",
    [
        lambda: charts.before_after("t", "u", {}, {}),
        lambda: charts.heatmap("t", [], [], [], "u"),
        lambda: charts.spread("t", "u", {}),
    ],
)
def test_nothing_to_draw_still_draws(chart: object) -> None:
    assert chart().png.startswith(b"\x89PNG")  # type: ignore[operator]  # the parameters are functions


def test_a_notebook_gets_a_sharp_png_with_its_words() -> None:
    chart = charts.before_after("Requests", "n", BEFORE, AFTER)
    bundle, metadata = chart._repr_mimebundle_()
    assert bundle["text/plain"] == chart.alt
    shown = metadata["image/png"]["width"]
    assert shown == pytest.approx(style.CHART_WIDTH * style.SHOWN_DPI, abs=2)
    assert int.from_bytes(chart.png[16:20], "big") == pytest.approx(2 * shown, abs=1)


def test_two_charts_on_one_page_share_no_id_and_keep_their_hatches() -> None:
    chart = charts.before_after("Requests", "n", BEFORE, AFTER)
    page = chart.inline("c1") + chart.inline("c2")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    references = re.findall(r'(?:href="#|url\(#)([^")]+)', page)
    assert references
    assert set(references) <= set(ids)
    assert "<style" not in page
    assert f"var(--rb-ink, {style.INK})" in page


def test_title_and_description_survive_the_file() -> None:
    chart = charts.spread('Age < "limit"', "s", {"75": [1.0]})
    assert described(chart.svg) == (chart.title, chart.alt)
    assert 'aria-label="Age &lt; &quot;limit&quot;.' in inline(chart.svg, "c1")


def test_colours_that_a_page_may_change_are_all_different() -> None:
    assert len(set(style.THEMED.values())) == len(style.THEMED) == 11


def test_dollars_are_no_mathematics_and_secrets_are_masked() -> None:
    chart = charts.before_after("a $b$ ?token=hunter2hunter2", "$", {"$75$": 1}, {})
    assert "$75$" in words(chart.svg)
    assert "hunter2" not in chart.svg + chart.alt
