"""The projection: goes downhill, keeps the best, leaves the pictures of a batch alone, and says how far it came."""

from __future__ import annotations

import copy
import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_classifiers import install, tiny_classifier

from gan import run
from gan.__main__ import main
from gan.latent import projection, projection_report
from gan.latent.curvature import preconditioner
from gan.latent.encoder import Encoder
from gan.latent.encoder_training import Recipe, encode_for_run
from gan.latent.projection import descend, project
from gan.latent.projection_report import measure
from gan.metrics.held_out import features_of
from gan.models import Generator
from gan.report.measured import photographs
from gan.sampling import generate, latents, to_uint8
from gan.weights import load_generator, save_weights, weights_hash


@pytest.fixture
def generator(tiny_run):
    return load_generator(tiny_run)


def encoder_of(generator, seed=0):
    torch.manual_seed(seed)
    return Encoder(generator.config).eval().requires_grad_(False)


def pictures_of(generator, n=3, first=5000):
    with torch.no_grad():
        return generator(latents(generator.config, range(first, first + n)))


def last(moments):
    return list(moments)[-1]


def test_generated_pictures_recover_themselves(generator):
    wanted = pictures_of(generator, 8)
    moments = list(descend(generator, wanted, classifier=tiny_classifier()))
    assert [moment.step for moment in moments] == list(range(101))
    assert (moments[-1].psnr > moments[0].psnr + 3).all()
    assert (moments[-1].psnr > 25).float().mean() >= 0.75
    with torch.no_grad():
        assert torch.allclose(generator(moments[-1].z), moments[-1].images, atol=1e-4)
    assert (moments[-1].z.norm(dim=1) < 2 * math.sqrt(8)).all()


def test_the_best_moment_is_kept(generator):
    wanted, encoder = pictures_of(generator), encoder_of(generator)
    encoder.preconditioner = 100 * torch.eye(8)  # jumps too far
    losses = torch.stack([moment.loss for moment in descend(generator, wanted, encoder=encoder, steps=30)])
    assert (losses[1:] <= losses[:-1]).all() and (losses[1:] == losses[:-1]).any()
    final = last(descend(generator, wanted, encoder=encoder, steps=30))
    pixels = (final.images - wanted).square().mean(dim=(1, 2, 3))
    assert torch.allclose(final.loss, pixels + 0.002 * final.z.square().mean(dim=1), atol=1e-6)
    assert torch.allclose(final.psnr, 10 * torch.log10(4 / pixels), atol=1e-3)


def test_pictures_of_a_batch_do_not_influence_each_other(generator):
    wanted, encoder, classifier = pictures_of(generator), encoder_of(generator), tiny_classifier()
    together = last(descend(generator, wanted, encoder=encoder, classifier=classifier, steps=10))
    for i in range(3):
        alone = last(descend(generator, wanted[i : i + 1], encoder=encoder, classifier=classifier, steps=10))
        assert torch.allclose(alone.z[0], together.z[i], atol=2e-3)
        assert abs(alone.psnr[0] - together.psnr[i]) < 0.02


def test_a_preconditioner_finds_the_way_sooner(generator):
    wanted, encoder = pictures_of(generator, 6), encoder_of(generator)
    plain = last(descend(generator, wanted, encoder=encoder, steps=8)).psnr.mean()
    encoder.preconditioner = preconditioner(generator, None)
    assert last(descend(generator, wanted, encoder=encoder, steps=8)).psnr.mean() > plain + 1


def test_it_begins_with_the_encoders_guess(generator):
    wanted, encoder = pictures_of(generator), encoder_of(generator)
    first = next(descend(generator, wanted, encoder=encoder))
    with torch.no_grad():
        assert torch.allclose(first.z, encoder(wanted), atol=1e-5)


def test_without_an_encoder_it_begins_with_the_nearest_seed(generator):
    wanted = pictures_of(generator, 2, first=7)
    first = next(descend(generator, wanted))
    assert torch.allclose(first.z, latents(generator.config, [7, 8]))


