"""One step of adversarial training: who moves when, the average, the penalties, the rates, the seeds.

Long because each term of a step is held by itself, on the same two small networks.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from gan.data.batches import make_batch
from gan.losses import gradient_penalty
from gan.training.step import Trainer

CPU = torch.device("cpu")


@pytest.fixture
def real(pictures):
    return make_batch(pictures, range(8), device=CPU, flip=False)


def make(config, **options):
    trainer = Trainer(config, CPU, **options)
    trainer.begin_step(0)
    return trainer


def copies(network):
    return [p.detach().clone() for p in network.parameters()]


def changed(network, before):
    return [not torch.equal(p, b) for p, b in zip(network.parameters(), before, strict=True)]


def step_with_watched_optimisers(trainer, real):
    """Weights of both networks before each optimiser's step, and which of D's weights were trainable in it."""
    log = {}
    for name, optimizer in (("d", trainer.d_optimizer), ("g", trainer.g_optimizer)):

        def before_step(*_, name=name):
            log[name] = dict(
                generator=copies(trainer.generator),
                discriminator=copies(trainer.discriminator),
                d_trainable=[p.requires_grad for p in trainer.discriminator.parameters()],
                d_grads=[p.grad.clone() for p in trainer.discriminator.parameters()],
            )

        optimizer.register_step_pre_hook(before_step)
    trainer.step(real, 0, 0.0)
    return log


def test_one_step_changes_every_weight_of_both_networks(tiny_config, real):
    trainer = make(tiny_config)
    before_g, before_d = copies(trainer.generator), copies(trainer.discriminator)
    stats, fake = trainer.step(real, 0, 0.0)
    assert all(changed(trainer.generator, before_g))
    assert all(changed(trainer.discriminator, before_d))
    assert stats.shape == (5,) and stats.dtype == torch.float32 and stats.isfinite().all()
    assert fake.shape == real.shape and not fake.requires_grad


def test_each_optimiser_owns_one_network(tiny_config, real):
    trainer = make(tiny_config)
    for optimizer, network in (
        (trainer.g_optimizer, trainer.generator),
        (trainer.d_optimizer, trainer.discriminator),
    ):
        owned = {id(p) for group in optimizer.param_groups for p in group["params"]}
        assert owned == {id(p) for p in network.parameters()}
        (group,) = optimizer.param_groups
        assert group["betas"] == (tiny_config.beta1, tiny_config.beta2)


def test_discriminator_moves_first_and_is_frozen_while_the_generator_learns(tiny_config, real):
    trainer = make(tiny_config)
    before_g, before_d = copies(trainer.generator), copies(trainer.discriminator)
    log = step_with_watched_optimisers(trainer, real)
    assert list(log) == ["d", "g"]
    assert all(torch.equal(a, b) for a, b in zip(log["d"]["generator"], before_g, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(log["g"]["discriminator"], before_d, strict=True))
    assert all(log["d"]["d_trainable"])
    assert not any(log["g"]["d_trainable"])
    assert all(torch.equal(a, b) for a, b in zip(log["g"]["d_grads"], log["d"]["d_grads"], strict=True))
    assert all(p.requires_grad for p in trainer.discriminator.parameters())  # trainable again afterwards


def test_stats_are_those_of_the_networks_that_made_them(tiny_config, real):
    config = tiny_config.replace(d_norm="none", real_label=0.9)
    trainer, twin = make(config), make(config)
    stats, fake = trainer.step(real, 0, 0.0)
    with torch.no_grad():
        twin.begin_step(0)
        expected_fake = twin.generator(twin.draw_z(8))
        logit_real, logit_fake = twin.discriminator(real), twin.discriminator(expected_fake)
        after = trainer.discriminator(fake)
    torch.testing.assert_close(fake, expected_fake)
    bce = nn.functional.binary_cross_entropy_with_logits
    torch.testing.assert_close(stats[0], bce(after, torch.ones(8)))  # G is scored by the new D
    torch.testing.assert_close(stats[1], bce(logit_real, torch.full((8,), 0.9)) + bce(logit_fake, torch.zeros(8)))
    torch.testing.assert_close(stats[2], logit_real.sigmoid().mean())
    torch.testing.assert_close(stats[3], logit_fake.sigmoid().mean())
    assert stats[4] == 0


@pytest.mark.parametrize(("norm", "stddev", "apart"), [
    ("batch", False, True), ("spectral", True, True), ("spectral", False, False), ("none", False, False),
])  # fmt: skip
def test_real_and_generated_pictures_meet_only_where_the_discriminator_judges_each_alone(
    tiny_config, real, norm, stddev, apart
):
    trainer = make(tiny_config.replace(d_norm=norm, d_minibatch_stddev=stddev))
    batches = []
    trainer.discriminator.register_forward_pre_hook(lambda _, inputs: batches.append(inputs[0].detach().clone()))
    _, fake = trainer.step(real, 0, 0.0)
    assert [len(batch) for batch in batches] == ([8, 8, 8] if apart else [16, 8])
    assert torch.equal(torch.cat(batches), torch.cat([real, fake, fake]))


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_both_networks_learn_from_as_many_generated_pictures_as_asked(tiny_config, real, norm):
    trainer = make(tiny_config.replace(d_norm=norm, fakes_per_real=3, g_lr=1e-12, d_lr=1e-12))
    judged = []
    trainer.discriminator.register_forward_hook(lambda _, __, logits: judged.append(logits.detach().float()))
    stats, fake = trainer.step(real, 0, 0.0)
    assert len(fake) == 3 * len(real) == 24
    of_real, of_fake = judged[:2] if norm == "batch" else judged[0].split([8, 24])
    loss_g, loss_d, d_real, d_fake, _ = stats
    expected = trainer.loss.discriminator(of_real, of_fake)
    for actual, wanted in ((loss_d, expected), (d_real, of_real.sigmoid().mean()), (d_fake, of_fake.sigmoid().mean()),
                           (loss_g, trainer.loss.generator(judged[-1], judged[-1]))):  # fmt: skip
        torch.testing.assert_close(actual, wanted)
    assert len(judged[-1]) == 24


@pytest.mark.parametrize("loss", ["hinge", "relativistic"])
def test_the_critic_sees_all_pictures_changed(tiny_config, real, loss):
    def seen(**changes):
        trainer = make(tiny_config.replace(loss=loss, d_norm="none", g_lr=1e-12, d_lr=1e-12, **changes))
        batches = []
        trainer.discriminator.register_forward_pre_hook(lambda _, inputs: batches.append(inputs[0].detach()))
        trainer.step(real, 1, 0.0)
        return torch.cat(batches)

    plain, cut = seen(), seen(d_augment="cutout")
    assert len(cut) == (16 + 16 if loss == "relativistic" else 16 + 8)  # D's step, then G's
    for before, after in zip(plain, cut, strict=True):
        hole = after == 0
        assert 0.05 < hole.float().mean() < 0.3
        torch.testing.assert_close(after[~hole], before[~hole])


def test_average_follows_its_formula(tiny_config, real):
    config = tiny_config.replace(ema_half_life_images=40, ema_ramp_up=0.5)
    trainer = make(config)
    expected = copies(trainer.ema)
    for step in range(12):
        trainer.begin_step(step)
        trainer.step(real, step, 0.0)
        half_life = min(40, 0.5 * 8 * (step + 1))  # images, ramping up with those seen
        keep = 0.5 ** (8 / half_life)
        expected = [keep * e + (1 - keep) * p for e, p in zip(expected, copies(trainer.generator), strict=True)]
        for actual, wanted in zip(trainer.ema.parameters(), expected, strict=True):
            torch.testing.assert_close(actual.data, wanted)
    assert all(changed(trainer.ema, copies(trainer.generator)))


def test_batch_norm_of_the_average_is_measured_anew(tiny_config, real):
    """Statistics of the generator in training do not fit averaged weights."""
    config = tiny_config.replace(ema_half_life_images=1000, ema_ramp_up=1.0, g_lr=1e-2)
    trainer = make(config)
    for step in range(8):
        trainer.step(real, step, 0.0)
    weights, in_training = copies(trainer.ema), copies(trainer.generator)

    shown = trainer.generator_to_show(10**6)

    assert shown is trainer.ema and not any(module.training for module in shown.modules())
    assert not any(p.requires_grad for p in shown.parameters())
    assert not any(changed(shown, weights) + changed(trainer.generator, in_training))
    norm = shown.layers[1]
    with torch.no_grad():
        z = torch.randn(50_000, config.z_dim, generator=torch.Generator().manual_seed(0))
        features = shown.layers[0](shown.stem(z)).transpose(0, 1).flatten(1)
    # Statistics of the distribution, not of the few latents that they are measured on.
    spread = features.std(dim=1)
    assert ((norm.running_mean - features.mean(dim=1)).abs() < 0.01 * spread).all()
    torch.testing.assert_close(norm.running_var, features.var(dim=1), rtol=0.02, atol=0.0)
    assert not torch.allclose(norm.running_var, trainer.generator.layers[1].running_var, rtol=0.05)
    again = {name: buffer.clone() for name, buffer in shown.named_buffers()}
    assert all(torch.equal(buffer, again[name]) for name, buffer in trainer.generator_to_show(10**6).named_buffers())


@pytest.mark.parametrize(("images_seen", "latents_seen"), [(0, 256), (100_000, 1024), (3_000_000, 2048)])
def test_the_statistics_are_the_finer_the_longer_the_training(tiny_config, images_seen, latents_seen):
    trainer = make(tiny_config.replace(ema_half_life_images=1000))
    batches = []
    trainer.ema.stem.register_forward_hook(lambda _, inputs, __: batches.append(len(inputs[0])))
    trainer.generator_to_show(images_seen)
    assert sum(batches) == latents_seen


def test_showing_the_generator_leaves_training_as_it_was(tiny_config, real):
    for half_life in (0, 1000):
        looked_at, left_alone = (make(tiny_config.replace(ema_half_life_images=half_life)) for _ in range(2))
        for step in range(3):
            looked_at.generator_to_show(10**6)
            for trainer in (looked_at, left_alone):
                trainer.begin_step(step)
                trainer.step(real, step, 0.0)
        assert not any(changed(looked_at.generator, copies(left_alone.generator)))
        for a, b in zip(looked_at.generator.buffers(), left_alone.generator.buffers(), strict=True):
            assert torch.equal(a, b)


def test_without_averaging_the_generator_itself_is_shown(tiny_config):
    trainer = make(tiny_config)
    assert trainer.ema is trainer.generator
    assert trainer.generator_to_show(10**6) is trainer.generator
    assert trainer.state()["ema"] == {}


def test_penalty_only_every_n_steps_and_scaled_to_match(tiny_config, real):
    config = tiny_config.replace(d_norm="none", r1_gamma=3.0, penalty_interval=4)
    trainer = make(config)
    expected = 3.0 / 2 * 4 * gradient_penalty(trainer.discriminator, real)
    penalties = [trainer.step(real, step, 0.0)[0][4].item() for step in range(9)]
    assert penalties[0] == pytest.approx(expected.item(), rel=1e-5)
    assert [penalty > 0 for penalty in penalties] == [True, False, False, False] * 2 + [True]


def test_penalties_on_real_and_on_generated_pictures(tiny_config, real):
    config = tiny_config.replace(d_norm="none", init="xavier", penalty_interval=1)  # large weights: far from linear
    stats = {}
    for name, gammas in {"both": (2.0, 3.0), "r1": (2.0, 0.0), "r2": (0.0, 3.0)}.items():
        trainer = make(config.replace(r1_gamma=gammas[0], r2_gamma=gammas[1]))
        critic = make(config).discriminator
        stats[name], fake = trainer.step(real, 0, 0.0)
        expected = sum(
            gamma / 2 * gradient_penalty(critic, images) for gamma, images in zip(gammas, (real, fake), strict=True)
        )
        torch.testing.assert_close(stats[name][4], expected.detach(), rtol=1e-4, atol=0)
    torch.testing.assert_close(stats["both"][4], stats["r1"][4] + stats["r2"][4])


def test_penalty_moves_the_discriminator(tiny_config, real):
    config = tiny_config.replace(d_norm="none", penalty_interval=1)
    gradients = []
    for gamma in (0.0, 1000.0):
        trainer = make(config.replace(r1_gamma=gamma))
        gradients.append(step_with_watched_optimisers(trainer, real)["d"]["d_grads"])
    difference = [b - a for a, b in zip(*gradients, strict=True)]
    critic = make(config).discriminator
    penalty = 1000 / 2 * gradient_penalty(critic, real)
    expected = torch.autograd.grad(penalty, list(critic.parameters()), allow_unused=True, materialize_grads=True)
    for actual, wanted in zip(difference, expected, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-3, atol=1e-4)


def test_learning_rates_fall_linearly_at_the_end(tiny_config, real):
    trainer = make(tiny_config.replace(g_lr=4e-4, d_lr=8e-4, lr_decay_start=0.6))
    for progress, factor in ((0.0, 1), (0.6, 1), (0.7, 0.75), (0.8, 0.5), (0.95, 0.125), (0.3, 1)):
        trainer.step(real, 0, progress)
        assert trainer.g_optimizer.param_groups[0]["lr"] == pytest.approx(4e-4 * factor)
        assert trainer.d_optimizer.param_groups[0]["lr"] == pytest.approx(8e-4 * factor)


def test_learning_rates_stay_by_default(tiny_config, real):
    trainer = make(tiny_config)
    trainer.step(real, 0, 1.0)
    assert trainer.g_optimizer.param_groups[0]["lr"] == tiny_config.g_lr


def test_a_step_without_learning_rate_changes_no_weight(tiny_config, real):
    trainer = make(tiny_config.replace(lr_decay_start=0.0))
    before_g, before_d = copies(trainer.generator), copies(trainer.discriminator)
    trainer.step(real, 0, 1.0)
    assert not any(changed(trainer.generator, before_g) + changed(trainer.discriminator, before_d))


def test_randomness_depends_on_seed_step_rank_and_rollbacks_only(tiny_config):
    def draw(config=tiny_config, step=3, rollbacks=0, **options):
        trainer = Trainer(config, CPU, **options)
        trainer.rollbacks = rollbacks
        torch.rand(17)  # whatever was drawn before
        trainer.begin_step(step)
        return trainer.draw_z(4)

    base = draw()
    assert torch.equal(base, draw())
    for other in (draw(step=4), draw(rank=1), draw(rollbacks=1), draw(tiny_config.replace(seed=1))):
        assert not torch.equal(base, other)


def test_latents_follow_the_config(tiny_config):
    torch.manual_seed(0)
    uniform = make(tiny_config.replace(z_distribution="uniform")).draw_z(5000)
    assert uniform.min() >= -1 and uniform.max() <= 1
    assert abs(uniform.std() - 1 / 3**0.5) < 0.01
    assert abs(uniform.mean()) < 0.02
    normal = make(tiny_config).draw_z(5000)
    assert normal.shape == (5000, 8)
    assert abs(normal.std() - 1) < 0.02


def test_initial_weights_follow_the_seed(tiny_config):
    a, b, c = (Trainer(tiny_config.replace(seed=s), CPU) for s in (0, 0, 1))
    assert not any(changed(a.generator, copies(b.generator)) + changed(a.discriminator, copies(b.discriminator)))
    assert changed(a.generator, copies(c.generator))[0]


@pytest.mark.parametrize("ema", [0, 100])
def test_state_carries_everything_that_decides_the_next_steps(tiny_config, real, ema):
    config = tiny_config.replace(ema_half_life_images=ema, g_dropout=0.2, d_dropout=0.2)
    one, other = Trainer(config, CPU), Trainer(config.replace(seed=1), CPU)
    other.config = config

    def go(trainer, steps):
        for step in steps:
            trainer.begin_step(step)
            trainer.step(real, step, 0.0)

    one.rollbacks = 2
    go(one, range(3))
    other.load_state(copy.deepcopy(one.state()))  # as through a file: the state itself is of live tensors
    go(one, range(3, 6))
    go(other, range(3, 6))
    assert not any(changed(one.generator, copies(other.generator)))
    assert not any(changed(one.discriminator, copies(other.discriminator)))
    assert not any(changed(one.ema, copies(other.ema)))
    assert all(torch.equal(a, b) for a, b in zip(one.ema.buffers(), other.ema.buffers(), strict=True))


def test_gradient_norms_are_those_of_the_last_step(tiny_config, real):
    trainer = make(tiny_config)
    trainer.step(real, 0, 0.0)
    for network, norm in zip((trainer.generator, trainer.discriminator), trainer.gradient_norms(), strict=True):
        assert norm == pytest.approx(sum(p.grad.square().sum().item() for p in network.parameters()) ** 0.5, rel=1e-5)
        assert norm > 0


@pytest.mark.parametrize("network", ["generator", "discriminator"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_noticed(tiny_config, network, value):
    trainer = make(tiny_config)
    assert trainer.is_finite()
    with torch.no_grad():
        next(getattr(trainer, network).parameters())[0, 0] = value
    assert not trainer.is_finite()


@pytest.mark.parametrize("loss", ["cross_entropy", "non_saturating", "hinge", "relativistic"])
@pytest.mark.parametrize("bf16", [False, True])
def test_every_loss_trains_in_both_precisions(tiny_config, real, loss, bf16):
    trainer = make(tiny_config.replace(loss=loss, d_norm="none", r1_gamma=1.0, r2_gamma=1.0), bf16=bf16)
    for step in range(3):
        stats, _ = trainer.step(real, step, 0.0)
    assert stats.isfinite().all() and trainer.is_finite()
    assert {p.dtype for p in trainer.generator.parameters()} == {torch.float32}  # only the computation is bfloat16


def test_bf16_is_used_where_asked(tiny_config, real):
    dtypes = {}
    for bf16 in (False, True):
        trainer = make(tiny_config, bf16=bf16)
        seen = dtypes.setdefault(bf16, set())
        trainer.discriminator.layers[0].register_forward_hook(lambda _, __, out, seen=seen: seen.add(out.dtype))
        trainer.step(real, 0, 0.0)
    assert dtypes == {False: {torch.float32}, True: {torch.bfloat16}}


def test_the_relativistic_generator_sees_this_step_s_real_pictures(tiny_config, real):
    config = tiny_config.replace(loss="relativistic", d_norm="none")
    trainer = make(config)
    stats, fake = trainer.step(real, 0, 0.0)
    with torch.no_grad():
        expected = nn.functional.softplus(trainer.discriminator(real) - trainer.discriminator(fake)).mean()
    torch.testing.assert_close(stats[0], expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_takes_the_same_step_as_the_cpu(tiny_config, real):
    config = tiny_config.replace(d_norm="none", r1_gamma=1.0, ema_half_life_images=100)
    networks = []
    for device in (CPU, torch.device("cuda")):
        trainer = Trainer(config, device)
        trainer.load_state(Trainer(config, CPU).state())  # each device has a random generator of its own
        trainer.draw_z = lambda n, device=device: torch.linspace(-1, 1, 8 * n).view(n, 8).to(device)
        stats, _ = trainer.step(real.to(device), 0, 0.0)
        networks.append((stats.cpu(), [p.detach().cpu() for p in trainer.discriminator.parameters()]))
    torch.testing.assert_close(networks[0][0], networks[1][0], rtol=1e-2, atol=1e-3)
