"""Measured while it trains: the figures in the history, the best generator kept, and nothing else changed by it."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
import torch
from tiny_classifiers import install, tiny_classifier
from tiny_runs import CELEBA, assert_same_run, assert_same_tensors, go, history, on_step, signal_on_step

from gan.config import ConfigError
from gan.data_record import BUILT_IN, DataRecord
from gan.history import HISTORY_COLUMNS, images_seen, read_history
from gan.metrics.classifier import load_classifier
from gan.metrics.distances import frechet_distance
from gan.metrics.held_out import features_of
from gan.metrics.monitor import IMAGES, Monitor
from gan.presets import PRESETS
from gan.sampling import sample
from gan.training.checkpoint import load_checkpoint, load_meta, save_checkpoint
from gan.training.loop import Limits
from gan.training.recorder import Recorder
from gan.training.step import Trainer
from gan.weights import best_facts, load_generator

METRICS = ("frechet_distance", "sliced_wasserstein", "sure_share")


@pytest.fixture
def classifiers(tmp_path, monkeypatch):
    monkeypatch.setattr("gan.metrics.monitor.IMAGES", 64)
    monkeypatch.setattr("gan.latent.directions.find_for_run", lambda folder: None)  # another thing, and slow
    install(monkeypatch, tmp_path / "classifiers", celeba=tiny_classifier(), mnist=tiny_classifier(True, 1))


@pytest.fixture
def measured(eventful):
    """Twenty steps of 8 pictures; measured at the first row at or after 40, 80, 120 and 160 pictures."""
    return eventful.replace(metric_interval=40, g_lr=1e-3, d_lr=1e-3)


def values(folder, column="frechet_distance"):
    rows = read_history(folder)
    return {row["images_seen"]: row[column] for row in rows if row[column] is not None}


def test_figures_come_into_the_history_when_due(measured, pictures, tmp_path, classifiers):
    go(measured, pictures, tmp_path / "a", data=CELEBA)
    assert list(values(tmp_path / "a")) == [48, 80, 128, 160]
    assert not values(tmp_path / "a", "sliced_wasserstein") and not values(tmp_path / "a", "sure_share")
    best = best_facts(tmp_path / "a")
    found = values(tmp_path / "a")
    assert best["metric"] == "frechet_distance" and best["value"] == pytest.approx(min(found.values()), rel=1e-5)
    assert found[images_seen(tmp_path / "a", best=True)] == min(found.values())


def test_the_last_figure_is_of_the_weights_that_are_left(measured, pictures, tmp_path, classifiers):
    """Worked out again from the folder; its weights are rounded to float16."""
    go(measured, pictures, tmp_path / "a", data=CELEBA)
    monitor = Monitor(pictures, "faces")
    generator = load_generator(tmp_path / "a")
    expected = frechet_distance(
        features_of(monitor.classifier, pictures), features_of(monitor.classifier, sample(generator, n=64))
    )
    assert values(tmp_path / "a")[160] == pytest.approx(expected, rel=0.02)
    assert monitor.measure(generator)["frechet_distance"] == pytest.approx(expected, rel=1e-3)


def test_training_is_the_same_with_and_without(measured, pictures, tmp_path, classifiers):
    go(measured, pictures, tmp_path / "with", data=CELEBA)
    go(measured.replace(metric_interval=0), pictures, tmp_path / "without", data=CELEBA)
    a, b = (load_checkpoint(tmp_path / name)[0] for name in ("with", "without"))
    assert_same_tensors(a["trainer"], b["trainer"])
    plain = [{k: v for k, v in row.items() if k not in METRICS} for row in history(tmp_path / "with")]
    assert plain == [{k: v for k, v in row.items() if k not in METRICS} for row in history(tmp_path / "without")]
    assert not (tmp_path / "without" / "best.safetensors").exists() and not values(tmp_path / "without")


def test_measuring_leaves_every_generator_of_randomness_alone(tiny_run, pictures, classifiers):
    generator = load_generator(tiny_run)
    monitors = [Monitor(pictures, data) for data in ("faces", "unknown")]
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    for monitor in monitors:
        monitor.measure(generator)
    assert torch.equal(torch.get_rng_state(), before) and (np.random.get_state()[1] == numpy_before).all()


@pytest.mark.parametrize("step", [4, 17])
def test_interrupted_and_resumed_is_bit_identical(step, measured, pictures, tmp_path, monkeypatch, classifiers):
    go(measured, pictures, tmp_path / "whole", data=CELEBA)
    with monkeypatch.context() as patch:
        signal_on_step(patch, step)
        assert go(measured, pictures, tmp_path / "parts", data=CELEBA).reason == "interrupted"
    go(measured, pictures, tmp_path / "parts", data=CELEBA, resume=True)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    assert best_facts(tmp_path / "parts") == best_facts(tmp_path / "whole")


def test_a_best_from_after_the_checkpoint_is_taken_back(measured, pictures, tmp_path, monkeypatch, classifiers):
    """A crash after a better generator was written and before the next checkpoint: back to what that one knows."""

    def crash(real):
        raise RuntimeError("power cut")

    go(measured, pictures, tmp_path / "a", data=CELEBA, limits=Limits(4, max_images=48))
    before = (tmp_path / "a" / "best.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "measure", lambda self, generator, bf16: {"frechet_distance": -1.0})
        on_step(patch, 12, crash)
        with pytest.raises(RuntimeError, match="power cut"):
            go(measured, pictures, tmp_path / "a", data=CELEBA, resume=True)
    assert best_facts(tmp_path / "a")["value"] == -1.0
    go(measured, pictures, tmp_path / "a", data=CELEBA, resume=True, limits=Limits(4, max_images=56))
    facts = best_facts(tmp_path / "a")
    assert facts["value"] > 0
    assert facts["images_seen"] == 48 and len(values(tmp_path / "a")) == 2
    assert (tmp_path / "a" / "best.safetensors").read_bytes() == before


def test_only_a_better_generator_takes_the_place(measured, pictures, tmp_path, monkeypatch, classifiers):
    figures = iter([5.0, 3.0, 4.0, 3.0])
    monkeypatch.setattr(Monitor, "measure", lambda self, generator, bf16: {"frechet_distance": next(figures)})
    go(measured, pictures, tmp_path / "a", data=CELEBA)
    assert best_facts(tmp_path / "a") == {"metric": "frechet_distance", "value": 3.0, "images_seen": 80}
    best, last = load_generator(tmp_path / "a", best=True), load_generator(tmp_path / "a")
    assert any(not torch.equal(a, b) for a, b in zip(best.parameters(), last.parameters(), strict=True))


def test_a_figure_that_is_no_number_is_never_the_best(measured, pictures, tmp_path, monkeypatch, classifiers):
    figures = iter([math.nan, 5.0, -math.inf, 3.0])
    monkeypatch.setattr(Monitor, "measure", lambda self, generator, bf16: {"frechet_distance": next(figures)})
    go(measured, pictures, tmp_path / "a", data=CELEBA, limits=Limits(4, max_images=48))
    assert not (tmp_path / "a" / "best.safetensors").exists()
    go(measured, pictures, tmp_path / "a", data=CELEBA, resume=True)
    assert best_facts(tmp_path / "a") == {"metric": "frechet_distance", "value": 3.0, "images_seen": 160}


def test_a_best_without_a_number_of_an_older_version_gives_way(measured, pictures, tmp_path, monkeypatch, classifiers):
    monkeypatch.setattr(Monitor, "measure", lambda self, generator, bf16: {"frechet_distance": 5.0})
    folder = tmp_path / "a"
    go(measured, pictures, folder, data=CELEBA, limits=Limits(4, max_images=48))
    state, _ = load_checkpoint(folder)
    state["best"]["value"] = math.nan
    meta = {key: value for key, value in load_meta(folder).items() if key not in ("step", "sha256")}
    save_checkpoint(folder, state["counters"]["step"], state, meta)
    go(measured, pictures, folder, data=CELEBA, resume=True)
    assert best_facts(folder) == {"metric": "frechet_distance", "value": 5.0, "images_seen": 80}


def test_a_run_of_an_older_version_goes_on(measured, pictures, tmp_path, classifiers):
    """Its checkpoint knows no metrics, its history has no columns for them, its config no interval."""
    folder = tmp_path / "old"
    go(measured.replace(metric_interval=0), pictures, folder, data=CELEBA, limits=Limits(2))
    state, _ = load_checkpoint(folder)
    del state["best"], state["counters"]["_next_metric"]
    meta = {key: value for key, value in load_meta(folder).items() if key not in ("step", "sha256")}
    save_checkpoint(folder, state["counters"]["step"], state, meta)
    path = folder / "history.csv"
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    old = [i for i, name in enumerate(HISTORY_COLUMNS) if name not in METRICS]
    path.write_text("".join(",".join(line[i] for i in old) + "\n" for line in lines), encoding="utf-8")
    before = read_history(folder)

    go(measured, pictures, folder, data=CELEBA, resume=True)
    rows = read_history(folder)
    assert [{k: row[k] for k in before[0]} for row in rows[: len(before)]] == before
    assert path.read_text(encoding="utf-8").splitlines()[0] == ",".join(HISTORY_COLUMNS)
    assert list(values(folder)) == [96, 128, 160]  # overdue at the first row, then every 40


def test_digits_are_counted_sure(tiny_config, tmp_path, classifiers, pictures):
    config = tiny_config.replace(channels=1, metric_interval=8)
    go(config, pictures[..., :1].copy(), tmp_path / "a", data=DataRecord((BUILT_IN["mnist"],)))
    assert all(0 <= value <= 1 for value in values(tmp_path / "a", "sure_share").values())
    assert list(values(tmp_path / "a", "sure_share")) == list(values(tmp_path / "a"))


@pytest.mark.parametrize("data", ["my-photos", "MNIST"])  # MNIST: its classifier knows grey pictures only
def test_other_pictures_get_the_distance_of_patches(data, measured, pictures, tmp_path, classifiers):
    go(measured, pictures, tmp_path / "a", data=data)
    assert set(values(tmp_path / "a", "sliced_wasserstein")) == {48, 80, 128, 160} and not values(tmp_path / "a")
    assert best_facts(tmp_path / "a")["metric"] == "sliced_wasserstein"


def test_a_missing_classifier_stops_no_training(measured, pictures, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("gan.metrics.classifier.FOLDER", tmp_path / "nothing")
    with caplog.at_level(logging.WARNING):
        go(measured, pictures, tmp_path / "a", data=CELEBA)
    assert "celeba.safetensors is missing" in caplog.text and values(tmp_path / "a", "sliced_wasserstein")


def test_the_classifier_that_others_use_stays_where_it_is(pictures, tiny_run, classifiers):
    monitor = Monitor(pictures, "faces")
    assert monitor.classifier is not load_classifier("celeba")


def test_presets_are_measured_and_the_interval_is_checked(measured):
    assert all(config.metric_interval for config in PRESETS.values()) and IMAGES >= 2000
    with pytest.raises(ConfigError, match="metric_interval=-1: expected 0 or more"):
        measured.replace(metric_interval=-1)


def test_the_recorder_measures_on_the_rank_that_writes(measured, tmp_path, pictures):
    """Others are given no monitor, and then do without."""
    recorder = Recorder(measured, tmp_path, steps_per_epoch=5, writes=False)
    trainer = Trainer(measured, torch.device("cpu"))
    recorder.step = 10
    trainer.begin_step(0)
    real = torch.rand(8, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    stats, fake = trainer.step(real, 0, 0.0)
    recorder.count(stats)
    assert not set(METRICS) & set(recorder.write_row(trainer, real, fake, replay=True))
