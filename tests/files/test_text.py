"""Text of others is shown as a reader can see it."""

from __future__ import annotations

from made_results import HOSTILE

from calibaudit.files.text import one_line, visible


def test_visible():
    assert visible("a\x00\x1b\x7f\u202eb\ud800\n\tc", 50) == "a␀␛��b�\n\tc"
    assert visible("x" * 100, 11) == "xxxxx…xxxxx"
    assert one_line(" a\n b\t c ", 50) == "a b c"
    assert one_line("مرحبا", 50) == "مرحبا"
    assert all(len(visible(text, 60)) <= 60 for text in HOSTILE)
