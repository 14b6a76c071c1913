"""Matching features: the losses by themselves, the reduction of pictures, and trainings with them; see test_refine."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_classifiers import tiny_classifier
from tiny_runs import assert_same_run, go, signal_on_step

from gan.data.batches import make_batch
from gan.metrics.distances import frechet_from_moments, moments, precision_recall
from gan.training import frechet
from gan.training.checks import TrainingError
from gan.training.frechet import FrechetLoss
from gan.training.manifold import ManifoldLoss
from gan.training.matching import FeatureMatching, View, full_size_views, reduced
from gan.training.step import Trainer

CPU = torch.device("cpu")


def distance_of(loss):
    """Of the moments that a Fréchet loss has."""
    state = loss.state()
    mean = state["mean"]
    return frechet_from_moments((mean, state["square"] - mean.outer(mean)), state["real"])


def random_features(n, seed):
    """(n, 4), normal, not independent."""
    random = torch.Generator().manual_seed(seed)
    mix = torch.randn(4, 4, generator=random)
    return torch.randn(n, 4, generator=random) @ mix + torch.randn(4, generator=random)


def aimed_at(real):
    loss = FrechetLoss()
    loss.aim_at(real)
    return loss


# ---------------------------------------------------------------------------------------------- the Fréchet distance


def test_its_gradient_is_that_of_the_distance(monkeypatch):
    """Of a set that is all that was ever generated, by automatic differentiation of the formula in float64."""
    real, generated = random_features(400, 0), random_features(300, 1)
    monkeypatch.setattr(frechet, "_AVERAGED_IMAGES", 1e-9)  # each batch is all
    loss, features = aimed_at(real), generated.clone().requires_grad_()
    loss.begin(generated)
    loss(features).backward()

    x = generated.double().requires_grad_()
    mean, covariance = x.mean(dim=0), torch.cov(x.T, correction=0)
    real_mean, real_covariance = loss.state()["real"]
    values, vectors = torch.linalg.eigh(real_covariance)
    root = vectors * values.sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ covariance @ root).sqrt().sum()
    distance = (mean - real_mean).square().sum() + covariance.trace() + real_covariance.trace() - 2 * cross
    distance.backward()
    assert torch.allclose(features.grad.double(), x.grad, rtol=1e-3, atol=1e-6)
    assert distance_of(loss) == pytest.approx(distance.item(), rel=1e-4)


def test_following_it_leads_to_the_real_distribution():
    real = random_features(4000, 2)
    loss = aimed_at(real)
    weights, shift = torch.eye(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.Adam([weights, shift], lr=0.01)
    torch.manual_seed(0)
    loss.begin(torch.randn(4096, 4))
    before = distance_of(loss)
    for _ in range(1500):
        optimizer.zero_grad()
        loss(torch.randn(32, 4) @ weights + shift).backward()
        optimizer.step()
    with torch.no_grad():
        result = frechet_from_moments(moments(torch.randn(20_000, 4) @ weights + shift), moments(real))
    assert before > 1 and result < 0.05 * before


def test_directions_without_variance_give_no_infinite_gradient():
    real, generated = random_features(50, 3), random_features(50, 4)
    real[:, 0], generated[:, 3] = 0, 0.5
    loss, features = aimed_at(real), generated.clone().requires_grad_()
    loss.begin(generated)
    loss(features).backward()
    assert features.grad.isfinite().all() and features.grad.abs().max() < 100


def test_places_have_distributions_of_their_own():
    """Each place's gradient is that of a loss of its own, shared by the places; scales are the same for all."""
    real, generated = (torch.stack([random_features(n, seed + i) for i in range(3)], dim=1)
                       for n, seed in ((400, 5), (300, 8)))  # fmt: skip
    loss, features = FrechetLoss(standardised=True), generated.clone().requires_grad_()
    loss.aim_at(real)
    loss.begin(generated)
    loss(features).backward()
    variance = real.var(dim=0, correction=0).mean(dim=0)
    scale = (4 * variance).rsqrt()
    for i in range(3):
        alone, place = aimed_at(real[:, i] * scale), (generated[:, i] * scale).requires_grad_()
        alone.begin(place.detach())
        alone(place).backward()
        assert torch.allclose(features.grad[:, i], place.grad * scale / 3, rtol=1e-3, atol=1e-7)
    _, covariance = loss.state()["real"]
    assert covariance.diagonal(dim1=-2, dim2=-1).mean(dim=0).numpy() == pytest.approx(0.25)  # together 1
    again = FrechetLoss(standardised=True)
    again.load_state(loss.state())
    assert torch.equal(again(generated), loss(generated))


