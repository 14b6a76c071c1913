"""The table of faults: its rows, its file and its exit status."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.faults import Row
from tests.faults.__main__ import ABOUT, HEAD, attempt, line, write


def row(fault, *outcomes, failures=(), remark=""):
    made = Row(fault, "as it was", remark=remark)
    for outcome in outcomes:
        made.note(outcome)
    for failure in failures:
        made.fail(failure)
    return made


def test_a_row_counts_its_tries_by_how_they_came_out():
    made = row("a | b", "kept", "told", "kept", failures=["try 3"], remark="p95 3 ms")
    assert made.tries == 4 and not made.passed
    assert line(made) == "| a \\| b | 4 | as it was | 2 kept, 1 told, **1 wrong**; p95 3 ms |"
    with pytest.raises(AssertionError, match="try 3"):
        made.check()


def test_a_row_without_tries_has_not_passed():
    assert not row("a").passed and "nothing tried" in row("a").was
    row("a", "kept").check()


def test_a_module_that_breaks_down_is_a_row_that_fails():
    def run(tries, seed):
        raise OSError(f"{tries} of {seed}")

    module = SimpleNamespace(FAULT="broken", MUST_BE="whole", TRIES=7, run=run)
    assert "OSError: 7 of 5" in attempt(module, None, 5).failures[0]
    assert "OSError: 2 of 5" in attempt(module, 2, 5).failures[0]


def test_the_file_keeps_the_rows_that_were_not_made_anew(tmp_path):
    path = tmp_path / "faults.md"
    write(path, [row("a | b", "kept"), row("gone", "kept"), row("c", "kept")], ["a | b", "gone", "c"])
    write(path, [row("c", "told")], ["a | b", "b", "c"])  # the module "gone" went, "b" was never run
    lines = [*HEAD, line(row("a | b", "kept")), line(row("c", "told"))]
    assert path.read_text(encoding="utf-8") == ABOUT + "\n".join(lines) + "\n"
