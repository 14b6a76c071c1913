"""One step of adversarial training: the algorithm, with no logging, files or clocks in it."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from gan.augment import augment
from gan.config import GANConfig
from gan.losses import gradient_penalty, loss_of
from gan.models import Discriminator, Generator, grown_parameters, initialise
from gan.sampling import even_latents
from gan.training.matching import FIRST_IMAGES, FeatureMatching

# Latents behind the batch-norm statistics of the averaged generator. 2,048 even ones are as good as 16,384 random
# ones; with 256 random ones the finished faces64 was a tenth further from real pictures (Fréchet distance 1.53, not
# 1.38). Early on the generator changes fast and is shown often: fewer do.
_STATISTICS_LATENTS = (256, 2048)  # fewest, most
_IMAGES_PER_LATENT = 64  # seen in training
_STATISTICS_BATCH = 128


class Trainer:
    """Both networks, their optimisers and the averaged generator.

    Each step draws its randomness (latents, dropout) from (config.seed, step, rank, rollbacks), so
    that resuming needs no generator's state and gives the same numbers.

    Attributes:
        generator, discriminator: the networks in training.
        ema: the generator to show: an exponential moving average of the weights, or `generator`
            itself where the config averages nothing.
        rollbacks: how often training went back to a checkpoint; another number, other latents.
        matching: the part of G's loss that looks at features; None where the config gives it no weight.
    """

    def __init__(
        self,
        config: GANConfig,
        device: torch.device,
        *,
        bf16: bool = False,
        rank: int = 0,
        world_size: int = 1,
        matching: FeatureMatching | None = None,
    ) -> None:
        self.config, self.device, self.bf16 = config, device, bf16
        self.matching = matching if config.matches_features else None
        self.rank, self.world_size = rank, world_size
        self.rollbacks = 0
        torch.manual_seed(config.seed)
        self.generator = _build(Generator(config), device)
        self.discriminator = _build(Discriminator(config), device)
        self.ema = self.generator
        if config.ema_half_life_images:
            self.ema = copy.deepcopy(self.generator).eval().requires_grad_(False)
        # Buffers stay per rank: batch norm's statistics are rank 0's when the generator is shown.
        parallel = world_size > 1
        self._g = DistributedDataParallel(self.generator, broadcast_buffers=False) if parallel else self.generator
        self._d = (
            DistributedDataParallel(self.discriminator, broadcast_buffers=False) if parallel else self.discriminator
        )
        arguments = dict(betas=(config.beta1, config.beta2), fused=True)
        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam([{"params": group} for group in grown_parameters(network) if group], **arguments)
            for network in (self.generator, self.discriminator)
        )
        self.loss = loss_of(config.loss, config.real_label)

    def step(self, real: Tensor, step: int, progress: float) -> tuple[Tensor, Tensor]:
        """Update D on real and generated pictures, G against the new D, and the average.

        Args:
            real: (N, C, H, W) in [-1, 1], this rank's part of the batch.
            step: number of steps taken before this one.
            progress: share of the whole run done, 0 to 1: rates fall, and the manifold counts, from some share on.

        Returns:
            (5,) float32: loss_g, loss_d, d_real, d_fake, penalty; and the generated batch, detached,
            (N * fakes_per_real, C, H, W).
        """
        self._set_learning_rates(progress)
        self.generator.train()  # `generator_to_show` leaves it in eval mode where nothing is averaged
        if self.matching is not None and not self.matching.has_begun:
            self._begin_matching()
        z = self.draw_z(len(real) * self.config.fakes_per_real)
        with self._autocast():
            fake = self._g(z)

        loss_d, d_real, d_fake, penalty = self._update_discriminator(real, fake.detach(), step)
        lead = self.config.d_lead_steps
        loss_g = self._update_generator(real, fake, learns=step >= lead, progress=progress)

        self._update_ema((step + 1 - lead) * self.config.batch_size)
        stats = torch.stack([loss_g, loss_d, d_real, d_fake, penalty]).detach().float()
        return stats, fake.detach()

    def begin_step(self, step: int) -> None:
        """Seed torch's generator for this step: call before anything of the step is random."""
        entropy = np.random.SeedSequence((self.config.seed, step, self.rank, self.rollbacks))
        seed = int(entropy.generate_state(1, np.uint64)[0])
        if self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:  # which writes the stack down for each kind of device that is not there
            torch.manual_seed(seed)

    def draw_z(self, n: int) -> Tensor:
        """z: (n, z_dim) float32, distributed as the config says."""
        z = torch.randn if self.config.z_distribution == "normal" else lambda *s, **k: torch.rand(*s, **k) * 2 - 1
        return z(n, self.config.z_dim, device=self.device)

    @torch.no_grad()
    def generator_to_show(self, images_seen: int) -> Generator:
        """`ema` in eval mode, its batch-norm statistics measured anew on fixed latents.

        The statistics of the generator in training do not fit averaged weights: they tint every picture.

        Args:
            images_seen: real pictures seen so far, which decides how many latents are worth their time.
        """
        self.ema.eval()
        if self.ema is self.generator:
            return self.ema
        norms = [module for module in self.ema.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches that follow
            norm.train()
        fewest, most = _STATISTICS_LATENTS
        n = min(most, max(fewest, images_seen // _IMAGES_PER_LATENT))
        n = 1 << (n.bit_length() - 1)  # a power of 2: the most even
        with self._autocast():
            for z in even_latents(self.config, n).split(_STATISTICS_BATCH):
                self.ema(z.to(self.device))
        return self.ema.eval()

    def gradient_norms(self) -> tuple[float, float]:
        """Norms of G's and D's gradients in the last step."""
        return tuple(
            nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None]).item()
            for network in (self.generator, self.discriminator)
        )

    def state(self) -> dict:
        """Everything that decides the next step, for a checkpoint."""
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not self.generator else {},
            "g_optimizer": self.g_optimizer.state_dict(),
            "d_optimizer": self.d_optimizer.state_dict(),
            "rollbacks": self.rollbacks,
            "matching": self.matching.state() if self.matching is not None else {},
        }

    def load_state(self, state: dict) -> None:
        """The reverse of `state`."""
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self.ema is not self.generator:
            self.ema.load_state_dict(state["ema"])
        self.g_optimizer.load_state_dict(state["g_optimizer"])
        self.d_optimizer.load_state_dict(state["d_optimizer"])
        self.rollbacks = state["rollbacks"]
        if self.matching is not None:
            self.matching.load_state(state["matching"])

    def is_finite(self) -> bool:
        """Whether every weight of both networks is a number."""
        parameters = [*self.generator.parameters(), *self.discriminator.parameters()]
        return bool(torch.stack([p.detach().isfinite().all() for p in parameters]).all())

    def _update_discriminator(self, real: Tensor, fake: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        config = self.config
        real, fake = (augment(images, config.d_augment) for images in (real, fake))
        with self._autocast():
            if config.d_norm == "batch" or config.d_minibatch_stddev:
                # apart, so that what looks at the whole batch sees each kind by itself (ganhacks 4)
                real_logits, fake_logits = self._d(real), self._d(fake)
            else:
                real_logits, fake_logits = self._d(torch.cat([real, fake])).split([len(real), len(fake)])
        loss = self.loss.discriminator(real_logits, fake_logits)
        penalty = torch.zeros((), device=self.device)
        if step % config.penalty_interval == 0:
            for gamma, images in ((config.r1_gamma, real), (config.r2_gamma, fake)):
                if gamma:
                    weight = gamma / 2 * config.penalty_interval
                    penalty = penalty + weight * gradient_penalty(self.discriminator, images)
        self.d_optimizer.zero_grad()
        (loss + penalty).backward()
        self.d_optimizer.step()
        return loss, real_logits.sigmoid().mean(), fake_logits.sigmoid().mean(), penalty

    def _update_generator(self, real: Tensor, fake: Tensor, learns: bool, progress: float) -> Tensor:
        self.discriminator.requires_grad_(False)  # its gradients would be thrown away
        matched = self.matching(fake, progress) if self.matching is not None else 0.0
        fake = augment(fake, self.config.d_augment)
        if self.loss.uses_real_in_generator:
            real = augment(real, self.config.d_augment)
        with self._autocast():
            fake_logits = self.discriminator(fake)
            real_logits = self.discriminator(real) if self.loss.uses_real_in_generator else fake_logits
        loss = self.loss.generator(real_logits, fake_logits)
        self.g_optimizer.zero_grad()
        (loss + matched).backward()
        if learns:
            self.g_optimizer.step()
        self.discriminator.requires_grad_(True)
        return loss

    @torch.no_grad()
    def _begin_matching(self) -> None:
        n = FIRST_IMAGES // self.world_size
        batches = (z for z in self.draw_z(n).split(self.config.batch_size) if len(z) > 1)  # batch norm needs two
        with self._autocast():
            self.matching.begin(self.generator(z) for z in batches)

    @torch.no_grad()
    def _update_ema(self, images_seen: int) -> None:
        if self.ema is self.generator or images_seen <= 0:
            return
        config = self.config
        half_life = min(config.ema_half_life_images, config.ema_ramp_up * images_seen) or 1e-9
        keep = 0.5 ** (config.batch_size / half_life)  # Karras et al. 2020, StyleGAN2-ADA
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.generator.parameters()), 1 - keep)

    def _set_learning_rates(self, progress: float) -> None:
        start = self.config.lr_decay_start
        factor = 1.0 if progress <= start else (1 - progress) / (1 - start)
        config = self.config
        for optimizer, lr, base_lr in (
            (self.g_optimizer, config.g_lr, config.g_base_lr or config.g_lr),
            (self.d_optimizer, config.d_lr, config.d_base_lr or config.d_lr),
        ):
            rates = (lr, base_lr) if config.grown_channels else (lr,)  # as `grown_parameters` gives them
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def _autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


def _build(network: nn.Module, device: torch.device) -> nn.Module:
    initialise(network)
    return network.to(device, memory_format=torch.channels_last)
