import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import RecordError
from runbook_lib.record import statement
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.values import Claim, Verdict

CLAIM = Claim("C1", "fewer calls", "110", "110", "charts/a.svg", Verdict.SUCCESSFUL)


def predicate(**changed: object) -> dict[str, object]:
    return {"verdict": Verdict.SUCCESSFUL, "claims": [CLAIM], "figures": {"n": 110, "streams": None}} | changed


@pytest.fixture
def change(tmp_path: Path) -> ChangeFolder:
    change = ChangeFolder(tmp_path, "c").create()
    (change.charts / "a.svg").write_text("<svg/>")
    change.journal.write_text("{}\n")
    return change


@pytest.fixture
def written(change: ChangeFolder) -> ChangeFolder:
    statement.write(change, statement.build(change, predicate()))
    return change


def test_subjects_are_the_digests_of_every_file_but_the_record(written: ChangeFolder) -> None:
    made = json.loads(written.record.read_text())
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["subject"] == [
        {"name": "charts/a.svg", "digest": {"sha256": hashlib.sha256(b"<svg/>").hexdigest()}},
        {"name": "journal.jsonl", "digest": {"sha256": hashlib.sha256(b"{}\n").hexdigest()}},
    ]
    assert made["predicate"]["claims"][0]["verdict"] == "Successful"
    assert statement.read(written) == made


def test_an_untouched_record_has_no_problems_even_when_written_again(written: ChangeFolder) -> None:
    assert statement.check(written) == []
    statement.write(written, statement.build(written, predicate()))
    assert statement.check(written) == []


def test_every_kind_of_tampering_is_named(written: ChangeFolder) -> None:
    (written.charts / "a.svg").write_text("<svg />")
    (written.charts / "b.svg").write_text("")
    written.journal.unlink()
    assert statement.check(written) == ["charts/a.svg: touched", "charts/b.svg: added", "journal.jsonl: missing"]


def test_swapped_files_are_noticed(written: ChangeFolder) -> None:
    one, two = written.charts / "a.svg", written.journal
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert statement.check(written) == ["charts/a.svg: touched", "journal.jsonl: touched"]


def _forge(change: ChangeFolder, **changed: Any) -> list[str]:
    made = json.loads(change.record.read_text()) | changed
    change.record.write_text(json.dumps(made))
    return statement.check(change)


def test_a_record_that_is_no_statement_is_a_problem(written: ChangeFolder) -> None:
    assert "'verdict' is a required property" in _forge(written, predicate={})[0]
    assert "'_type'" in "".join(_forge(written, _type="https://example.org"))
    written.record.write_text("{")
    assert "cannot be read" in statement.check(written)[0]
    written.record.unlink()
    assert statement.check(written) == ["record.json: missing"]
    with pytest.raises(RecordError, match="missing"):
        statement.read(written)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "..", "a\\b", ""])
def test_subjects_outside_the_folder_are_refused(name: str, written: ChangeFolder) -> None:
    problems = _forge(written, subject=[{"name": name, "digest": {"sha256": "0" * 64}}])
    assert "$.subject[0].name" in problems[0]


def test_a_name_stated_twice_is_a_problem(written: ChangeFolder) -> None:
    subject = json.loads(written.record.read_text())["subject"]
    assert _forge(written, subject=[subject[0], *subject]) == ["record.json: names charts/a.svg 2 times"]


@pytest.mark.parametrize(
    "changed",
    [
        {"verdict": "Passed"},
        {"claims": [{"id": "X1", "claim": "c", "expected": "", "observed": "", "evidence": "", "verdict": "Failed"}]},
        {"claims": [{"id": "C1", "claim": "c", "expected": "", "observed": "", "evidence": "", "verdict": "Maybe"}]},
        {"claims": [{"id": "C1", "verdict": "Failed"}]},
        {"figures": {"n": "many"}},
        {"figures": {"n": float("nan")}},
        {"figures": None},
    ],
)
def test_a_predicate_that_says_nothing_sure_is_refused(changed: dict[str, object], change: ChangeFolder) -> None:
    with pytest.raises(RecordError):
        statement.build(change, predicate(**changed))
    assert not change.record.exists()


def test_a_statement_about_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"\$\.subject"):
        statement.build(ChangeFolder(tmp_path, "c").create(), predicate())


def test_the_predicate_may_say_more_and_is_masked(change: ChangeFolder) -> None:
    made = statement.build(change, predicate(note="?token=hunter2hunter2"))
    assert "hunter2" not in json.dumps(made)
    assert made["predicate"]["note"].startswith("?token=")
