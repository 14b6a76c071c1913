"""The model card says what the model is, how it came to be, and under which terms."""

from __future__ import annotations

import json

import pytest

from gan import run
from gan.card import write_card
from gan.config import PRESETS
from gan.models import Discriminator, Generator, count_parameters

ROW = {"images_seen": 123_456, "epoch": 3.25, "seconds": 150.0, "sample": 7}


@pytest.fixture
def card(tmp_path):
    """Writes the card of a made-up run and gives back its text."""

    def write(config, data="CelebA"):
        folder = tmp_path / "my-faces"
        run.write_config(folder, config, data, 59_893)
        (folder / "history.csv").unlink(missing_ok=True)
        run.append_history(folder, ROW)
        (folder / "samples").mkdir(exist_ok=True)
        for sheet in (0, 7):
            (folder / "samples" / f"{sheet:04d}.webp").write_bytes(b"picture")
        write_card(folder)
        return (folder / "README.md").read_text()

    return write


def test_front_matter_is_what_the_hub_reads(card):
    lines = card(PRESETS["dcgan64"]).splitlines()
    assert lines[0] == "---"
    front = dict(line.split(": ", 1) for line in lines[1 : lines.index("---", 1)])
    assert front["pipeline_tag"] == "unconditional-image-generation"
    assert front["library_name"] == "pytorch"
    assert "gan" in front["tags"]


def test_facts_of_the_run(card):
    config = PRESETS["nadim-celeba32"]
    text = card(config)
    for fact in (
        "# my-faces",
        config.source,
        "| Preset | `nadim-celeba32` |",
        "| Data | CelebA |",
        "123,456 (3.2 epochs of 59,893)",
        "2.5 minutes",
        f"{count_parameters(Generator(config)):,} parameters",
        f"{count_parameters(Discriminator(config)):,} parameters",
        "100 numbers, uniform",
        "cross entropy, real labels 0.9",
        "learning rates 0.0002 (G) and 0.0002 (D), betas 0.5, 0.999, batch 128",
        "none: the generator as it stood at the end",
        "samples/0007.webp",  # the newest sheet
        "## Limits",
        "Not for identification",
        'load_generator("my-faces")',
    ):
        assert fact in text, fact


def test_our_recipe_s_penalty_and_average_are_told(card):
    config = PRESETS["faces64"].replace(r1_gamma=0.5, r2_gamma=0.25, penalty_interval=8, ema_half_life_images=12_345)
    text = card(config)
    assert "R1 0.5 every 8 steps, R2 0.25 every 8 steps" in text
    assert "exponential, half-life 12,345 images" in text


def test_changes_to_the_preset_are_told(card):
    text = card(PRESETS["dcgan64"].replace(base_channels=32, epochs=3))
    assert "| Preset | `dcgan64` with `base_channels=32`, `epochs=3` |" in text
    assert " with `" not in card(PRESETS["dcgan64"])
    assert "`custom`" in card(PRESETS["dcgan64"].replace(preset="custom"))


@pytest.mark.parametrize(
    ("data", "licence", "terms", "not_terms"),
    [
        ("CelebA", "other", ["non-commercial research only"], ["CC BY-SA", "free of rights"]),
        ("img_align_celeba.zip", "other", ["non-commercial research only"], ["CC BY-SA"]),
        ("MNIST", "cc-by-sa-3.0", ["CC BY-SA 3.0"], ["non-commercial", "free of rights"]),
        ("drawn faces", "other", ["free of rights"], ["non-commercial", "CC BY-SA"]),
        ("CelebA + drawn faces", "other", ["non-commercial research only", "free of rights"], []),
        ("my-photos", "other", ["under the terms of the pictures"], ["non-commercial", "CC BY-SA", "free of rights"]),
    ],
)
def test_terms_follow_the_data(card, data, licence, terms, not_terms):
    text = card(PRESETS["smooth-mnist28"], data)
    assert f"\nlicense: {licence}\n" in text
    assert all(term in text for term in terms)
    assert not any(term in text for term in not_terms)


def test_training_ends_with_a_card(tiny_run):
    text = (tiny_run / "README.md").read_text()
    assert "drawn faces" in text and "2,000 (50.0 epochs of 44)" in text
    sheet = text.split("(samples/")[1].split(")")[0]
    assert tiny_run / "samples" / sheet == max(run.samples(tiny_run).values())


def test_the_machine_is_the_one_that_trained(run_copy):
    """Not the one that happens to write the card."""
    config = run_copy / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"machine": "96 abacuses"}))
    write_card(run_copy)
    assert "minutes on 96 abacuses |" in (run_copy / "README.md").read_text()
