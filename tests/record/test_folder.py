from pathlib import Path

import pytest

from runbook_lib.errors import ParamsError, RecordError
from runbook_lib.record import folder
from runbook_lib.record.folder import ChangeFolder, write_bytes, write_text


@pytest.mark.parametrize("change_id", ["2025-11-23-lab", "a", "0", "a" * 64, "x.y_z"])
def test_change_ids_that_may_be(change_id: str, tmp_path: Path) -> None:
    assert ChangeFolder(tmp_path, change_id).create().path == tmp_path / change_id


@pytest.mark.parametrize("change_id", ["", "A", ".", "..", "../x", "a/b", "-a", "a b", "a\n", "a" * 65, "é"])
def test_change_ids_that_may_not_be(change_id: str, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="change id"):
        ChangeFolder(tmp_path, change_id)


def test_create_makes_the_folders_and_may_be_repeated(tmp_path: Path) -> None:
    change = ChangeFolder(tmp_path / "outputs", "c").create().create()
    assert change.notebooks.is_dir()
    assert change.charts.is_dir()
    assert change.require() is change


def test_a_change_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such change"):
        ChangeFolder(tmp_path, "c").require()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be made"):
        ChangeFolder(tmp_path / "file", "c").create()


def test_writing_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x"
    write_bytes(path, b"first, longer")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.os, "fsync", full)
    with pytest.raises(RecordError, match="No space left"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_masked(tmp_path: Path) -> None:
    write_text(tmp_path / "x", '{"password": "hunter22"}')
    assert "hunter22" not in (tmp_path / "x").read_text()


def test_the_site_file_and_the_manifest_are_kept(tmp_path: Path) -> None:
    change = ChangeFolder(tmp_path, "c").create()
    (tmp_path / "lab.yaml").write_text("site: lab\npassword: hunter22\n")
    (tmp_path / "runbook.yaml").write_text("title: t\n")
    change.keep(tmp_path / "lab.yaml", tmp_path / "runbook.yaml")
    assert change.site.read_text() == "site: lab\npassword: •••\n"
    assert change.runbook.read_text() == "title: t\n"


def test_who_is_at_work_is_no_part_of_the_record(tmp_path: Path) -> None:
    change = ChangeFolder(tmp_path, "c").create()
    change.lock.write_text("{}")
    change.lock.with_name(".lock.turn").touch()
    change.journal.touch()
    assert list(change.files()) == [change.journal]


def test_files_are_sorted_by_name_and_links_are_refused(tmp_path: Path) -> None:
    change = ChangeFolder(tmp_path, "c").create()
    for name in ("journal.jsonl", "charts/b.svg", "charts/a.svg"):
        (change.path / name).write_text("")
    assert [change.name_of(path) for path in change.files()] == ["charts/a.svg", "charts/b.svg", "journal.jsonl"]
    (change.path / "link").symlink_to("journal.jsonl")
    with pytest.raises(RecordError, match="is a link"):
        list(change.files())


def test_a_notebook_that_was_opened_to_be_read_adds_nothing_to_the_record(tmp_path: Path) -> None:
    change = ChangeFolder(tmp_path, "c").create()
    (change.notebooks / "10_a.ipynb").write_text("")
    (change.notebooks / ".ipynb_checkpoints").mkdir()
    (change.notebooks / ".ipynb_checkpoints" / "10_a-checkpoint.ipynb").write_text("")
    assert [change.name_of(path) for path in change.files()] == ["notebooks/10_a.ipynb"]


def test_what_runs_again_is_kept_apart_and_still_in_the_record(tmp_path: Path) -> None:
    change = ChangeFolder(tmp_path, "c").create()
    for name in ("10_a", "20_b"):
        (change.notebooks / f"{name}.ipynb").write_text(name)
    change.set_aside(["20_b", "30_c"], "20251123-180000")
    assert [path.name for path in change.notebooks.iterdir()] == ["10_a.ipynb"]
    assert "earlier/20251123-180000/20_b.ipynb" in [change.name_of(path) for path in change.files()]
