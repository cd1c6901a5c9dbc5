from runbook_lib.view.diffs import FileDiff, Step, Steps, plan

OLD = '{\n  "a": 1,\n  "ws_token": "first-secret-1"\n}\n'
NEW = '{\n  "a": 2,\n  "ws_token": "second-secret-2"\n}\n'


def test_a_changed_secret_is_seen_but_not_read() -> None:
    diff = FileDiff("75", "config.json", OLD, NEW)
    for text in (str(diff), diff._repr_html_()):
        assert "secret-" not in text
    kinds = [(kind, line.strip()) for kind, line in diff.lines() if kind in "+-"]
    assert kinds == [
        ("-", '"a": 1,'),
        ("-", '"ws_token": "•••"'),
        ("+", '"a": 2,'),
        ("+", '"ws_token": "•••"'),
    ]


def test_the_text_form_is_a_unified_diff() -> None:
    assert str(FileDiff("75", "f", "a\nb\n", "a\nc\n")).splitlines() == [
        "75: f: 1 line added, 1 line removed",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "+c",
    ]


def test_lines_are_marked_without_colour() -> None:
    html = FileDiff("75", "f", "a\n<b>\n", "a\nc\n")._repr_html_()
    assert ">- &lt;b&gt;<" in html
    assert ">+ c<" in html


def test_words_say_what_happens_to_the_file() -> None:
    assert FileDiff("75", "f", None, "x\n", mode_after=0o600).summary == "created, 1 line, with mode 0600"
    assert FileDiff("75", "f", "x\ny\n", None).summary == "removed, 2 lines"
    assert FileDiff("75", "f", "x", "x").summary == "unchanged"
    assert FileDiff("75", "f", "x", "x", 0o644, 0o600).summary == "mode 0644 becomes 0600"
    assert FileDiff("75", "f", None, None).summary == "is not there"
    assert FileDiff("75", "f", "a\n", "a").summary == "only line ends differ"


def test_changed_tells_content_mode_and_existence() -> None:
    assert not FileDiff("75", "f", "x", "x", 0o644, 0o644).changed
    assert FileDiff("75", "f", "x", "x", 0o644, 0o600).changed
    assert FileDiff("75", "f", None, "").changed


def test_masked_blocks_of_several_lines_still_diff() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA{}\nBBBB\n-----END OPENSSH PRIVATE KEY-----\n"
    diff = FileDiff("75", "key", key.format("x"), key.format("y"))
    assert "AAAA" not in str(diff)
    assert diff.changed
    assert diff.summary == "only masked values differ"


def test_a_long_diff_is_folded() -> None:
    long = FileDiff("75", "f", None, "x\n" * 200)._repr_html_()
    assert "<details>" in long
    assert "<details open>" in FileDiff("75", "f", None, "x\n")._repr_html_()


def test_new_files_fold_sooner_than_edits() -> None:
    lines = "x\n" * 30
    assert "<details>" in FileDiff("75", "f", None, lines)._repr_html_()
    assert "<details open>" in FileDiff("75", "f", "", lines)._repr_html_()


def test_the_same_change_on_several_hosts_is_shown_once() -> None:
    files = [FileDiff("75", "f", "a", "b"), FileDiff("120", "f", "a", "b"), FileDiff("121", "f", "c", "b")]
    made = plan("Plan", files)
    assert made.summary == "3 files on 3 hosts"
    assert str(made).count("@@ -1") == 2
    assert "75, 120: f: 1 line" in str(made)
    assert made._repr_html_().count("<details") == 2


def test_steps_are_numbered_in_their_order() -> None:
    steps = Steps("Then", (Step("75", "restart a.service", "read at start"), Step("120", "restart a.service")))
    assert str(steps).splitlines()[1] == "  1. 75: restart a.service  (read at start)"
    assert steps._repr_html_().index("75") < steps._repr_html_().index("120")
    assert "nothing to do" in str(Steps("Then", ()))


def test_a_plan_counts_what_changes_and_where() -> None:
    made = plan("Plan", [FileDiff("75", "f", "a", "b"), FileDiff("120", "f", "a", "a")], [Step("75", "restart")])
    assert made.summary == "1 file, 1 step on 1 host"
    assert "1 file already as wanted" in made._repr_html_()
    assert "120: f" not in str(made)
    assert plan("Plan", [FileDiff("120", "f", "a", "a")]).summary == "nothing to change"


def test_data_is_told_by_size_and_digest_many_files_in_one_fold() -> None:
    files = [FileDiff("108", f"data/{name}", None, "9 bytes, SHA-256 00ff", None, 0o644, True) for name in "ab"]
    changed = FileDiff("108", "data/c", "1 bytes, SHA-256 aa", "2 bytes, SHA-256 bb", 0o644, 0o644, True)
    shown = plan("Consumers", [*files, changed])
    assert str(shown).splitlines() == [
        "Consumers: 3 files on 1 host",
        "",
        "108: data/a: created: 9 bytes, SHA-256 00ff, with mode 0644",
        "108: data/b: created: 9 bytes, SHA-256 00ff, with mode 0644",
        "108: data/c: replaced: 1 bytes, SHA-256 aa becomes 2 bytes, SHA-256 bb",
    ]
    html = shown._repr_html_()
    assert html.count("<details>") == 1
    assert "108: 3 files of data" in html
    assert "data/b</code>: created: 9 bytes" in html
