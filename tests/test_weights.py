"""The networks of a model folder, and of the Hub: loaded as they were, or a sentence says why not."""

from __future__ import annotations

import re
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
from gan.data_record import BUILT_IN, DataRecord
from gan.history import (
    samples,
    snapshots,
)
from gan.models import Discriminator, Generator
from gan.run import RunError
from gan.sampling import latents, sample
from gan.weights import load_discriminator, load_generator, load_weights, save_weights, shapes_of


def test_weights_round_trip_in_float16(tmp_path, tiny_config):
    torch.manual_seed(0)
    network, again = Generator(tiny_config), Generator(tiny_config)
    network(torch.randn(8, tiny_config.z_dim))  # so that batch norm has counted something
    run.write_config(tmp_path, tiny_config, DataRecord((BUILT_IN["drawn"],), 44))
    save_weights(tmp_path / "w.safetensors", network)
    load_weights(tmp_path, "w.safetensors", again)
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
            load_generator(run_copy)
    weights.unlink()
    with pytest.raises(RunError, match=r"model.safetensors is missing: a run in training writes it"):
        load_generator(run_copy)


def test_weights_of_another_config_are_a_sentence(run_copy, tiny_config):
    save_weights(run_copy / "model.safetensors", Generator(tiny_config.replace(base_channels=8)))
    with pytest.raises(RunError, match=r"cannot be read \(it holds other layers, or of other sizes"):
        load_generator(run_copy)


def test_weights_under_a_damaged_digit_of_the_config_are_refused(run_copy):
    path = run_copy / "config.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"g_leaky_slope": 0.0', '"g_leaky_slope": 0.8'), encoding="utf-8")
    with pytest.raises(RunError, match="belongs to a network of another config"):
        load_generator(run_copy)


def test_shapes_are_those_of_the_network(tiny_config):
    for config in (tiny_config, tiny_config.replace(d_norm="spectral", d_minibatch_stddev=True, g_modulated=True)):
        for kind in (Generator, Discriminator):
            made = {name: tensor.shape for name, tensor in kind(config).state_dict().items()}
            assert shapes_of(kind, config) == made


def test_load_generator_of_a_folder(tiny_run):
    generator = load_generator(str(tiny_run))
    assert not generator.training
    assert not any(p.requires_grad for p in generator.parameters())
    assert generator.config == run.read_info(tiny_run).config
    with Image.open(max(samples(tiny_run).values())) as sheet:  # it draws what the last sheet shows
        first_face = np.asarray(sheet.convert("RGB"))[:16, :16].astype(float)
    assert abs(sample(generator, seed=0, n=1)[0] - first_face).mean() < 12


def test_load_generator_of_a_snapshot(tiny_run):
    numbers = list(snapshots(tiny_run))
    assert len(numbers) >= 2
    last, first = (load_generator(tiny_run, snapshot=n) for n in (numbers[-1], numbers[0]))
    z = latents(last.config, [0])
    assert torch.equal(last(z), load_generator(tiny_run)(z))  # the last one is the finished model
    assert not torch.equal(first(z), last(z))
    with pytest.raises(RunError, match=r"snapshots/0999.safetensors is missing"):
        load_generator(tiny_run, snapshot=999)


def test_load_discriminator(tiny_run):
    critic = load_discriminator(tiny_run)
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
    generator = load_generator(name)
    z = latents(generator.config, [0])
    assert torch.equal(generator(z), load_generator(tiny_run)(z))
    ((repo_id, options),) = calls
    assert (repo_id, options["allow_patterns"]) == (repository, patterns)
    assert any(re.fullmatch(p.replace("*", ".*"), "tiny/checkpoint/1.pt") for p in options["ignore_patterns"])


@pytest.mark.parametrize("error", [LocalEntryNotFoundError("offline"), OSError("no route to host")])
def test_an_unknown_name_offline_is_a_sentence(monkeypatch, error):
    def snapshot_download(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(RunError, match="no-one/nothing is neither a model folder here nor readable on the Hugging"):
        load_generator("no-one/nothing")


def test_a_name_that_the_hub_would_never_have_is_a_sentence():
    with pytest.raises(RunError, match="is neither a model folder here nor readable"):
        load_generator("not a user/not a repo")  # refused before anything is asked of the network


def test_the_hub_is_not_asked_about_other_names(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the Hub"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    absent = ("nothing", "weights/a/b/c", "/nowhere/model", "weights/typo", "runs/typo", "mine/typo", "mine/a/b")
    for name in (*absent, "./typo", "../typo", "~/typo", Path("someone/faces"), tmp_path):
        with pytest.raises(RunError, match="is no model folder"):
            load_generator(name)


def test_without_huggingface_hub_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RunError, match="pip install huggingface_hub"):
        load_generator("someone/faces")


def test_weights_are_safetensors_and_no_pickles(tiny_run):
    for path in [
        tiny_run / "model.safetensors",
        tiny_run / "discriminator.safetensors",
        *snapshots(tiny_run).values(),
    ]:
        with safe_open(path, "pt") as file:
            assert file.keys()
