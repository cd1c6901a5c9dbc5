"""record.json: an in-toto Statement v1 that binds verdict, claims and figures to the digests of every file.

It makes tampering evident, not impossible: whoever can write the folder can write a new statement. A signature over it
says who wrote this one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jsonschema import Draft202012Validator

from runbook_lib.errors import RecordError
from runbook_lib.record.folder import ChangeFolder, write_bytes
from runbook_lib.record.plain import plain

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:migration-runbook:change-record:v1"

Statement = dict[str, Any]


def build(folder: ChangeFolder, predicate: Mapping[str, object]) -> Statement:
    """Return the statement about the folder as it is now; refuse a predicate that the schema refuses."""
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in digests(folder).items()],
        "predicateType": PREDICATE_TYPE,
        "predicate": plain(predicate, "predicate"),
    }
    problems = _against_schema(statement)
    if problems:
        raise RecordError(f"{folder.record.name}: {'; '.join(problems)}", remedy="mend what draws the record up")
    return statement


def write(folder: ChangeFolder, statement: Mapping[str, Any]) -> None:
    """Write record.json, whole or not at all."""
    text = json.dumps(statement, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(folder.record, f"{text}\n".encode())


def read(folder: ChangeFolder) -> Statement:
    """Read record.json back; one that is no statement of ours is an error."""
    statement, problems = _load(folder)
    if problems:
        raise RecordError(f"{folder.record}: {'; '.join(problems)}", remedy="the record cannot be relied on")
    return statement


def check(folder: ChangeFolder) -> list[str]:
    """Return what is wrong with the folder, one line each: missing, touched and added files. Nothing wrong: empty."""
    statement, problems = _load(folder)
    if problems:
        return [f"{folder.record.name}: {problem}" for problem in problems]
    names = Counter(subject["name"] for subject in statement["subject"])
    stated = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    found = digests(folder)
    problems = [f"{folder.record.name}: names {name} {times} times" for name, times in names.items() if times > 1]
    problems += [f"{name}: missing" for name in stated if name not in found]
    problems += [f"{name}: touched" for name, digest in found.items() if stated.get(name, digest) != digest]
    problems += [f"{name}: added" for name in found if name not in stated]
    return sorted(problems)


def digests(folder: ChangeFolder) -> dict[str, str]:
    """Return name -> SHA-256 of every file but record.json itself, sorted."""
    return {folder.name_of(path): _sha256(path) for path in folder.files() if path != folder.record}


def _sha256(path: Any) -> str:  # noqa: ANN401
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load(folder: ChangeFolder) -> tuple[Statement, list[str]]:
    try:
        statement = json.loads(folder.record.read_bytes())
    except FileNotFoundError:
        return {}, ["missing"]
    except (OSError, ValueError) as error:
        return {}, [f"cannot be read: {error}"]
    return statement, _against_schema(statement)


def _against_schema(statement: object) -> list[str]:
    errors = sorted(_validator().iter_errors(statement), key=lambda error: error.json_path)
    return [f"{error.json_path}: {error.message[:200]}" for error in errors]


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(files("runbook_lib.record").joinpath("statement.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
