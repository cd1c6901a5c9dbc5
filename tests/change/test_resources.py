import pytest

from runbook_lib.change.resources import is_binary, text_of


@pytest.mark.parametrize("content", [b"", b"{}\n", "é\n".encode()])
def test_text_is_shown_as_it_is(content: bytes) -> None:
    assert (is_binary(content), text_of(content)) == (False, content.decode())


@pytest.mark.parametrize("content", [b"ARROW1\0\0", b"\xff\xfe", b"a\0"])
def test_data_is_told_by_size_and_digest(content: bytes) -> None:
    shown = text_of(content)
    assert is_binary(content)
    assert shown is not None
    assert shown.startswith(f"{len(content)} bytes, SHA-256 ")
    assert shown != text_of(content + b"\0")


def test_no_file_is_no_text() -> None:
    assert (is_binary(None), text_of(None)) == (False, None)
