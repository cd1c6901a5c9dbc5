"""What every record that renders itself shares."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Generic, TypeVar

from runbook_lib.view import tables
from runbook_lib.view.rendered import RenderedAs, Shown, Together

T = TypeVar("T")


@dataclass(frozen=True)
class Boxed(RenderedAs, Generic[T]):
    value: T

    def shown(self) -> tables.Table:
        return tables.facts({"value": self.value})


def test_a_generic_record_can_be_named_with_its_parameter() -> None:
    assert Boxed[int](3).value == 3


def test_its_text_is_that_of_what_it_is_shown_as() -> None:
    assert str(Boxed(3)) == str(tables.facts({"value": 3}))


def test_several_records_in_one_cell_are_all_shown_in_their_order() -> None:
    first, second = tables.facts({"one": 1}), Boxed(2)
    both = Together((first, second))
    assert str(both) == f"{first}\n\n{second}"
    assert both._repr_html_() == first._repr_html_() + second._repr_html_()
    assert isinstance(both, Shown)
    written: list[str] = []
    both._repr_pretty_(SimpleNamespace(text=written.append), cycle=False)
    assert written == [str(both)]  # not Python's representation, with all fields
