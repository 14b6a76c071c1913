"""What the shipped models are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan.presets import PRESETS
from gan.run import is_run, read_info
from gan.titles import TITLES, place_of, title_of

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
SHIPPED = [folder for folder in sorted(WEIGHTS.iterdir()) if is_run(folder)]


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_every_shipped_model_has_a_title_and_digits_say_that_they_are(folder):
    config = read_info(folder).config
    title = title_of(folder.name, config)
    assert title == f"{TITLES[folder.name]}, {config.image_size} px"
    assert ("digits" in title) == (config.channels == 1)


def test_titles_tell_models_apart_and_come_in_the_order_of_a_choice():
    configs = {name: PRESETS.get(name) for name in TITLES} | {"smooth-celeba28-20": PRESETS["smooth-celeba28"]}
    assert PRESETS.keys() <= TITLES.keys()
    titles = [title_of(name, config) for name, config in configs.items()]
    assert len(set(titles)) == len(TITLES) and titles[:2] == ["GAN Faces, 128 px", "GAN Faces, 64 px"]
    names = ["b", "dcgan64", "a", "smooth-mnist28", "faces64", "cfcv-celeba28"]
    assert sorted(names, key=place_of) == ["faces64", "cfcv-celeba28", "dcgan64", "smooth-mnist28", "a", "b"]


def test_a_users_own_run_keeps_the_name_of_its_folder():
    assert title_of("runs/faces64", PRESETS["faces64"]) == "runs/faces64"
    assert title_of("faces64", None) == "faces64"  # its config cannot be read