def test_features_count(generator):
    wanted, classifier = pictures_of(generator), tiny_classifier()
    with_features = last(descend(generator, wanted, classifier=classifier, steps=40))
    without = last(descend(generator, wanted, steps=40))
    assert without.feature_distance.isnan().all()
    with torch.no_grad():
        features, drawn = classifier.features(wanted), classifier.features(with_features.images)
    distance = (drawn - features).norm(dim=1) / features.norm(dim=1)
    assert torch.allclose(with_features.feature_distance, distance, atol=1e-5)
    assert not torch.equal(with_features.z, without.z)


def test_uniform_latents_stay_where_they_were_drawn(generator):
    config = generator.config
    with torch.no_grad():
        wanted = generator(3 * latents(config, range(4)))  # out of reach within (-1, 1)
    uniform = Generator(config.replace(z_distribution="uniform")).eval().requires_grad_(False)
    uniform.load_state_dict(generator.state_dict())
    moments = list(descend(uniform, wanted, steps=40))
    assert all(moment.z.abs().max() <= 1 for moment in moments)
    assert moments[-1].z.abs().max() == 1  # it wanted to leave
    assert last(descend(generator, wanted, steps=40)).z.abs().max() > 1.5


def test_closing_it_ends_the_work(generator, monkeypatch):
    drawn = []
    monkeypatch.setattr(projection, "fold", lambda g: Counting(g, drawn))
    moments = descend(generator, pictures_of(generator), encoder=encoder_of(generator))
    next(moments), next(moments)
    moments.close()
    assert len(drawn) == 2
    assert torch.is_grad_enabled()


class Counting(torch.nn.Module):
    def __init__(self, generator, drawn):
        super().__init__()
        self.generator, self.drawn = generator, drawn

    def forward(self, z):
        self.drawn.append(len(z))
        return self.generator(z)


def test_the_classifier_that_others_use_stays_where_it_is(generator, monkeypatch):
    monkeypatch.setattr(projection, "fold", lambda generator: generator)  # it computes with weights
    classifier = tiny_classifier()
    before = [parameter.clone() for parameter in classifier.parameters()]
    elsewhere = copy.deepcopy(generator).to("meta")  # the one other device that every machine has
    moment = next(descend(elsewhere, torch.zeros(2, 3, 16, 16), classifier=classifier))
    assert moment.psnr.device.type == "meta"
    assert all(torch.equal(a, b) for a, b in zip(classifier.parameters(), before, strict=True))


def test_a_beginning_that_is_no_number_is_left_behind(generator):
    """Picture by picture: NaN is worse than any loss, and does not stay the best."""
    wanted = pictures_of(generator, 2)
    step = last(descend(generator, wanted, steps=0))
    lost = dataclasses.replace(step, loss=torch.tensor([torch.nan, step.loss[1]]))
    better = projection._best(lost, step)
    assert torch.equal(better.loss, step.loss)
    worse = projection._best(step, lost)
    assert torch.equal(worse.loss, step.loss)


def test_what_does_not_fit_is_refused(generator, tiny_config):
    wanted = pictures_of(generator)
    with pytest.raises(ValueError, match=r"images of shape \(3, 3, 8, 8\): this generator expects \(N, 3, 16, 16\)"):
        next(descend(generator, wanted[..., ::2, ::2]))
    for steps in (-1, 1001):
        with pytest.raises(ValueError, match=f"steps={steps}: expected 0 to 1000"):
            next(descend(generator, wanted, steps=steps))
    with pytest.raises(ValueError, match="encoder: expected the generator's own"):
        next(descend(generator, wanted, encoder=Encoder(tiny_config.replace(z_dim=9))))


