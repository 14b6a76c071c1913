"""A few of the damages that `python -m tests.faults damaged` does to a model folder."""

from __future__ import annotations

import sys

import pytest

from tests.faults import damaged


@pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and links need rights there")
def test_damaged_files_end_as_sentences_and_leave_the_other_models():
    damaged.run(tries=10, seed=4).check()
