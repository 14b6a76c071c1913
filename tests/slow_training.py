"""train.py with a pause before each step: for tests that watch a training, which need not keep a core busy."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import train as command
from gan.training import loop

PAUSE = 0.1  # seconds

make_batch = loop.make_batch


def paused(*arguments, **options):
    time.sleep(PAUSE)
    return make_batch(*arguments, **options)


if __name__ == "__main__":
    loop.make_batch = paused
    sys.exit(command.main())
