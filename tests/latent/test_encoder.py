"""The encoder: learns to find latents again, is tied to its generator, and is written whole or not at all."""

from __future__ import annotations

import json
import math
import shutil
import signal

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_runs import go

from gan import run
from gan.__main__ import main
from gan.latent import encoder_training
from gan.latent.encoder import Encoder, load_encoder
from gan.latent.encoder_training import Recipe, disturb, encode_for_run, judge_encoder, train_encoder
from gan.models import Generator
from gan.run import ENCODER_FILE, RunError
from gan.sampling import latents
from gan.weights import load_generator, save_weights, weights_hash

SHORT = Recipe(images=320, batch_size=32)


def learn(generator, recipe=SHORT, **options):
    return train_encoder(generator, recipe, device="cpu", precision="fp32", progress=False, **options)


def test_it_finds_latents_of_pictures_that_it_never_saw(tiny_run):
    generator = load_generator(tiny_run)
    encoder = learn(generator, Recipe(images=4800))
    before, after = (judge_encoder(e, generator) for e in (Encoder(generator.config).eval(), encoder))
    z = latents(generator.config, encoder_training.JUDGED_SEEDS)
    with torch.no_grad():
        pictures = generator(z)
        mean_face = 10 * torch.log10(4 / (generator(0 * z) - pictures).square().mean(dim=(1, 2, 3))).mean()
    assert after["z_error"] < 0.8 < before["z_error"]  # 1 is what guessing zeros costs
    assert after["psnr"] > mean_face + 1.5
    assert after["psnr"] > before["psnr"] + 1.5
    assert encoder.facts["images_seen"] == 4800


def test_z_and_pixels_both_count(tiny_run):
    """Without the pixels z is still learned; with little but pixels it is learned less well."""
    generator = load_generator(tiny_run)
    z_only, pixels = (
        judge_encoder(learn(generator, Recipe(images=3200, pixel_weight=weight)), generator) for weight in (0.0, 1000.0)
    )
    assert z_only["z_error"] < 0.8 and z_only["z_error"] < pixels["z_error"] - 0.02


def test_same_seed_same_encoder(tiny_run):
    generator = load_generator(tiny_run)
    torch.manual_seed(1)
    first = learn(generator).state_dict()
    torch.manual_seed(2)  # of others: neither used nor disturbed
    expected = torch.rand(3)
    torch.manual_seed(2)
    second = learn(generator).state_dict()
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = learn(generator, Recipe(images=320, batch_size=32, seed=1)).state_dict()
    assert not torch.equal(first["layers.0.weight"], other["layers.0.weight"])


def test_a_perfect_guess_has_a_finite_psnr(tiny_run):
    """A generator that always draws the same picture makes every guess perfect."""
    generator = load_generator(tiny_run)
    for parameter in generator.stem.parameters():
        parameter.zero_()
    assert judge_encoder(Encoder(generator.config).eval(), generator)["psnr"] == pytest.approx(
        10 * math.log10(4e10), abs=0.01
    )


def test_the_generator_stays_as_it_is(tiny_run):
    generator = load_generator(tiny_run)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    learn(generator)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


def test_it_is_written_and_read_back(run_copy):
    encoder = encode_for_run(run_copy, SHORT, device="cpu", precision="fp32", progress=False)
    loaded = load_encoder(run_copy)
    images = torch.rand(5, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(loaded(images), encoder(images), atol=0.02)  # float16 in the file
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    assert loaded.facts["generator"] == weights_hash(run_copy)
    assert loaded.facts["figures"] == judge_encoder(encoder, load_generator(run_copy))
    assert loaded.facts["images_seen"] == 320
    assert all(t.dtype in (torch.float16, torch.int64) for t in load_file(run_copy / ENCODER_FILE).values())


def test_a_file_of_format_1_has_the_identity_for_a_preconditioner(run_copy):
    written = encode_for_run(run_copy, SHORT, device="cpu", precision="fp32", progress=False)
    loaded = load_encoder(run_copy)
    assert torch.allclose(loaded.preconditioner, written.preconditioner, rtol=1e-3)
    assert not torch.equal(loaded.preconditioner, torch.eye(8))
    weights, facts = load_file(run_copy / ENCODER_FILE), loaded.facts | {"format_version": 1}
    del weights["preconditioner"]
    save_file(weights, run_copy / ENCODER_FILE, {"facts": json.dumps(facts)})
    older = load_encoder(run_copy)
    assert torch.equal(older.preconditioner, torch.eye(8))
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    assert torch.equal(older(images), loaded(images))


def test_an_encoder_of_other_weights_is_told_in_one_sentence(run_copy):
    with pytest.raises(RunError, match=r"encoder.safetensors is missing: `python -m gan encoder .*` trains one"):
        load_encoder(run_copy)
    encode_for_run(run_copy, SHORT, device="cpu", precision="fp32", progress=False)
    generator = load_generator(run_copy)
    save_weights(run_copy / run.MODEL_FILE, Generator(generator.config))
    with pytest.raises(RunError, match=r"belongs to generator .*another one.*anew"):
        load_encoder(run_copy)


def test_a_damaged_file_and_a_newer_format_are_told(run_copy):
    encode_for_run(run_copy, SHORT, device="cpu", precision="fp32", progress=False)
    path = run_copy / ENCODER_FILE
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    with pytest.raises(RunError, match="cannot be loaded"):
        load_encoder(run_copy)
    path.write_bytes(content)
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["facts"])
    save_file(load_file(path), path, {"facts": json.dumps(facts | {"format_version": 99})})
    with pytest.raises(RunError, match="format 99: update"):
        load_encoder(run_copy)