def test_project_takes_a_picture_and_tells_its_way(generator, monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, celeba=tiny_classifier())
    pixels = to_uint8(pictures_of(generator, 1))[0]
    wide = Image.new("RGB", (30, 16))
    wide.paste(Image.fromarray(pixels), (7, 0))
    found = project(generator, wide, steps=20)
    assert np.array_equal(found.target, pixels)
    assert found.z.shape == (1, 8)
    assert np.abs(found.image.astype(int) - generate(generator, found.z)[0]).max() <= 1
    assert [errors.step for errors in found.history] == list(range(21))
    mse = np.square(found.image / 255.0 - pixels / 255.0).mean()
    assert abs(found.psnr - 10 * math.log10(1 / mse)) < 0.5
    assert found.psnr > found.history[0].psnr and found.feature_distance < found.history[0].feature_distance
    again = project(generator, pixels, classifier=tiny_classifier(), steps=20)  # an array, and the same classifier
    assert abs(again.psnr - found.psnr) < 0.5 and torch.allclose(again.z, found.z, atol=0.2)
    guess = project(generator, pixels, encoder=encoder_of(generator), classifier=None, steps=0)
    assert len(guess.history) == 1 and math.isnan(guess.feature_distance)


def test_the_figures_are_what_they_say(generator, pictures):
    encoder, classifier, judge = encoder_of(generator), tiny_classifier(), tiny_classifier(seed=1)
    figures, sheet = measure(generator, pictures[:5], encoder, classifier, judge, steps=8)
    assert sheet.shape == (48, 80, 3) and np.array_equal(sheet[:16, 16:32], pictures[1])
    wanted = torch.from_numpy(pictures[:5].copy()).permute(0, 3, 1, 2) / 127.5 - 1
    moments = list(descend(generator, wanted, encoder=encoder, classifier=classifier, steps=8))
    before, after = moments[0], moments[-1]
    found = figures["photographs"]
    assert found["psnr_before"] == pytest.approx(before.psnr.mean().item(), abs=0.02)
    assert found["psnr"] == pytest.approx(after.psnr.mean().item(), abs=0.02)
    features = features_of(judge, pictures[:5])
    first, last = (features_of(judge, to_uint8(moment.images)) - features for moment in (before, after))
    assert found["feature_distance"] == pytest.approx((last.norm(dim=1) / features.norm(dim=1)).mean().item(), abs=1e-4)
    both = (after.psnr > before.psnr) & (last.norm(dim=1) < first.norm(dim=1))
    assert found["better_both"] == pytest.approx(both.float().mean().item())
    assert 0 < found["feature_distance_of_another"] < 10
    assert set(figures["fed_back"]) >= {"psnr_before", "psnr", "recovered_before", "recovered"}
    assert 0 < figures["seconds"] < 30
    text = photographs(figures)
    assert f"| {found['psnr_before']:.1f} | {found['psnr']:.1f} |" in text and "| 3 |" in text


def test_the_command_saves_figures_for_the_card(run_copy, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    install(monkeypatch, tmp_path / "classifiers", celeba=tiny_classifier())
    arguments = ["projection", str(run_copy), "--data", "drawn:20", "--images", "3", "--steps", "2"]
    assert main(arguments) == 2
    assert "python -m gan encoder" in capsys.readouterr().err
    encode_for_run(run_copy, Recipe(images=64), device="cpu", precision="fp32", progress=False)
    assert main([*arguments, "--save", "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert "3 pictures each" in capsys.readouterr().out
    saved = json.loads((run_copy / run.PROJECTION_FILE).read_text(encoding="utf-8"))
    assert saved["generator"] == weights_hash(run_copy) and saved["data"].startswith("drawn faces")
    assert Image.open(tmp_path / "sheet.png").size == (48, 48)
    assert projection_report.read_figures(run_copy) == saved
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["photographs"] == saved["photographs"]
    save_weights(run_copy / run.MODEL_FILE, Generator(run.read_info(run_copy).config))
    assert projection_report.read_figures(run_copy) is None
