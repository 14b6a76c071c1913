"""The model card says what the model is, how it came to be, and under which terms."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gan import run
from gan.__main__ import main
from gan.data_record import BUILT_IN, DataRecord, SourceRecord
from gan.files import save_tensors
from gan.history import append_history, read_history, samples
from gan.metrics.results import save_metrics
from gan.models import Discriminator, Generator, count_parameters
from gan.presets import PRESETS
from gan.report.card import write_card
from gan.weights import load_generator, packed_weights, weights_hash

CELEBA, MNIST, DRAWN = (BUILT_IN[name] for name in ("celeba", "mnist", "drawn"))


def named(name, **known):
    return SourceRecord(name, name, **known)


ROW = {"images_seen": 123_456, "epoch": 3.25, "seconds": 150.0, "sample": 7}


@pytest.fixture
def card(tmp_path):
    """Writes the card of a made-up run and gives back its text."""

    def write(config, *parts, start=None):
        folder = tmp_path / "my-faces"
        run.write_config(folder, config, DataRecord(parts or (BUILT_IN["celeba"],), 59_893), start=start)
        (folder / "history.csv").unlink(missing_ok=True)
        append_history(folder, ROW)
        (folder / "samples").mkdir(exist_ok=True)
        for sheet in (0, 7):
            (folder / "samples" / f"{sheet:04d}.webp").write_bytes(b"picture")
        write_card(folder)
        return (folder / "README.md").read_text(encoding="utf-8")

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
        "| Data | CelebA: 59,893 of CelebA's 202,599 pictures |",
        "123,456 (3.2 epochs of 59,893)",
        "2.5 minutes",
        f"{count_parameters(Generator(config)):,} parameters",
        f"{count_parameters(Discriminator(config)):,} parameters",
        "| Latent | 100 numbers, uniform |",
        "cross entropy, real labels 0.9",
        "learning rates 0.0002 (G) and 0.0002 (D), betas 0.5, 0.999, batch 128 |",
        "none: the generator as it stood at the end",
        "samples/0007.webp",  # the newest sheet
        "## Limits",
        "Not for identification",
        'load_generator("my-faces")',
    ):
        assert fact in text, fact


def test_more_generated_pictures_than_real_ones_are_told(card):
    text = card(PRESETS["nadim-celeba32"].replace(fakes_per_real=3))
    assert "betas 0.5, 0.999, batch 128 real and 384 generated pictures |" in text


def test_latents_on_a_sphere_are_told(card):
    assert "| Latent | 5 numbers, normal, brought to one length |" in card(PRESETS["smooth-mnist28"])


def test_our_recipe_s_penalty_and_average_are_told(card):
    config = PRESETS["faces64"].replace(r1_gamma=0.5, r2_gamma=0.25, penalty_interval=8, ema_half_life_images=12_345)
    text = card(config)
    assert "R1 0.5 every 8 steps, R2 0.25 every 8 steps" in text
    assert "exponential, half-life 12,345 images and at most 5% of those seen so far" in text


def test_what_the_critic_sees_changed_is_told_by_its_name(card):
    text = card(PRESETS["faces64"].replace(d_augment="color,cutout"))
    [objective] = [line for line in text.splitlines() if line.startswith("| Objective |")]
    assert objective.endswith(", DiffAugment (color, cutout) |")
    assert "DiffAugment" not in card(PRESETS["faces64"])


def test_changes_to_the_preset_are_told(card):
    text = card(PRESETS["dcgan64"].replace(base_channels=32, epochs=3))
    assert "| Preset | `dcgan64` with `base_channels=32`, `epochs=3` |" in text
    assert " with `" not in card(PRESETS["dcgan64"])
    assert "`custom`" in card(PRESETS["dcgan64"].replace(preset="custom"))


@pytest.mark.parametrize(
    ("parts", "licence", "terms", "not_terms"),
    [
        ([CELEBA], "other", ["non-commercial research only"], ["CC BY-SA", "free of rights", "nobody recorded"]),
        ([named("a.zip", terms="celeba")], "other", ["non-commercial research only"], ["CC BY-SA"]),
        ([MNIST], "cc-by-sa-3.0", ["CC BY-SA 3.0"], ["non-commercial", "free of rights"]),
        ([DRAWN], "other", ["free of rights"], ["non-commercial", "CC BY-SA"]),
        ([CELEBA, DRAWN], "other", ["non-commercial research only", "free of rights"], []),
        ([MNIST, DRAWN], "cc-by-sa-3.0", ["CC BY-SA 3.0", "free of rights"], []),
        (
            [named("a.zip", terms="Taken by me, free to use.")],
            "other",
            ["a.zip: Taken by me, free to use."],
            ["nobody recorded"],
        ),
        # A name says nothing: not of rights, not of licences.
        *(
            (
                [named(name)],
                "other",
                [f"of {name} nobody recorded them"],
                ["non-commercial", "CC BY-SA", "free of rights"],
            )
            for name in ("hand-drawn-portraits", "fashion-mnist", "img_align_celeba.zip", "ukiyo-e + manga")
        ),
        ([MNIST, named("x")], "other", ["CC BY-SA 3.0", "of x nobody recorded them"], []),
    ],
)
def test_terms_follow_the_data(card, parts, licence, terms, not_terms):
    text = card(PRESETS["smooth-mnist28"], *parts)
    assert f"\nlicense: {licence}\n" in text
    assert all(term in text for term in terms)
    assert not any(term in text for term in not_terms)


def test_training_ends_with_a_card(tiny_run):
    text = (tiny_run / "README.md").read_text(encoding="utf-8")
    assert "drawn faces" in text and "2,000 (50.0 epochs of 44)" in text
    sheet = text.split("(samples/")[1].split(")")[0]
    assert tiny_run / "samples" / sheet == max(samples(tiny_run).values())


def test_beginning_middle_and_end_are_side_by_side(run_copy):
    sheets = samples(run_copy)
    seen = {row["sample"]: row["images_seen"] for row in read_history(run_copy) if row["sample"] is not None}
    middle = min(list(seen)[1:-1], key=lambda sheet: abs(seen[sheet] - 1000))
    grey = np.zeros((64, 128, 3), np.uint8)
    for number, value in ((min(sheets), 0), (middle, 120), (max(sheets), 240)):
        Image.fromarray(np.concatenate([grey[:16] + value, grey[16:]])).save(sheets[number], lossless=True)
    write_card(run_copy)
    strip = np.asarray(Image.open(run_copy / "progress.webp").convert("L")).astype(int)
    assert strip.shape == (3 * 64, 8 * 64)  # the first row of each, 16 pixels four times
    for row, value in enumerate((0, 120, 240)):
        assert abs(strip[64 * row + 8 : 64 * row + 56] - value).max() < 16
    text = (run_copy / "README.md").read_text(encoding="utf-8")
    assert "(progress.webp)" in text and f"after 0, {seen[middle]:,} and 2,000 real pictures" in text
    for number in list(sheets)[1:-1]:
        sheets[number].unlink()
    write_card(run_copy)
    assert "progress.webp" not in (run_copy / "README.md").read_text(encoding="utf-8")
    assert not (run_copy / "progress.webp").exists()


def test_the_machine_is_the_one_that_trained(run_copy):
    """Not the one that happens to write the card."""
    config = run_copy / "config.json"
    config.write_text(
        json.dumps(json.loads(config.read_text(encoding="utf-8")) | {"machine": "96 abacuses"}), encoding="utf-8"
    )
    write_card(run_copy)
    assert " on 96 abacuses |" in (run_copy / "README.md").read_text(encoding="utf-8")


# ---------------------------------------------------------------------------------------------- figures


def result(size, weights, **more):
    figures = {"frechet_distance": 9.876, "kernel_distance": 0.0662, "sliced_wasserstein": 11.86, "ms_ssim": 0.333}
    protocol = {
        "images": 5000, "seed": 0, "seeds": "0 to 4999", "truncation": 1.0, "size": size, "model_size": 64,
        "data": "celeba.zip", "held_out": "the validation split (6,674 pictures)", "held_out_seen_by_model": True,
        "crop": "the centre square", "sliced_wasserstein": "2048 pictures", "ms_ssim": "1000 pairs",
        "extractor": {"task": "celeba", "hash": "abcdef012345", "features": 192, "image_size": 64},
        "kernel_distance": "50 subsets", "precision_recall": "k = 3",
    }  # fmt: skip
    real = dict.fromkeys(figures, 0.5)
    return {"weights": weights, "protocol": protocol, "generated": figures, "real": real} | more


@pytest.fixture
def measured_card(run_copy):
    """Puts results into the folder's metrics.json and gives the text of its card; `details()` is figures.md's."""

    def write(*results):
        for one in results:
            save_metrics(run_copy, one)
        write_card(run_copy)
        return (run_copy / "README.md").read_text(encoding="utf-8")

    write.folder = run_copy
    write.details = lambda: (run_copy / "figures.md").read_text(encoding="utf-8")
    write.weights = weights_hash(run_copy)
    return write


def test_figures_stand_beside_real_ones_with_their_protocol(measured_card):
    text = measured_card(result(64, measured_card.weights), result(32, measured_card.weights))
    assert "| | at 64 px | real | at 32 px | real | better |" in text
    assert "| Fréchet distance | 9.876 | 0.500 | 9.876 | 0.500 | lower |" in text
    details = measured_card.details()
    for word in ("5,000 pictures, seeds 0 to 4999", "validation split", "trained on too", "abcdef012345"):
        assert word in text and word in details, word
    assert "k = 3" in details and "--size 64 32 --seed 0\n" in details and "](figures.md)" in text
    assert "Precision |" not in text and "FID (Inception)" not in text and "Who is missing" not in text


def test_figures_of_other_weights_are_not_told(measured_card):
    measured_card(result(64, measured_card.weights))
    shutil.copy(measured_card.folder / "snapshots" / "0000.safetensors", measured_card.folder / run.MODEL_FILE)
    text = measured_card()
    assert "9.876" not in text and "Measured on other weights" in text
    (measured_card.folder / "metrics.json").unlink()
    assert "## Figures" not in measured_card()
    assert not (measured_card.folder / "figures.md").exists()


def test_who_is_missing(measured_card):
    shares = {
        "Wearing_Hat": {"generated": 0.01, "real": 0.05},
        "Smiling": {"generated": 0.5, "real": 0.48},
        "Pale_Skin": {"generated": 0.09, "real": 0.04},
        "Bald": {"generated": 0.0, "real": 0.005},
    }
    text = measured_card(result(64, measured_card.weights, attributes=shares))
    rare = text.split("as in the data: ")[1].split(". More than")[0]
    assert rare == "Wearing Hat (1.0%, data 5.0%)"  # and not Bald, too rare to tell
    assert "times as often: Pale Skin (9.0%, data 4.0%)." in text
    details = measured_card.details()
    assert "| Bald | 0.0% | 0.5% |" in details and "| Smiling | 50.0% | 48.0% |" in details


def test_nothing_learned_by_heart_is_told_in_distances(measured_card):
    facts = {
        "searched": 59_893, "seeds": [0, 1, 2], "distances": [2.5, 0.2, 3.0],
        "held_out": {"p1": 1.0, "p5": 1.5, "p50": 2.75, "p95": 4.0},
    }  # fmt: skip
    text = measured_card(result(64, measured_card.weights, neighbours=facts))
    assert "one of the 59,893 training pictures than 99 % of held-out pictures do, as a copy would: 1 of 3." in text
    details = measured_card.details()
    assert "0: 2.50, 1: 0.20, 2: 3.00" in details and "nearest of 59,893 training pictures" in details
    assert (
        "2.75 (median; 1 % of them under 1.00" in details
        and "nearer than 99 % of held-out pictures do: 1 of 3." in details
    )
    assert "--neighbours nearest.webp\n" in details


def test_digits_and_fid(measured_card):
    one = result(28, measured_card.weights, inception_fid=12.3456)
    one["generated"] |= {"sure_share": 0.914, "digits": [500] * 10, "digit_entropy": 3.3219}
    one["real"] |= {"sure_share": 0.986, "digit_entropy": 3.319}
    text = measured_card(one)
    assert "| Classifier more than 90 % sure | 91.4% | 98.6% | as real |" in text
    assert "| 0 | 1 | 2 |" in measured_card.details() and "\n| 500 | 500 |" in measured_card.details()
    assert "| FID (Inception) | 12.35 | | lower |" in text
    one["inception_fid"] = "not measured: it needs weights"
    assert "| FID (Inception) |  | | lower |" in measured_card(one)


def test_the_best_generator_is_told(measured_card):
    assert "Best in training" not in measured_card()
    save_tensors(
        measured_card.folder / "best.safetensors",
        packed_weights(load_generator(measured_card.folder)),
        {"metric": "frechet_distance", "value": 7.125, "images_seen": 123_456},
    )
    assert "Fréchet distance 7.12 against training pictures, at 123,456 pictures seen" in measured_card()


def test_what_a_person_writes_is_linked_and_its_first_lines_are_on_the_card(measured_card):
    notes = measured_card.folder / "notes.md"
    notes.write_text("Drawn by hand.\nFree.\n\n## Sweep\nWe tried six.\n", encoding="utf-8")
    text = measured_card()
    assert "none left out.\n\nDrawn by hand.\nFree.\n\n![Seeds" in text and "](notes.md)" in text
    assert "Sweep" not in text and "We tried six" not in text
    notes.write_text("## Sweep\nWe tried six.\n", encoding="utf-8")
    assert "none left out.\n\n![Seeds" in measured_card() and "](notes.md)" in measured_card()
    notes.write_text("Drawn by hand.\n", encoding="utf-8")
    assert "Drawn by hand." in measured_card() and "](notes.md)" not in measured_card()


def test_the_command_that_trains_it_again(card):
    config = PRESETS["nadim-celeba32"]
    assert "`python train.py --preset nadim-celeba32 --data celeba --all-splits --max-images 123456`" in card(config)
    text = card(config.replace(epochs=2, g_multipliers=(2, 2, 1), metric_interval=5), named("a b.zip"), DRAWN)
    assert "--set g_multipliers=2,2,1 --set epochs=2 --data 'a b.zip' drawn --epochs 3`" in text
    assert "--data 'ukiyo-e + manga' --kind faces --terms 'My own.' --max" in card(
        config, named("ukiyo-e + manga", kind="faces", terms="My own.")
    )
    assert "metric_interval" not in text
    assert "`python train.py --preset nadim-celeba32 --data mnist`" in card(config.replace(epochs=25), MNIST).replace(
        " --max-images 123456", ""
    )


def test_celeba_is_told_to_be_a_part(card):
    assert "59,893 of CelebA's 202,599 pictures" in card(PRESETS["dcgan64"], named("a.zip", terms="celeba"))
    assert "202,599" not in card(PRESETS["dcgan64"], CELEBA, named("my-photos"))


def test_the_command_writes_cards(run_copy, capsys):
    (run_copy / "README.md").unlink()
    assert main(["card", str(run_copy)]) == 0 and (run_copy / "README.md").is_file()
    (run_copy / "history.csv").unlink()
    assert main(["card", str(run_copy)]) == 2
    assert "has no history.csv" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["card"])
    assert "nothing to do" in capsys.readouterr().err
