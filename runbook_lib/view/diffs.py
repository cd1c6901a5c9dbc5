"""What is about to change, shown before it does: files as unified diffs, everything else as steps."""

from __future__ import annotations

import difflib
import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from runbook_lib.redaction import redact
from runbook_lib.view import style
from runbook_lib.view.cells import cell
from runbook_lib.view.rendered import Rendered
from runbook_lib.view.tables import fold

Kind = Literal["+", "-", " ", "@"]
OPEN_UP_TO: Final = 60  # lines; a longer diff is folded
NEW_OPEN_UP_TO: Final = 20  # lines of a file that is created or removed whole
_CONTEXT: Final = 3
_STYLES: Final = {"+": style.ADDED_LINE, "-": style.REMOVED_LINE, " ": style.KEPT_LINE, "@": style.HUNK_LINE}


@dataclass(frozen=True, slots=True)
class FileDiff(Rendered):
    """One file on one host, before and after. None: the file is not there. Modes are permission bits (0o600).

    The lines are compared as they are and shown with their secrets masked, so that a changed secret is seen as a
    change without being read. ``binary``: no text; ``before`` and ``after`` say how much it is, and its digest.
    """

    host: str
    path: str
    before: str | None
    after: str | None
    mode_before: int | None = None
    mode_after: int | None = None
    binary: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything would change: content, mode or existence."""
        return self.before != self.after or self._mode_changes

    @property
    def _mode_changes(self) -> bool:
        known = self.mode_before is not None and self.mode_after is not None
        return known and self.mode_before != self.mode_after

    @property
    def summary(self) -> str:
        """What happens to the file, in words."""
        words = [self._content_in_words()]
        if self._mode_changes:
            words.append(f"mode {self.mode_before:04o} becomes {self.mode_after:04o}")
        elif self.before is None and self.mode_after is not None:
            words.append(f"with mode {self.mode_after:04o}")
        return ", ".join(word for word in words if word) or "unchanged"

    def _content_in_words(self) -> str:
        if self.before is None and self.after is None:
            return "is not there"
        if self.binary:
            return self._binary_in_words()
        if self.before is None:
            return f"created, {_lines(len((self.after or '').splitlines()))}"
        if self.after is None:
            return f"removed, {_lines(len(self.before.splitlines()))}"
        if self.before == self.after:
            return ""
        added, removed = (sum(kind == sign for kind, _ in self.lines()) for sign in "+-")
        parts = [f"{_lines(count)} {word}" for count, word in ((added, "added"), (removed, "removed")) if count]
        same_lines = self.before.splitlines() == self.after.splitlines()
        return ", ".join(parts) or f"only {'line ends' if same_lines else 'masked values'} differ"

    def _binary_in_words(self) -> str:
        if self.before is None or self.after is None:
            return f"created: {self.after}" if self.before is None else f"removed: {self.before}"
        return "" if self.before == self.after else f"replaced: {self.before} becomes {self.after}"

    def lines(self) -> Iterator[tuple[Kind, str]]:
        """Yield the diff: kind and masked text of each line."""
        if self.binary:
            return
        before, after = (self.before or "").splitlines(), (self.after or "").splitlines()
        shown_before, shown_after = redact(self.before or "").splitlines(), redact(self.after or "").splitlines()
        if len(before) != len(shown_before) or len(after) != len(shown_after):
            before, after = shown_before, shown_after  # a masked block of several lines cannot be paired with its own
        for group in difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(_CONTEXT):
            first, last = group[0], group[-1]
            yield "@", f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@"
            for tag, i1, i2, j1, j2 in group:
                if tag == "equal":
                    yield from ((" ", line) for line in shown_before[i1:i2])
                    continue
                yield from (("-", line) for line in shown_before[i1:i2])
                yield from (("+", line) for line in shown_after[j1:j2])

    def _repr_html_(self) -> str:
        head = f"<b>{cell(self.host)}</b> <code>{cell(self.path)}</code>: {html.escape(self.summary)}"
        lines = list(self.lines())
        if not lines:
            return f'<div class="rb-diff" style="{style.BLOCK}"><p style="margin:0">{head}</p></div>'
        body = "".join(_line(kind, line) for kind, line in lines)
        whole = self.before is None or self.after is None
        opened = " open" if len(lines) <= (NEW_OPEN_UP_TO if whole else OPEN_UP_TO) else ""
        return (
            f'<div class="rb-diff" style="{style.BLOCK}"><details{opened}><summary style="{style.SUMMARY}">{head}'
            f'</summary><pre style="{style.CODE};margin:4px 0;line-height:1.35;border:{style.RULE};padding:4px 0;'
            f'overflow-x:auto">{body}</pre></details></div>'
        )

    def __str__(self) -> str:
        lines = [line if kind == "@" else kind + line for kind, line in self.lines()]
        return "\n".join([f"{redact(self.host)}: {redact(self.path)}: {self.summary}", *lines])


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that will be done on one host, in words: restart freqtrade.service."""

    host: str
    action: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Steps(Rendered):
    """What will be done, in this order."""

    title: str
    steps: tuple[Step, ...]

    def _repr_html_(self) -> str:
        if not self.steps:
            return f'<p style="{style.NOTE}">{cell(self.title)}: nothing to do</p>'
        items = "".join(
            f'<li style="margin:2px 0"><b>{cell(step.host)}</b> {cell(step.action)}'
            + (f' <span style="opacity:0.75">({cell(step.why)})</span>' if step.why else "")
            + "</li>"
            for step in self.steps
        )
        return (
            f'<div class="rb-steps" style="{style.BLOCK}"><p style="{style.TITLE}">{cell(self.title)}</p>'
            f'<ol style="margin:0;padding-left:28px">{items}</ol></div>'
        )

    def __str__(self) -> str:
        if not self.steps:
            return f"{redact(self.title)}: nothing to do"
        why = (f"  ({step.why})" if step.why else "" for step in self.steps)
        lines = (f"  {n}. {s.host}: {s.action}{w}" for n, (s, w) in enumerate(zip(self.steps, why, strict=True), 1))
        return redact("\n".join([self.title, *lines]))


