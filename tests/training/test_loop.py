"""Whole runs of a tiny network: what they leave, how they end, what goes wrong and what is refused."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import assert_same_run, go, history, on_step

from gan import run
from gan.data.batches import make_batch
from gan.history import read_history, samples, snapshots
from gan.machine import MachineError, pick_bf16, pick_device
from gan.sampling import generate, latents, sample
from gan.training import loop
from gan.training.checkpoint import load_checkpoint
from gan.training.checks import TrainingError
from gan.training.loop import MAX_ROLLBACKS, Limits, train
from gan.training.step import Trainer
from gan.weights import load_generator

# ------------------------------------------------------------------------------- what a run leaves


def test_a_run_leaves_a_whole_model_folder(tiny_run):
    names = {path.name for path in tiny_run.iterdir()}
    assert names == {
        "config.json", "model.safetensors", "discriminator.safetensors", "history.csv", "samples", "snapshots",
        "checkpoint", "state.json", "README.md", "progress.webp",
    }  # fmt: skip
    rows = read_history(tiny_run)
    assert (rows[0]["images_seen"], rows[0]["sample"], rows[0]["loss_g"]) == (0, 0, None)  # before training
    last = rows[-1]
    assert (last["images_seen"], last["epoch"]) == (50 * 40, 50)
    assert [row["images_seen"] for row in rows] == sorted({row["images_seen"] for row in rows})
    assert {row["images_seen"] for row in rows} >= set(range(0, 2001, 4 * 8))  # every log interval
    for column, files in (("sample", samples(tiny_run)), ("snapshot", snapshots(tiny_run))):
        assert [row[column] for row in rows if row[column] is not None] == list(files) == list(range(len(files)))
        assert last[column] == len(files) - 1  # the end is always kept
    assert all(np.isfinite(row["loss_g"]) and 0 < row["d_real"] < 1 for row in rows[1:])
    assert run.read_info(tiny_run).data.images == 44


def test_sample_sheets_are_log_spaced(tiny_run):
    seen = [row["images_seen"] for row in read_history(tiny_run) if row["sample"] is not None]
    expected, next_sheet = [0], 256
    for images in range(8, 2001, 8):
        if images >= next_sheet or images == 2000:
            expected.append(images)
        while images >= next_sheet:
            next_sheet *= 1.25
    assert seen == expected


def test_shown_weights_are_the_average_in_float16(tiny_run):
    state = load_checkpoint(tiny_run)[0]["trainer"]
    shown = load_file(tiny_run / "model.safetensors")
    assert shown.keys() == state["ema"].keys()
    for name, tensor in shown.items():
        wanted = state["ema"][name]
        assert torch.equal(tensor, wanted.half() if wanted.is_floating_point() else wanted)
    assert not torch.equal(state["ema"]["stem.weight"], state["generator"]["stem.weight"])
    critic = load_file(tiny_run / "discriminator.safetensors")
    assert all(torch.equal(critic[k], v.half()) for k, v in state["discriminator"].items() if v.is_floating_point())


def test_rows_are_means_over_their_steps(tiny_config, pictures, tmp_path, monkeypatch):
    stats = []
    step = Trainer.step

    def recorded(*args, **kwargs):
        result = step(*args, **kwargs)
        stats.append(result[0].tolist())
        return result

    monkeypatch.setattr(Trainer, "step", recorded)
    go(tiny_config.replace(d_norm="none", r1_gamma=1.0, penalty_interval=2), pictures, tmp_path / "a")
    rows = read_history(tmp_path / "a")[1:]
    assert [row["images_seen"] for row in rows] == [32, 64, 80]  # every 4 steps, and the end
    for row, part in zip(rows, (stats[:4], stats[4:8], stats[8:]), strict=True):
        names = ("loss_g", "loss_d", "d_real", "d_fake", "penalty")
        assert [row[name] for name in names] == pytest.approx(np.mean(part, axis=0).tolist(), rel=1e-4)
        assert row["epoch"] == row["images_seen"] / 40
        assert row["grad_norm_g"] > 0 and row["grad_norm_d"] > 0


def test_learning_rates_decay_over_the_whole_run(tiny_config, pictures, tmp_path, monkeypatch):
    rates = []
    step = Trainer.step

    def recorded(self, *args, **kwargs):
        result = step(self, *args, **kwargs)
        rates.append(self.g_optimizer.param_groups[0]["lr"])
        return result

    monkeypatch.setattr(Trainer, "step", recorded)
    go(tiny_config.replace(g_lr=1.0, lr_decay_start=0.5), pictures, tmp_path / "a")
    assert rates == pytest.approx([1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


def test_checkpoints_are_saved_as_often_as_asked(tiny_config, pictures, tmp_path, monkeypatch):
    seconds, saves = [0.0], []

    def make(*args, **options):
        seconds[0] += 10  # a step takes ten seconds
        return make_batch(*args, **options)

    save = loop.Recorder.save
    monkeypatch.setattr(loop, "make_batch", make)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    monkeypatch.setattr(loop.Recorder, "save", lambda self, t: (saves.append(self.step), save(self, t)))
    go(tiny_config, pictures, tmp_path / "a", save_minutes=0.5)
    assert saves == [0, 3, 6, 9, 10]


def test_each_epoch_shows_every_picture_once_but_for_the_incomplete_batch(tiny_config, pictures, tmp_path, monkeypatch):
    seen = []

    def make(images, indices, **options):
        seen.append(list(indices))
        return make_batch(images, indices, **options)

    monkeypatch.setattr(loop, "make_batch", make)
    go(tiny_config, pictures, tmp_path / "a")
    assert [len(batch) for batch in seen] == [8] * 10
    epochs = [[int(i) for batch in part for i in batch] for part in (seen[:5], seen[5:])]
    assert all(len(set(epoch)) == 40 for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_sample_every(tiny_config, pictures, tmp_path):
    go(tiny_config, pictures, tmp_path / "a", sample_every=3)
    rows = read_history(tmp_path / "a")
    assert [row["images_seen"] for row in rows if row["sample"] is not None] == [0, 24, 48, 72, 80]
    assert list(samples(tmp_path / "a")) == [0, 1, 2, 3, 4]


def test_same_seed_same_run_other_seed_other_run(eventful, pictures, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        go(eventful.replace(epochs=1, seed=seed), pictures, tmp_path / name)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert history(tmp_path / "a") != history(tmp_path / "c")


def test_learning_really_happens(tiny_config, tmp_path):
    """Plain pictures of one colour: the generator starts grey and has to find it."""
    colour = np.array([210, 60, 140])
    noise = np.random.default_rng(0).integers(-10, 11, (64, 16, 16, 3))
    images = (colour + noise).astype(np.uint8)
    config = tiny_config.replace(
        epochs=40, g_lr=2e-3, d_lr=2e-3, d_norm="none", d_bias=True, r1_gamma=0.1, ema_half_life_images=200
    )
    go(config, images, tmp_path / "a")

    def distance(pictures):
        return np.linalg.norm(pictures.reshape(-1, 3).mean(axis=0) - colour)

    untrained = generate(Trainer(config, torch.device("cpu")).generator_to_show(0), latents(config, range(64)))
    trained = sample(load_generator(tmp_path / "a"), n=64)
    assert distance(untrained) > 100
    assert distance(trained) < distance(untrained) / 5


def test_time_limit(tiny_config, pictures, tmp_path):
    outcome = go(tiny_config, pictures, tmp_path / "a", limits=Limits(2, max_minutes=1e-9))
    assert (outcome.reason, outcome.images_seen) == ("time limit", 8)
    last = read_history(tmp_path / "a")[-1]
    assert (last["images_seen"], last["sample"], last["snapshot"]) == (8, 1, 0)  # what it reached is kept and shown
    assert (tmp_path / "a" / "README.md").exists()
    assert go(tiny_config, pictures, tmp_path / "a", resume=True).images_seen == 80


@pytest.mark.parametrize(("max_images", "seen"), [(1, 8), (24, 24), (25, 32), (10_000, 80)])
def test_max_images(tiny_config, pictures, tmp_path, max_images, seen):
    outcome = go(tiny_config, pictures, tmp_path / "a", limits=Limits(2, max_images=max_images))
    assert (outcome.reason, outcome.images_seen) == ("finished", seen)


# ------------------------------------------------------------------------------- what goes wrong


def to_nan(real):
    return real * float("nan")


def test_divergence_goes_back_to_the_checkpoint_and_recovers(tiny_config, pictures, tmp_path, monkeypatch, caplog):
    out = tmp_path / "a"
    rollbacks = []
    begin_step = Trainer.begin_step
    monkeypatch.setattr(
        Trainer, "begin_step", lambda self, step: (rollbacks.append((step, self.rollbacks)), begin_step(self, step))
    )
    on_step(monkeypatch, 6, to_nan)  # rows every 4 steps: noticed after step 8
    outcome = go(tiny_config, pictures, out, save_minutes=1e-9)
    assert (outcome.reason, outcome.images_seen) == ("finished", 80)
    assert rollbacks == [(i, 0) for i in range(8)] + [(i, 1) for i in range(6, 10)]  # again from 6, with other latents
    rows = read_history(out)
    assert [row["event"] for row in rows if row["event"]] == ["diverged at 64 images: back to 48"]
    assert "diverged at 64 images: back to 48" in caplog.text
    assert [row["images_seen"] for row in rows] == [0, 32, 48, 64, 80]
    assert all(np.isfinite(value) for row in rows for value in row.values() if isinstance(value, float))
    assert all(tensor.isfinite().all() for tensor in load_file(out / "model.safetensors").values())
    assert load_checkpoint(out)[0]["trainer"]["rollbacks"] == 1


def test_divergence_in_the_last_steps_is_not_shipped(tiny_config, pictures, tmp_path, monkeypatch):
    on_step(monkeypatch, 9, to_nan)
    assert go(tiny_config, pictures, tmp_path / "a").reason == "finished"
    assert all(tensor.isfinite().all() for tensor in load_file(tmp_path / "a" / "model.safetensors").values())
    assert history(tmp_path / "a")[-1]["images_seen"] == 80


def test_an_interrupt_does_not_save_weights_that_are_no_numbers(tiny_config, pictures, tmp_path, monkeypatch):
    def act(real):
        signal.raise_signal(signal.SIGTERM)
        return to_nan(real)

    on_step(monkeypatch, 4, act)
    outcome = go(tiny_config, pictures, tmp_path / "a", save_minutes=1e-9)
    assert outcome.reason == "interrupted"
    state = load_checkpoint(tmp_path / "a")[0]["trainer"]
    assert all(tensor.isfinite().all() for tensor in state["generator"].values())


def test_divergence_every_time_is_told_and_the_last_good_checkpoint_kept(tiny_config, pictures, tmp_path, monkeypatch):
    good = 6
    seen = []

    def make(images, indices, **options):
        seen.append(None)
        real = make_batch(images, indices, **options)
        return real if len(seen) <= good else to_nan(real)

    monkeypatch.setattr(loop, "make_batch", make)
    with pytest.raises(
        TrainingError, match=rf"became NaN or infinite {MAX_ROLLBACKS + 1} times, last at 64 images"
    ) as e:
        go(tiny_config, pictures, tmp_path / "a", save_minutes=1e-9)
    assert "lower learning rates" in str(e.value) and "checkpoint is kept" in str(e.value)
    state, meta = load_checkpoint(tmp_path / "a")
    assert meta["step"] == good
    assert all(tensor.isfinite().all() for tensor in state["trainer"]["generator"].values())
    assert sample(load_generator(tmp_path / "a"), n=1).std() > 0
    monkeypatch.undo()
    assert go(tiny_config, pictures, tmp_path / "a", resume=True).images_seen == 80


def test_collapse_is_an_event_in_the_history_and_the_log(tiny_config, pictures, tmp_path, monkeypatch, caplog):
    """From the 13th step on the generator draws one picture for every latent."""
    draw_z, drawn = Trainer.draw_z, []

    def same_z(self, n):
        drawn.append(None)
        return draw_z(self, n) if len(drawn) <= 12 else draw_z(self, 1).expand(n, -1)

    monkeypatch.setattr(Trainer, "draw_z", same_z)
    monkeypatch.setattr(loop.Recorder, "_replay_due", lambda self: False)
    generator_init = torch.nn.init.normal_
    monkeypatch.setattr(torch.nn.init, "normal_", lambda t, mean, std: generator_init(t, mean, 20 * std))  # varied
    go(tiny_config.replace(epochs=6, log_interval=2), pictures, tmp_path / "a")
    rows = [row for row in read_history(tmp_path / "a") if row["event"] and row["event"].startswith("collapse")]
    assert len(rows) == 1
    assert rows[0]["images_seen"] == (12 + 5 * 2) * 8  # five rows of patience
    assert "collapse: generated pictures differ only 0% as much as real ones" in rows[0]["event"]
    assert "at 176 images: " in caplog.text and "collapse" in caplog.text


def test_a_healthy_start_is_not_a_failure_of_the_discriminator(tiny_run):
    rows = read_history(tiny_run)
    assert len(rows) > 50 and not [row["event"] for row in rows if row["event"]]
    assert rows[1]["loss_d"] == pytest.approx(2 * np.log(2), rel=0.05)  # it begins by guessing: a failure if it lasts


# ------------------------------------------------------------------------------- what is refused


def test_an_existing_model_is_never_overwritten_unasked(run_copy, tiny_config, pictures):
    before = {path: path.read_bytes() for path in run_copy.rglob("*") if path.is_file()}
    with pytest.raises(TrainingError, match=r"tiny already holds a model \(2,000 images seen\): go on with --resume"):
        go(tiny_config, pictures, run_copy)
    assert before == {path: path.read_bytes() for path in run_copy.rglob("*") if path.is_file()}


def test_overwrite_removes_the_model_s_own_files_only(run_copy, tiny_config, pictures):
    (run_copy / "notes.txt").write_text("mine", encoding="utf-8")
    (run_copy / "album").mkdir()
    kept = [run_copy / name for name in ("album/me.webp", "samples/me.webp", "checkpoint/mine.txt", "notes.md")]
    for path in kept:
        path.write_bytes(b"mine too")
    own = ("metrics.json", "projection.json", "directions.safetensors", "encoder.safetensors", "best.safetensors")
    for name in (*own, "strip.webp", "samples/9999.webp", "snapshots/9999.safetensors"):
        (run_copy / name).touch()
    go(tiny_config, pictures, run_copy, overwrite=True)
    assert all(path.read_bytes() == b"mine too" for path in kept)
    assert not any((run_copy / name).exists() for name in (*own, "strip.webp"))
    assert (run_copy / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert [row["images_seen"] for row in history(run_copy)] == [0, 32, 64, 80]
    assert list(samples(run_copy)) == [0, 1] and list(snapshots(run_copy)) == [0]
    assert {path.stem for path in (run_copy / "checkpoint").glob("*.pt")} == {"000000000", "000000010"}


def test_folders_of_others_are_refused_even_with_overwrite(tmp_path, tiny_config, pictures):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_bytes(b"x")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(TrainingError, match="photos holds other files and no model: choose another --out"):
        go(tiny_config, pictures, tmp_path / "photos", overwrite=True)
    with pytest.raises(TrainingError, match="file is a file: choose another --out"):
        go(tiny_config, pictures, tmp_path / "file", overwrite=True)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["me.jpg"]
    (tmp_path / "empty").mkdir()
    go(tiny_config.replace(epochs=1), pictures, tmp_path / "empty")


def test_pictures_that_do_not_fit_are_a_sentence(tiny_config, pictures, tmp_path):
    with pytest.raises(TrainingError, match=r"7 pictures are fewer than one batch of 8: .* --batch-size 7 or less"):
        go(tiny_config, pictures[:7], tmp_path / "a")
    with pytest.raises(TrainingError, match=r"pictures of shape \(16, 16, 1\): custom trains on \(16, 16, 3\)"):
        go(tiny_config, pictures[..., :1], tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert go(tiny_config.replace(epochs=1), pictures[:8], tmp_path / "a").images_seen == 8


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "cpuu", "meta", ""])
def test_a_device_that_is_not_there_is_a_sentence(device):
    with pytest.raises(MachineError, match=rf"device '{device}' cannot be used here \(.*\): try --device cpu"):
        pick_device(device)


def test_precision(monkeypatch):
    cpu = torch.device("cpu")
    for supported in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda supported=supported: supported)
        assert pick_bf16("auto", cpu) is supported
        assert (pick_bf16("bf16", cpu), pick_bf16("fp32", cpu)) == (True, False)
    assert pick_bf16("auto", torch.device("mps")) is False
    with pytest.raises(MachineError, match="precision 'fp16': expected auto, fp32 or bf16"):
        pick_bf16("fp16", cpu)


def test_a_batch_that_no_share_divides_is_refused_before_anything_is_written(tiny_config, pictures, tmp_path):
    with pytest.raises(TrainingError, match="a batch of 8 does not divide over 3 processes"):
        train(tiny_config, pictures, tmp_path / "run", data="drawn faces", world_size=3, progress=False)
    assert not (tmp_path / "run").exists()
