"""Faults that are made on purpose, many times over, and what must come of them.

`python -m tests.faults` runs the long versions and prints one table; the suite calls the same code with few tries.
Each row of the table is a module of this folder, found by itself, that has

    FAULT = "odd options"                     first column
    MUST_BE = "one sentence, nothing made"    third column
    TRIES = 100                               how many the long version makes

    def run(tries: int, seed: int) -> Row:
        row = Row(FAULT, MUST_BE)
        for number in range(tries):
            ...
            row.note("refused in one sentence")            a try that came out as it must, and how
            row.fail(f"--epochs {text}: exit {code}")      or one that did not, with what is needed to see it again
        return row

The same `tries` and `seed` make the same faults. A module that needs a helper of tests/ imports it by its bare name
(`from serving import serve`); here, `from tests.faults import Row`. A test of the suite:

    from tests.faults import options

    def test_odd_options():
        options.run(tries=5, seed=1).check()
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HELPERS = str(Path(__file__).resolve().parents[1])
if HELPERS not in sys.path:  # under pytest it is there already
    sys.path.append(HELPERS)


@dataclass
class Row:
    """What came of the tries of one fault.

    Attributes:
        fault: what was done.
        must_be: what must come of it.
        outcomes: how many tries came out as they must, by how.
        failures: one text for each try that did not.
        remark: figures to be shown beside, such as "p95 31 ms, 29 ms without"; "" for none.
    """

    fault: str
    must_be: str
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    remark: str = ""

    def note(self, outcome: str) -> None:
        """Count a try that came out as it must."""
        self.outcomes[outcome] += 1

    def fail(self, what: str) -> None:
        """Count a try that did not, with what is needed to see it again."""
        self.failures.append(what)

    @property
    def tries(self) -> int:
        """How many were made."""
        return self.outcomes.total() + len(self.failures)

    @property
    def passed(self) -> bool:
        """Whether there were tries, and all came out as they must."""
        return self.tries > 0 and not self.failures

    @property
    def was(self) -> str:
        """The last column: "48 complete, 2 wrong"."""
        parts = [f"{count:,} {outcome}" for outcome, count in self.outcomes.most_common()]
        parts += [f"**{len(self.failures):,} wrong**"] if self.failures else []
        return ", ".join(parts or ["**nothing tried**"]) + (f"; {self.remark}" if self.remark else "")

    def check(self) -> None:
        """For a test of the suite: fails with what went wrong."""
        assert self.passed, f"{self.fault}: {self.was}\n" + "\n".join(self.failures)