def interrupt_at(monkeypatch, step):
    calls = []

    def act(images, random):
        calls.append(None)
        if len(calls) == step:
            signal.raise_signal(signal.SIGINT)
        return disturb(images, random)

    monkeypatch.setattr(encoder_training, "disturb", act)


def test_a_stop_keeps_what_was_learned(run_copy, monkeypatch):
    interrupt_at(monkeypatch, 3)
    encode_for_run(run_copy, SHORT, device="cpu", precision="fp32", progress=False)
    assert load_encoder(run_copy).facts["images_seen"] == 3 * 32
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_minutes_end_it_too(tiny_run):
    encoder = learn(load_generator(tiny_run), Recipe(minutes=0.01, batch_size=8))
    assert encoder.facts["images_seen"] > 8 and 0.5 < encoder.facts["seconds"] < 10


def test_guesses_of_uniform_latents_stay_within_them(tiny_config):
    encoder = Encoder(tiny_config.replace(z_distribution="uniform")).eval()
    with torch.no_grad():
        guess = encoder(100 * torch.randn(50, 3, 16, 16))
        assert guess.shape == (50, 8) and guess.abs().max() <= 1
        assert Encoder(tiny_config).eval()(100 * torch.randn(50, 3, 16, 16)).abs().max() > 1


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (64, 3), (100, 3)])
def test_it_fits_pictures_of_any_size(tiny_config, size, channels):
    config = tiny_config.replace(image_size=size, channels=channels, kernel_size=5, z_dim=20)
    with torch.no_grad():
        assert Encoder(config).eval()(torch.zeros(2, channels, size, size)).shape == (2, 20)


def test_a_grown_models_encoder_may_begin_with_the_one_below(run_copy, tmp_path, capsys):
    encode_for_run(run_copy, Recipe(images=3200), device="cpu", precision="fp32", progress=False)
    small = load_generator(run_copy)
    tall = Generator(small.config.grown()).eval()
    tall.load_state_dict(small.state_dict())  # draws the same pictures, enlarged
    grown = tmp_path / "grown"
    shutil.copytree(run_copy, grown)
    run.write_config(grown, tall.config, run.read_info(run_copy).data, "cpu", None)
    save_weights(grown / run.MODEL_FILE, tall)
    begun = encode_for_run(grown, Recipe(images=64), run_copy, device="cpu", precision="fp32", progress=False)
    anew = learn(load_generator(grown), Recipe(images=64))
    assert judge_encoder(begun, load_generator(grown))["psnr"] > judge_encoder(anew, load_generator(grown))["psnr"] + 1
    facts = load_encoder(grown).facts
    assert facts["start_from"] == run_copy.name
    assert facts["recipe"]["learning_rate"] == Recipe().learning_rate / 4  # as it was trained
    (other := tmp_path / "other").mkdir()
    run.write_config(other, small.config.replace(z_dim=6), run.read_info(run_copy).data, "cpu", None)
    save_weights(other / run.MODEL_FILE, Generator(small.config.replace(z_dim=6)))
    assert main(["encoder", str(other), "--images", "8", "--start-from", str(run_copy)]) == 2
    assert "has an encoder of another shape" in capsys.readouterr().err


def test_disturbed_pictures_are_still_pictures():
    images = (torch.rand(40, 3, 16, 16) * 2 - 1) * 0.8
    first = disturb(images, torch.Generator().manual_seed(5))
    assert first.shape == images.shape and first.abs().max() <= 1
    changed = (first - images).abs().mean(dim=(1, 2, 3))
    assert (changed[::4] == 0).all() and (changed.view(-1, 4)[:, 1:] > 0.02).all()
    flat = disturb(torch.zeros(40, 3, 16, 16), torch.Generator().manual_seed(5))
    assert flat.mean(dim=(1, 2, 3)).abs().max() < 0.3  # a face stays as light as it was, nearly
    assert torch.equal(first, disturb(images, torch.Generator().manual_seed(5)))
    assert not torch.equal(first, disturb(images, torch.Generator().manual_seed(6)))


def test_the_command(run_copy, capsys):
    assert main(["encoder", str(run_copy), "--images", "64", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "encoder.safetensors" in said and "64 images" in said and "PSNR" in said
    figures = load_encoder(run_copy).facts["figures"]
    assert figures == judge_encoder(load_encoder(run_copy), load_generator(run_copy))  # it is the one that was judged
    assert f"PSNR {figures['psnr']:.1f} dB, error of z {figures['z_error']:.2f}" in said
    assert main(["encoder", str(run_copy / "nowhere")]) == 2
    assert "no config.json" in capsys.readouterr().err
    for wrong in (["--images", "0"], ["--minutes", "0"], ["--minutes", "nan"]):
        with pytest.raises(SystemExit):
            main(["encoder", str(run_copy), *wrong])


def test_training_anew_removes_the_old_models_encoder(run_copy, tiny_config, pictures):
    for name in (ENCODER_FILE, "projection.json"):
        (run_copy / name).write_text("of the model before", encoding="utf-8")
    go(tiny_config.replace(epochs=1), pictures, run_copy, overwrite=True)
    assert not (run_copy / ENCODER_FILE).exists() and not (run_copy / "projection.json").exists()
