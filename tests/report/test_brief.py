"""What is said beside a choice of models: facts of the folder, whatever is damaged in it or not there yet."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan.report.brief import brief
from gan.run import is_run, read_info

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [folder for folder in sorted((ROOT / "weights").iterdir()) if is_run(folder)]


def told(folder: Path) -> dict:
    return brief(folder.name, folder, read_info(folder))


def opened(picture: str) -> Image.Image:
    head, content = picture.split(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_every_shipped_model_is_told_as_in_the_readme_and_shows_what_it_draws(folder):
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith(f"| [{folder.name}]"))
    _, size, kind, time = [cell.strip() for cell in line.strip("|").split("|")][1:5]
    shown = told(folder)
    recipe, pictures, trained = shown["line"].split(", ")
    assert pictures == f"{size}\u00a0px {kind.partition(';')[0]}" and trained == f"trained {time}"
    paper = "The paper's recipe" if folder.name == "dcgan64" else "A student project rebuilt"
    assert recipe == ("Our own recipe" if folder.name in ("faces64", "faces128") else paper)

    side = min(int(size), 80)
    picture, strip = opened(shown["picture"]), Image.open(folder / "strip.webp").convert("RGB")
    assert picture.size == (side, side) and len(shown["picture"]) < 4000
    seed_0 = strip.crop((0, 0, strip.height, strip.height)).resize((side, side), Image.Resampling.BOX)
    assert np.abs(np.asarray(picture, np.int16) - np.asarray(seed_0, np.int16)).mean() < 12


def test_a_run_of_ones_own_says_what_is_known_and_shows_its_newest_sheet(run_copy):
    info = read_info(run_copy)
    shown = told(run_copy)
    assert shown["line"].startswith("16\u00a0px ") and re.search(r", trained [\d.]+ (seconds|minutes)$", shown["line"])
    sheets = sorted((run_copy / "samples").iterdir())
    newest = Image.open(sheets[-1]).convert("RGB").crop((0, 0, 16, 16))
    assert np.abs(np.asarray(opened(shown["picture"]), np.int16) - np.asarray(newest, np.int16)).mean() < 12
    by_ours = replace(info, config=info.config.replace(preset="faces64"))
    assert brief("mine", run_copy, by_ours)["line"].startswith("Recipe faces64, 16\u00a0px ")

    (run_copy / "history.csv").unlink()
    sheets[-1].write_bytes(sheets[-1].read_bytes()[:40])
    assert told(run_copy) == {"line": shown["line"].partition(", trained")[0], "picture": ""}
    Image.new("RGB", (4000, 4000)).save(sheets[-1])  # too large to be opened for one picture of it
    assert told(run_copy)["picture"] == ""
    Image.new("RGB", (4, 4)).save(sheets[-1])
    assert told(run_copy)["picture"] == ""
    for sheet in sheets:
        sheet.unlink()
    assert told(run_copy)["picture"] == ""
