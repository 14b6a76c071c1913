"""Odd options: one sentence, and nothing made."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import train as command
from gan.data_record import BUILT_IN, DataRecord
from tests.faults import Row

FAULT = "odd options"
MUST_BE = "one sentence, nothing made"
TRIES = 100

HUGE = "1" + "0" * 4000
LONG = "x" * 5000
WHOLE = ["0", "-1", "1.5", "", "nan", "one", HUGE, "1" + "0" * 400, "1e3", "0x10"]
PLACES = ["", " ", "a\0b", LONG, "file/inside", "/dev/null/inside", "file", "/proc/nothing/here"]
SOURCES = [
    "", " ", "a\0b", LONG, "nowhere", "file", "empty", "drawn:", "drawn:0", "drawn:-5", "drawn:ten", "drawn:1.5",
    "drawn:" + "9" * 15, "drawn:" + HUGE, "Drawn", "/dev/null", "drawn:40/..",
]  # fmt: skip
FIELDS = [
    "", "=", "=5", "g_lr", "g_lr=", "g_lr=fast", "g_lr=inf", "g_lr=nan", "g_lr=-1", "beta1=1", "base_channels=0",
    "base_channels=1000000000", f"base_channels={HUGE}", f"penalty_interval={HUGE}", "z_dim=0", "z_dim=10000000",
    "image_size=0", "image_size=64.5", "image_size=1000000", "channels=2", "g_multipliers=", "g_multipliers=0,1",
    "d_strides=9,9", "g_multipliers=1000000000,1", "kernel_size=0", "loss=", "loss=best", "flip=maybe",
    "real_label=2", "preset=../x", "r1_gamma=inf", "sample_growth=1", "sample_growth=inf",
    "fakes_per_real=1000000000000", "log_interval=0", f"nothing={LONG}", LONG,
]  # fmt: skip
ALONE = [
    ["--resume", "begun", "--preset", "dcgan64"], ["--resume", "begun", "--out", "x"], ["--resume", "begun"],
    ["--resume", "begun", "--overwrite"], ["--resume", "empty"], ["--nothing"], ["--data"], ["--out"], ["stray"],
    ["--out", "album"], ["--out", "album", "--overwrite"], ["--out", "begun"], ["--preset", "dcgan64", "--preset", ""],
]  # fmt: skip


def cases() -> list[list[str]]:
    """Options, each list wrong in one way."""
    found = [
        [option, text] for option in ("--epochs", "--batch-size", "--max-images", "--sample-every") for text in WHOLE
    ]
    found += [[option, text] for option in ("--max-minutes", "--save-minutes") for text in ("0", "-1", "nan", "", "x")]
    found += [["--seed", text] for text in ("-1", "", "1.5", HUGE, str(2**32))]
    found += [[option, place] for option in ("--out", "--resume", "--start-from") for place in PLACES]
    found += [["--data-root", place, "--data", "mnist"] for place in ("", " ", "a\0b", LONG)]
    found += [["--data", source] for source in SOURCES]
    found += [["--data", "drawn:40", source] for source in ("", "nowhere")]
    found += [["--set", field] for field in FIELDS]
    found += [["--device", text] for text in ("meta", "", "gpu", "cuda:99", "cpu:", LONG, "-1", "tpu", "xla")]
    found += [["--precision", text] for text in ("", "fp16", "double")]
    found += [["--preset", text] for text in ("", "nothing", "../faces64", LONG)]
    return found + ALONE


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder to stand in: a file, an empty folder, one with a picture, and a run without a checkpoint."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_text("no model", encoding="utf-8")
        (folder / "empty").mkdir()
        (folder / "album").mkdir()
        (folder / "album" / "me.txt").touch()
        (folder / "begun").mkdir()
        command.run.write_config(
            folder / "begun", command.PRESETS["nadim-celeba32"], DataRecord((BUILT_IN["drawn"],), 40)
        )
        before, cache = Path.cwd(), os.environ.get("GAN_CACHE")
        os.chdir(folder)
        os.environ["GAN_CACHE"] = str(folder / "cache")
        try:
            yield folder
        finally:
            os.chdir(before)
            os.environ.pop("GAN_CACHE")
            if cache is not None:
                os.environ["GAN_CACHE"] = cache


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything in the folder; of the picture cache only what is no lock, for pictures may have to be counted."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if "cache" not in path.parts[len(folder.parts)]
    }


def run(tries: int, seed: int) -> Row:
    row = Row(FAULT, MUST_BE)
    picked = random.Random(seed).sample(cases(), len(cases()))
    fitting = ["--preset", "andreipop-celeba32", "--set", "base_channels=8", "--device", "cpu", "--batch-size", "8",
               "--epochs", "1", "--data", "drawn:40"]  # fmt: skip
    with workplace() as folder:
        before = contents(folder)
        for number in range(tries):
            odd = picked[number % len(picked)]
            arguments = [*(() if "--resume" in odd else fitting), *odd]
            said, shown = io.StringIO(), " ".join(odd)[:80]
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                try:
                    status = command.main(arguments)
                except SystemExit as leaving:
                    status = leaving.code
                except BaseException as error:
                    row.fail(f"{shown}: {type(error).__name__}: {str(error)[:200]}")
                    continue
            text = said.getvalue()
            made = contents(folder)
            if made != before:
                row.fail(f"{shown}: made {sorted(made.keys() ^ before.keys())[:5]}: {text[-300:]}")
                for path in made.keys() - before.keys():
                    shutil.rmtree(folder / path, ignore_errors=True)
            elif status != 2 or text.count("\n") != 1 or not text.startswith("train.py: ") or len(text) > 600:
                row.fail(f"{shown}: exit {status}: {text[:400]}")
            else:
                row.note("refused in one sentence")
    return row