@dataclass(frozen=True, slots=True)
class PlanView(Rendered):
    """A whole plan on one screen: how much changes where, then every file, then every step.

    What happens to a file in the same way on several hosts is shown once, with the names of those hosts.
    """

    title: str
    files: tuple[FileDiff, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def summary(self) -> str:
        """How much changes; an empty plan says so."""
        changed = [file for file in self.files if file.changed]
        hosts = {file.host for file in changed} | {step.host for step in self.steps}
        if not hosts:
            return "nothing to change"
        counts = ((len(changed), "file"), (len(self.steps), "step"))
        what = ", ".join(_count(number, word) for number, word in counts if number)
        return f"{what} on {_count(len(hosts), 'host')}"

    def _repr_html_(self) -> str:
        grouped = _once(self.files)
        unchanged = [file for file in grouped if not file.changed]
        parts = [file._repr_html_() for file in grouped if file.changed and not file.binary]
        parts += [_folded(host, files) for host, files in _binary(grouped).items()]
        if unchanged:
            body = "".join(f"<li>{cell(file.host)} <code>{cell(file.path)}</code></li>" for file in unchanged)
            parts.append(
                fold(
                    f"{_count(sum(not file.changed for file in self.files), 'file')} already as wanted",
                    f"<ul>{body}</ul>",
                )
            )
        if self.steps:
            parts.append(Steps("Then", self.steps)._repr_html_())
        head = f'<p style="{style.TITLE}">{cell(self.title)}: {self.summary}</p>'
        return f'<div class="rb-plan" style="{style.BLOCK}">{head}{"".join(parts)}</div>'

    def __str__(self) -> str:
        grouped = _once(self.files)
        parts: list[object] = [file for file in grouped if file.changed and not file.binary]
        parts += ["\n".join(map(str, files)) for files in _binary(grouped).values()]
        if self.steps:
            parts.append(Steps("Then", self.steps))
        return "\n\n".join([f"{redact(self.title)}: {self.summary}", *map(str, parts)])


def plan(title: str, files: Iterable[FileDiff] = (), steps: Iterable[Step] = ()) -> PlanView:
    """Show a plan made of file diffs and steps."""
    return PlanView(title, tuple(files), tuple(steps))


def _once(files: Iterable[FileDiff]) -> list[FileDiff]:
    """Merge diffs that are the same but for their host."""
    hosts: dict[FileDiff, list[str]] = {}
    for file in files:
        hosts.setdefault(replace(file, host=""), []).append(file.host)
    return [replace(file, host=", ".join(names)) for file, names in hosts.items()]


def _binary(files: Iterable[FileDiff]) -> dict[str, list[FileDiff]]:
    """Return what changes of files that are no text, by host: there may be hundreds."""
    found: dict[str, list[FileDiff]] = {}
    for file in files:
        if file.changed and file.binary:
            found.setdefault(file.host, []).append(file)
    return found


def _folded(host: str, files: list[FileDiff]) -> str:
    items = "".join(f"<li><code>{cell(file.path)}</code>: {html.escape(file.summary)}</li>" for file in files)
    return fold(f"{redact(host)}: {_count(len(files), 'file')} of data", f"<ul>{items}</ul>")


def _line(kind: Kind, line: str) -> str:
    text = line if kind == "@" else f"{kind} {line}"
    return f'<div style="padding:0 8px;{_STYLES[kind]}">{html.escape(text) or "&nbsp;"}</div>'


def _range(start: int, stop: int) -> str:
    length = stop - start
    return f"{start + 1 if length else start},{length}"


def _lines(count: int) -> str:
    return _count(count, "line")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
