"""What every record that renders itself shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from runbook_lib.view import tables
from runbook_lib.view.rendered import RenderedAs

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
