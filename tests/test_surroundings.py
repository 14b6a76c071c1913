"""The fast part of the faults around a training; `python -m tests.faults` makes many more."""

from __future__ import annotations

from tests.faults import options


def test_odd_options():
    options.run(tries=60, seed=1).check()
