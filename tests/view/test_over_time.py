import math
import xml.etree.ElementTree as ET

import pytest

from runbook_lib.view import over_time, style
from runbook_lib.view.over_time import Span

DOWN = Span(10.0, 130.0, "producer 73 down")


def words(svg: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(svg).iter() if node.tag.endswith("}text")]  # noqa: S314 - ours


def test_lines_name_series_spans_and_the_limit() -> None:
    chart = over_time.lines("Age", "seconds", {"75": [(0, 5), (60, 9.25)], "120": []}, spans=[DOWN], limit=20)
    assert "75: 5, 9.25" in chart.alt
    assert "120: no values" in chart.alt
    assert "producer 73 down from 10 to 130 s." in chart.alt
    assert {"producer 73 down", "limit 20", "75", "120", "seconds"} <= set(words(chart.svg))


def test_a_limit_far_above_is_said_and_flattens_nothing() -> None:
    chart = over_time.lines("Age", "seconds", {"75": [(0, 5), (6, 9.25)]}, limit=55)
    assert "limit 55, above this chart" in words(chart.svg)
    assert "50" not in words(chart.svg)
    never = over_time.lines("Age", "seconds", {"75": [(0, 5), (6, math.inf)]}, limit=55)
    assert {"limit 55", "50"} <= set(words(never.svg)), "its cross stands at the limit, above all that came"


def test_a_value_that_never_came_stands_out() -> None:
    chart = over_time.lines("Age", "s", {"75": [(0, 5), (60, math.inf)]})
    assert "75: 5, never" in chart.alt
    assert style.ALARM in chart.svg
    assert style.ALARM not in over_time.lines("Age", "s", {"75": [(0, 5), (60, 6)]}).svg.replace("url", "")


def test_stacks_say_each_total_and_differ_without_colour() -> None:
    parts = {"73": [55, 0], "108": [55, 110], "consumers": [0, 0]}
    chart = over_time.stacks("Requests", "per candle", [0, 60], parts, width=40, spans=[DOWN])
    assert "73: 55, 0; 108: 55, 110; consumers: 0, 0" in chart.alt
    assert words(chart.svg).count("110") == 2
    assert "<pattern" in chart.svg


def test_stacks_refuse_parts_of_another_length() -> None:
    with pytest.raises(ValueError, match="has not 2 values"):
        over_time.stacks("t", "u", [0, 60], {"73": [1]}, width=40)


def test_the_same_course_is_drawn_the_same_to_the_byte() -> None:
    first, second = (over_time.lines("Age", "s", {"75": [(0, 5)]}, spans=[DOWN]) for _ in range(2))
    assert first == second


def test_nothing_to_draw_still_draws() -> None:
    assert over_time.lines("t", "u", {}).png.startswith(b"\x89PNG")
    assert over_time.stacks("t", "u", [], {}, width=1).png.startswith(b"\x89PNG")
