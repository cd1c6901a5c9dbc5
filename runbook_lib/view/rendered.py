"""What a record must do to show itself in a cell: as HTML, and as text that is written for reading.

Without `_repr_pretty_` a notebook would keep the record's Python representation beside the HTML, with all its fields.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class Printer(Protocol):
    """The part of IPython's pretty printer that is needed here."""

    def text(self, text: str) -> None:
        """Write text."""


class Rendered:
    """A record whose ``str`` is what people read; that is its plain text in a notebook, too."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()  # a generic record has more to do here
        # IPython asks a class's own members only, and would find a dataclass's generated __repr__ first
        cls._repr_pretty_ = Rendered._repr_pretty_  # type: ignore[method-assign]  # the same method, nearer

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:  # noqa: ARG002 - IPython's protocol
        printer.text(str(self))


@runtime_checkable
class Shown(Protocol):
    """Anything that renders itself as HTML."""

    def _repr_html_(self) -> str: ...


class RenderedAs(Rendered):
    """A record that is shown as another one, most often a table of what it holds."""

    __slots__ = ()

    @abstractmethod
    def shown(self) -> Shown:
        """Return what it is shown as."""

    def _repr_html_(self) -> str:
        return self.shown()._repr_html_()

    def __str__(self) -> str:
        return str(self.shown())


@dataclass(frozen=True, slots=True)
class Together(Rendered):
    """Several records in one cell, one below the other."""

    parts: tuple[Shown, ...]

    def _repr_html_(self) -> str:
        return "".join(part._repr_html_() for part in self.parts)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.parts))
