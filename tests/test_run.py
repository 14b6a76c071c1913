"""The model folder: what is written is read again, and damage is told in a sentence."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from gan import run
from gan.data_record import BUILT_IN, DataRecord, SourceRecord
from gan.models import Discriminator, Generator
from gan.run import RunError
from gan.sampling import latents, sample

ROW = {"images_seen": 64, "epoch": 0.5, "seconds": 1.25, "loss_g": 0.6931472, "loss_d": float("nan"), "sample": 0}


def test_config_round_trip(tmp_path, tiny_config):
    assert not run.is_run(tmp_path / "new")
    data = DataRecord((BUILT_IN["drawn"], SourceRecord("a.zip", "a.zip", "faces", "free to use")), 44, "abc")
    run.write_config(tmp_path / "new", tiny_config, data)
    assert run.is_run(tmp_path / "new")
    info = run.read_info(tmp_path / "new")
    assert (info.config, info.data) == (tiny_config, data)
    assert info.libraries["torch"] == torch.__version__
    assert info.machine.startswith(f"{torch.get_num_threads()} CPU core")
    assert (
        json.loads((tmp_path / "new" / "config.json").read_text(encoding="utf-8"))["format_version"]
        == run.FORMAT_VERSION
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", r"config.json is damaged \(JSONDecodeError.*restore it or train again"),
        ('{"format_version": 1', r"is damaged \(JSONDecodeError"),
        ("[]", r"is damaged \(TypeError"),
        ("{}", r"is damaged \(KeyError: 'format_version'"),
        ('{"format_version": 1, "config": []}', r"is damaged \(AttributeError"),
        ('{"format_version": "1", "config": {}}', r"is damaged \(TypeError"),
        ('{"format_version": 99, "shape": "unknown"}', r"has format 99, this version reads up to 1: update the code"),
        ('{"format_version": 1, "config": {"z_dim": -1}}', r"cannot be used: z_dim=-1: expected at least 1"),
        ('{"format_version": 1, "config": {"wings": 2}}', r"cannot be used: unknown field 'wings'"),
    ],
)
def test_damaged_config_is_a_sentence(tmp_path, content, sentence):
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=sentence):
        run.read_info(tmp_path)


def test_config_that_is_no_text_is_a_sentence(tmp_path):
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(RunError, match=r"is damaged \(UnicodeDecodeError"):
        run.read_info(tmp_path)


def test_a_folder_without_config_and_a_file_are_no_model(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(RunError, match=r"is no model folder: it has no config\.json"):
            run.read_info(path)
        assert not run.is_run(path)


def test_weights_round_trip_in_float16(tmp_path, tiny_config):
    torch.manual_seed(0)
    network, again = Generator(tiny_config), Generator(tiny_config)
    network(torch.randn(8, tiny_config.z_dim))  # so that batch norm has counted something
    run.write_config(tmp_path, tiny_config, DataRecord((BUILT_IN["drawn"],), 44))
    run.save_weights(tmp_path / "w.safetensors", network)
    run.load_weights(tmp_path, "w.safetensors", again)
    for name, tensor in network.state_dict().items():
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(again.state_dict()[name], expected), name
    stored = load_file(tmp_path / "w.safetensors")
    assert {t.dtype for t in stored.values()} == {torch.float16, torch.int64}
    assert next(network.parameters()).dtype == torch.float32  # saving changed nothing


def test_damaged_weights_are_a_sentence(run_copy):
    weights = run_copy / "model.safetensors"
    content = weights.read_bytes()
    for damaged in (content[:-50], content[:4], b"", b"\xff" * 200):
        weights.write_bytes(damaged)
        with pytest.raises(RunError, match=r"model.safetensors cannot be read \(.*\): copy it again"):
            run.load_generator(run_copy)
    weights.unlink()
    with pytest.raises(RunError, match=r"model.safetensors is missing: a run in training writes it"):
        run.load_generator(run_copy)


def test_weights_of_another_config_are_a_sentence(run_copy, tiny_config):
    run.save_weights(run_copy / "model.safetensors", Generator(tiny_config.replace(base_channels=8)))
    with pytest.raises(RunError, match=r"cannot be read \(it holds other layers, or of other sizes"):
        run.load_generator(run_copy)


def test_history_round_trip(tmp_path):
    assert run.read_history(tmp_path) == []
    run.append_history(tmp_path, ROW)
    run.append_history(tmp_path, {"images_seen": 128, "event": 'collapse: "5 %", they say'})
    first, second = run.read_history(tmp_path)
    assert set(first) == set(run.HISTORY_COLUMNS)
    assert (first["images_seen"], first["sample"], first["snapshot"], first["event"]) == (64, 0, None, None)
    assert isinstance(first["images_seen"], int) and isinstance(first["sample"], int)
    assert first["loss_g"] == pytest.approx(0.6931472, rel=1e-6)
    assert np.isnan(first["loss_d"])
    assert second["event"] == 'collapse: "5 %", they say'
    assert (tmp_path / "history.csv").read_text(encoding="utf-8").count("images_seen") == 1  # one header


def test_a_history_column_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ValueError, match="los_g"):
        run.append_history(tmp_path, {"images_seen": 1, "los_g": 2})


def test_a_last_row_cut_short_is_left_out(tmp_path):
    for images_seen in (64, 128):
        run.append_history(tmp_path, ROW | {"images_seen": images_seen})
    path = tmp_path / "history.csv"
    whole = path.read_text(encoding="utf-8")
    last_line = whole.splitlines()[-1]
    for length in range(len(last_line) - last_line[::-1].index(",") - 1):  # anything that lacks a comma
        path.write_text(whole[: len(whole) - 1 - len(last_line) + length], encoding="utf-8")
        assert [row["images_seen"] for row in run.read_history(tmp_path)] == [64], length
    path.write_text(whole[:10], encoding="utf-8")  # killed within the header
    assert run.read_history(tmp_path) == []
    path.write_bytes(whole.encode() + b"\xff\x00\x80")
    assert [row["images_seen"] for row in run.read_history(tmp_path)] == [64, 128]


def test_a_long_history_is_thinned_and_keeps_what_it_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "MOST_ROWS", 100)
    for number in range(1001):
        told = {"sample": number // 100} if number % 100 == 0 else {}
        run.append_history(tmp_path, {"images_seen": number, "loss_g": 1.0} | told)
    rows = run.read_history(tmp_path)
    assert len(rows) <= 102
    assert [row["sample"] for row in rows if row["sample"] is not None] == list(range(11))
    assert (rows[0]["images_seen"], rows[-1]["images_seen"]) == (0, 1000)
    assert np.diff([row["images_seen"] for row in rows]).max() <= 25


def test_numbers_of_a_history_that_none_can_be_are_left_out(tmp_path):
    for cell in ("1e31", "-1e300", "9" * 5000):
        run.append_history(tmp_path, {"images_seen": 1, "loss_g": cell})
    for row in ({"images_seen": 10**30}, {"images_seen": -1}, {"images_seen": 1, "sample": "²"}, {"loss_g": 1.0}):
        run.append_history(tmp_path, row)
    run.append_history(tmp_path, {"images_seen": 2, "event": "two\nlines"})
    rows = run.read_history(tmp_path)
    assert [row["images_seen"] for row in rows] == [1, 1, 1, 2]
    assert all(np.isnan(row["loss_g"]) for row in rows[:3]) and rows[3]["event"] == "two lines"


def test_a_history_that_leads_out_of_the_folder_or_is_too_large_is_a_sentence(tmp_path):
    (tmp_path / "secret").write_text("images_seen\n1\n", encoding="utf-8")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "history.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match=r"history.csv of model cannot be read \(it is a link that leads out"):
        run.read_history(tmp_path / "model")
    (tmp_path / "model" / "history.csv").unlink()
    (tmp_path / "model" / "history.csv").touch()
    os.truncate(tmp_path / "model" / "history.csv", run.MOST_HISTORY_BYTES + 1)
    with pytest.raises(RunError, match="bytes long, where at most"):
        run.read_history(tmp_path / "model")


@pytest.mark.parametrize("name", ["²", "٣", "12", "00012", "-001", "x"])
def test_files_that_are_not_named_by_a_number_of_ours_are_none(tmp_path, name):
    run.save_sample(tmp_path, 1, np.zeros((64, 8, 8, 3), np.uint8))
    (tmp_path / "samples" / f"{name}.webp").touch()
    assert list(run.samples(tmp_path)) == [1]


@pytest.mark.parametrize("harm", ["cut", "large", "png", "link"])
def test_a_sheet_that_is_none_is_a_sentence(tmp_path, harm):
    folder = tmp_path / "model"
    run.save_sample(folder, 0, np.zeros((64, 8, 8, 3), np.uint8))
    path = run.samples(folder)[0]
    assert run.read_sheet(path) == path.read_bytes()
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif harm == "link":
        (tmp_path / "other.webp").write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(tmp_path / "other.webp")
    else:
        Image.new("L", (13_000, 8) if harm == "large" else (64, 64)).save(path, "webp" if harm == "large" else "png")
    with pytest.raises(RunError, match=r"0000.webp cannot be read \("):
        run.read_sheet(path)


def test_weights_under_a_damaged_digit_of_the_config_are_refused(run_copy):
    path = run_copy / "config.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"g_leaky_slope": 0.0', '"g_leaky_slope": 0.8'), encoding="utf-8")
    with pytest.raises(RunError, match="belongs to a network of another config"):
        run.load_generator(run_copy)


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"sources": 5, "images": 1}},
        {"data": {"sources": "x", "images": -1}},
        {"data": {"sources": "x" * 20_000, "images": 1}},
        {"libraries": {"torch": 2}},
        {"machine": []},
        {"start": {"model": "a", "data": "b", "images_seen": "3", "epoch": 1.0, "continued": True}},
        {"format_version": True},
    ],
)
def test_a_config_of_other_types_is_damaged(run_copy, change):
    content = json.loads((run_copy / "config.json").read_text(encoding="utf-8")) | change
    (run_copy / "config.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunError, match=r"config.json is damaged \(TypeError: (\S+ is no |data: expected)"):
        run.read_info(run_copy)


def test_shapes_are_those_of_the_network(tiny_config):
    for config in (tiny_config, tiny_config.replace(d_norm="spectral", d_minibatch_stddev=True, g_modulated=True)):
        for kind in (Generator, Discriminator):
            made = {name: tensor.shape for name, tensor in kind(config).state_dict().items()}
            assert run.shapes_of(kind, config) == made


def test_samples_and_snapshots_by_number(tmp_path, tiny_config):
    assert run.samples(tmp_path) == {} and run.snapshots(tmp_path) == {}
    generator = Generator(tiny_config).eval()
    for index in (0, 1, 12, 10_000):
        run.save_sample(tmp_path, index, np.full((64, 16, 16, 3), index % 256, np.uint8))
        run.save_snapshot(tmp_path, index, generator)
    (tmp_path / "samples" / ".0002-x.part.webp").write_bytes(b"left by a killed process")
    (tmp_path / "samples" / "mine.webp").write_bytes(b"not ours")
    assert list(run.samples(tmp_path)) == [0, 1, 12, 10_000]
    assert run.samples(tmp_path)[12].name == "0012.webp"
    assert list(run.snapshots(tmp_path)) == [0, 1, 12, 10_000]


def test_sample_sheet_is_eight_by_eight_in_seed_order(tmp_path):
    images = np.repeat(np.arange(0, 256, 4, dtype=np.uint8), 16 * 16 * 3).reshape(64, 16, 16, 3)
    run.save_sample(tmp_path, 3, images)
    with Image.open(tmp_path / "samples" / "0003.webp") as picture:
        sheet = np.asarray(picture.convert("L")).astype(int)
    assert sheet.shape == (128, 128)
    for seed in run.SAMPLE_SEEDS:
        row, column = divmod(seed, 8)
        assert abs(sheet[row * 16 + 8, column * 16 + 8] - 4 * seed) <= 6  # WebP is lossy


def test_grey_sample_sheet(tmp_path):
    run.save_sample(tmp_path, 0, np.full((64, 16, 16, 1), 200, np.uint8))
    with Image.open(tmp_path / "samples" / "0000.webp") as picture:
        assert picture.size == (128, 128)
        assert abs(np.asarray(picture.convert("L")).astype(int) - 200).max() <= 4


def test_rewind_keeps_the_rows_and_files_of_the_checkpoint(tmp_path, tiny_config):
    generator = Generator(tiny_config)
    for i in range(5):
        run.append_history(tmp_path, ROW | {"images_seen": i})
        run.save_sample(tmp_path, i, np.zeros((64, 16, 16, 3), np.uint8))
        run.save_snapshot(tmp_path, i, generator)
    with open(tmp_path / "history.csv", "a", encoding="utf-8") as file:
        file.write("5,0.5,1.2")  # cut short
    leftover = tmp_path / "samples" / ".0005-abc.part.webp"
    leftover.write_bytes(b"half")
    run.rewind(tmp_path, history_rows=3, n_samples=2, n_snapshots=4)
    assert [row["images_seen"] for row in run.read_history(tmp_path)] == [0, 1, 2]
    assert list(run.samples(tmp_path)) == [0, 1]
    assert list(run.snapshots(tmp_path)) == [0, 1, 2, 3]
    assert not leftover.exists()
    run.append_history(tmp_path, ROW | {"images_seen": 3})
    assert [row["images_seen"] for row in run.read_history(tmp_path)] == [0, 1, 2, 3]
    run.rewind(tmp_path / "nothing here", 1, 1, 1)


def test_load_generator_of_a_folder(tiny_run):
    generator = run.load_generator(str(tiny_run))
    assert not generator.training
    assert not any(p.requires_grad for p in generator.parameters())
    assert generator.config == run.read_info(tiny_run).config
    with Image.open(max(run.samples(tiny_run).values())) as sheet:  # it draws what the last sheet shows
        first_face = np.asarray(sheet.convert("RGB"))[:16, :16].astype(float)
    assert abs(sample(generator, seed=0, n=1)[0] - first_face).mean() < 12


def test_load_generator_of_a_snapshot(tiny_run):
    numbers = list(run.snapshots(tiny_run))
    assert len(numbers) >= 2
    last, first = (run.load_generator(tiny_run, snapshot=n) for n in (numbers[-1], numbers[0]))
    z = latents(last.config, [0])
    assert torch.equal(last(z), run.load_generator(tiny_run)(z))  # the last one is the finished model
    assert not torch.equal(first(z), last(z))
    with pytest.raises(RunError, match=r"snapshots/0999.safetensors is missing"):
        run.load_generator(tiny_run, snapshot=999)


def test_load_discriminator(tiny_run):
    critic = run.load_discriminator(tiny_run)
    assert isinstance(critic, Discriminator)
    assert not critic.training and not any(p.requires_grad for p in critic.parameters())
    assert critic(torch.zeros(2, 3, 16, 16)).shape == (2,)


@pytest.mark.parametrize(
    ("name", "repository", "patterns", "inside"),
    [
        ("someone/faces", "someone/faces", ["*"], ""),
        ("someone/many/tiny", "someone/many", ["tiny/*"], "tiny"),
    ],
)
def test_load_generator_from_the_hub(tiny_run, monkeypatch, name, repository, patterns, inside):
    calls = []

    def snapshot_download(repo_id, **options):
        calls.append((repo_id, options))
        return str(tiny_run.parent if inside else tiny_run)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    generator = run.load_generator(name)
    z = latents(generator.config, [0])
    assert torch.equal(generator(z), run.load_generator(tiny_run)(z))
    ((repo_id, options),) = calls
    assert (repo_id, options["allow_patterns"]) == (repository, patterns)
    assert any(re.fullmatch(p.replace("*", ".*"), "tiny/checkpoint/1.pt") for p in options["ignore_patterns"])


@pytest.mark.parametrize("error", [LocalEntryNotFoundError("offline"), OSError("no route to host")])
def test_an_unknown_name_offline_is_a_sentence(monkeypatch, error):
    def snapshot_download(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(RunError, match="no-one/nothing is neither a model folder here nor readable on the Hugging"):
        run.load_generator("no-one/nothing")


def test_a_name_that_the_hub_would_never_have_is_a_sentence():
    with pytest.raises(RunError, match="is neither a model folder here nor readable"):
        run.load_generator("not a user/not a repo")  # refused before anything is asked of the network


def test_the_hub_is_not_asked_about_other_names(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the Hub"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    absent = ("nothing", "weights/a/b/c", "/nowhere/model", "weights/typo", "runs/typo", "mine/typo", "mine/a/b")
    for name in (*absent, "./typo", "../typo", "~/typo", Path("someone/faces"), tmp_path):
        with pytest.raises(RunError, match="is no model folder"):
            run.load_generator(name)


def test_without_huggingface_hub_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RunError, match="pip install huggingface_hub"):
        run.load_generator("someone/faces")


def test_weights_are_safetensors_and_no_pickles(tiny_run):
    for path in [
        tiny_run / "model.safetensors",
        tiny_run / "discriminator.safetensors",
        *run.snapshots(tiny_run).values(),
    ]:
        with safe_open(path, "pt") as file:
            assert file.keys()


# ------------------------------------------------------------------------------- whose folder it is


def hold(folder, begun, ended):
    """Another process at work in the folder, until it is told to end."""
    child = os.fork()
    if child == 0:
        with run.at_work(folder):
            run.write_state(folder, run.TRAINING)
            os.write(begun, b"x")
            os.read(ended, 1)
        os._exit(0)
    return child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a child that dies without a word")
def test_one_process_is_at_work_in_a_folder_and_a_dead_one_is_not(tmp_path):
    reader, begun = os.pipe()
    ended, _ = os.pipe()
    child = hold(tmp_path, begun, ended)
    os.read(reader, 1)
    whose = rf"is being written by another process \({child} on .*\): wait"
    with pytest.raises(run.RunError, match=whose), run.at_work(tmp_path):
        pass
    assert run.is_training(tmp_path) is True
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with run.at_work(tmp_path):
        assert run.is_training(tmp_path) is False  # though its state.json says "training" still
        assert run.read_state(tmp_path)["state"] == run.TRAINING
        with pytest.raises(run.RunError), run.at_work(tmp_path):
            pass  # nor twice in one process
    assert run.is_begun_only(tmp_path)
    (tmp_path / "notes.txt").touch()
    assert not run.is_begun_only(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"state": "training"}', '{"state": 1, "host": "", "pid": 1, "start": 1}']
)
def test_a_damaged_state_says_nothing(tmp_path, text):
    assert run.is_training(tmp_path) is None
    (tmp_path / run.STATE_FILE).write_text(text, encoding="utf-8")
    assert run.is_training(tmp_path) is None


def test_a_row_that_the_disk_does_not_take_whole_is_taken_back(tmp_path):
    run.append_history(tmp_path, {"images_seen": 8})
    before = (tmp_path / "history.csv").read_bytes()
    resource = pytest.importorskip("resource")  # not on Windows
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 3, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            run.append_history(tmp_path, {"images_seen": 16, "event": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "history.csv").read_bytes() == before