# -------------------------------------------------------------------------------------------------------- the manifold


def test_features_that_a_real_one_reaches_are_left_alone():
    """Precisely those that count for precision."""
    real, generated = random_features(500, 5), random_features(400, 6)
    loss = ManifoldLoss()
    loss.aim_at(real)
    features = generated.clone().requires_grad_()
    loss(features).backward()
    moved = features.grad.abs().sum(dim=1) > 0
    assert moved.double().mean().item() == pytest.approx(1 - precision_recall(real, generated)[0])
    assert 0.1 < moved.double().mean() < 0.9


def test_following_it_leads_into_the_manifold():
    real, generated = random_features(500, 5), random_features(400, 6)
    loss = ManifoldLoss()
    loss.aim_at(real)
    features = generated.clone().requires_grad_()
    optimizer = torch.optim.Adam([features], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss(features).backward()
        optimizer.step()
    assert precision_recall(real, features.detach())[0] > 0.98
    inside = ManifoldLoss()
    inside.load_state(loss.state())
    assert torch.equal(inside(generated), loss(generated)) and loss(real) == 0


# ------------------------------------------------------------------------------------------------------------ pictures


def test_pictures_are_reduced_as_the_real_ones_were(pictures):
    """By the loader: Pillow's Lanczos."""
    smooth = np.asarray(Image.fromarray(pictures[0]).resize((64, 64), Image.BICUBIC))
    images = torch.from_numpy(smooth.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    expected = np.asarray(Image.fromarray(smooth).resize((24, 24), Image.LANCZOS)).astype(float)
    ours = ((reduced(images, 24)[0].permute(1, 2, 0) + 1) * 127.5).numpy()
    assert np.abs(ours - expected).max() < 1.5
    assert reduced(images, 64) is images and reduced(images, 100) is images


@pytest.fixture
def classifier():
    return tiny_classifier()


@pytest.fixture
def unaimed(classifier):
    """Makes matchings of what the config weighs."""

    def make(config):
        seen = View(lambda images: (classifier.features(images),), 16)
        return FeatureMatching(config, classifier=seen, **full_size_views(config))

    return make


@pytest.fixture
def aimed(unaimed, pictures):
    """Makes matchings that aim at dark pictures: what an untrained generator draws lies outside their manifold."""

    def make(config):
        matching = unaimed(config)
        for view in ("classifier", *full_size_views(config)):
            matching.aim_at(view, pictures // 4)
        return matching

    return make


@pytest.fixture
def refined(tiny_config):
    weights = dict(frechet_weight=1.0, manifold_weight=1.0, imagenet_weight=1.0, spectrum_weight=1.0)
    return tiny_config.replace(manifold_start=0.4, ema_half_life_images=50, **weights)


def test_only_the_generator_learns_from_it(refined, pictures, aimed):
    def weights_after(config, matching, progress=0.4):
        trainer = Trainer(config, CPU, matching=matching)
        for step in range(3):  # Adam's first step knows signs only
            trainer.begin_step(step)
            trainer.step(make_batch(pictures, range(8), device=CPU, flip=False), step, progress)
        return [copies(network) for network in (trainer.generator, trainer.discriminator)]

    def copies(network):
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    names = ("frechet_weight", "manifold_weight", "imagenet_weight", "spectrum_weight")
    off = refined.replace(**dict.fromkeys(names, 0.0))
    without = weights_after(off, None)
    assert all(torch.equal(a, b) for a, b in zip(without, weights_after(off, aimed(refined)), strict=True))
    found = [without[0]]
    without_manifold = (1.0, 0.0, 1.0, 1.0)
    for weights in (without_manifold, *np.eye(4).tolist(), (1.0,) * 4):
        config = refined.replace(**dict(zip(names, weights, strict=True)))
        after = weights_after(config, aimed(config))[0]
        assert not any(torch.equal(after, other) for other in found)
        found.append(after)
    early = weights_after(refined, aimed(refined), progress=0.39)[0]  # the manifold does not count yet
    assert torch.equal(early, found[1])


def test_a_training_with_it_comes_nearer(tiny_config, pictures, aimed, monkeypatch):
    """Than one that knows only its critic, which has learned nothing yet."""
    monkeypatch.setattr(frechet, "_AVERAGED_IMAGES", 200)  # of a training this short
    config = tiny_config.replace(g_lr=3e-3, d_lr=1e-7, d_norm="none")

    def distance_after(weight):
        weighed = config.replace(frechet_weight=weight)
        trainer = Trainer(weighed, CPU, matching=aimed(weighed))
        for step in range(150):
            trainer.begin_step(step)
            trainer.step(make_batch(pictures, range(8), device=CPU, flip=False), step, 0.0)
        last = aimed(config.replace(frechet_weight=1.0))
        with torch.no_grad():
            last.begin(trainer.generator(z) for z in trainer.draw_z(2048).split(64))
        return distance_of(last._parts["frechet"].loss)

    assert distance_after(3000.0) < 0.5 * distance_after(0.0)  # its features are small: it was never trained


@pytest.mark.parametrize("stop", [5, 7])  # between two renewals of the transport
def test_stopped_and_resumed_is_bit_identical(refined, unaimed, pictures, aimed, tmp_path, monkeypatch, stop):
    """With the aim that the checkpoint holds: the pictures are not measured again."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    go(refined, pictures, whole, matching=aimed(refined))
    signal_on_step(monkeypatch, stop - 1)
    assert go(refined, pictures, parts, matching=aimed(refined)).reason == "interrupted"
    monkeypatch.undo()
    go(refined, pictures, parts, resume=True, matching=unaimed(refined))
    assert_same_run(parts, whole)


@pytest.mark.parametrize("part", ["lattice", "colour lattice"])
def test_a_run_of_before_there_was_a_part_goes_on_without_it(refined, pictures, aimed, unaimed, part):
    """Exactly as it would have gone on: the other parts are what they were."""
    images = make_batch(pictures, range(8), device=CPU, flip=False).requires_grad_()

    def gradient(matching, progress=1.0):
        torch.manual_seed(0)
        return torch.autograd.grad(matching(images, progress), images)[0]

    then, now = aimed(refined), aimed(refined)
    del then._parts[part]
    with torch.no_grad():
        for matching in (then, now):
            torch.manual_seed(0)
            matching.begin(make_batch(pictures, rows, device=CPU, flip=False) for rows in np.split(np.arange(32), 4))
    state = then.state()
    resumed = unaimed(refined)
    resumed.load_state(state)
    assert resumed.has_aim and resumed.has_begun and resumed.state().keys() == state.keys()
    after = gradient(resumed)
    assert torch.equal(after, gradient(then)) and not torch.equal(after, gradient(now))


def test_a_weight_without_an_aim_is_refused(refined, pictures, tmp_path, unaimed):
    half = unaimed(refined)
    half.aim_at("classifier", pictures)
    half.aim_at("imagenet", pictures)
    for matching in (None, unaimed(refined), half):
        with pytest.raises(TrainingError, match="no real features to come near"):
            go(refined, pictures, tmp_path / "run", matching=matching)
    assert not (tmp_path / "run").exists()


def test_grey_pictures_are_matched_without_colours(tiny_config, pictures):
    config = tiny_config.replace(channels=1, spectrum_weight=3.0)
    matching = FeatureMatching(config, **full_size_views(config))
    matching.aim_at("spectrum", pictures[..., :1])
    images = make_batch(pictures[..., :1], range(32), device=CPU, flip=False).requires_grad_()
    with torch.no_grad():
        matching.begin(images.split(8))
    assert matching.has_begun and set(matching.state()) == {"spectrum", "lattice"}
    matching(images[:8], 1.0).backward()
    assert images.grad.isfinite().all() and images.grad.abs().max() > 0
