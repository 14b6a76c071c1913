"""train.py as `test_distributed` starts it under torchrun; after it whole, stopped and resumed runs, checked on every
rank: its processes take as long to begin as all of them."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import torch
import torch.distributed as dist

import train as command
from gan.config import GANConfig
from gan.data.batches import make_batch
from gan.data.drawn import draw_faces
from gan.training import loop
from gan.training.distributed import any_rank, from_rank_zero, mean_over_ranks
from gan.training.matching import FeatureMatching, View
from gan.training.step import Trainer

CPU = torch.device("cpu")
CONFIG = GANConfig(
    image_size=16, z_dim=8, base_channels=4, g_multipliers=(2, 1), g_strides=(2, 2), d_multipliers=(1, 2),
    d_strides=(2, 2), d_norm="none", r1_gamma=1.0, r2_gamma=1.0, penalty_interval=3, g_dropout=0.2, d_dropout=0.2,
    ema_half_life_images=50, batch_size=8, epochs=3, log_interval=4, g_lr=1e-4, d_lr=2e-3,
)  # fmt: skip


def on_all_ranks(tensor: torch.Tensor) -> list[torch.Tensor]:
    gathered = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, tensor.contiguous())
    return gathered


def flat(parameters) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in parameters])


def check_collectives(rank: int) -> dict:
    state = {"tensor": torch.arange(3) if rank == 0 else None, "text": "rank 0" if rank == 0 else "rank 1"}
    received = from_rank_zero(state, CPU)
    return {
        "any": [any_rank(rank == 1, CPU), any_rank(False, CPU)],
        "mean": mean_over_ranks(torch.tensor([float(rank), 4.0])).tolist(),
        "received": [received["tensor"].tolist(), received["text"]],
    }


def check_steps(rank: int, world_size: int) -> dict:
    """Five steps on the two halves of the same batches."""
    images = draw_faces(16, 16, 3)[0]
    trainer = Trainer(CONFIG, CPU, rank=rank, world_size=world_size)
    latents, equal = [], []
    for step in range(5):
        trainer.begin_step(step)
        latents.append(trainer.draw_z(4))
        trainer.begin_step(step)
        trainer.step(make_batch(images, range(rank * 4, rank * 4 + 4), device=CPU, flip=False), step, 0.0)
        for network in (trainer.generator, trainer.discriminator, trainer.ema):
            ours = flat(network.parameters())
            equal.append(all(torch.equal(ours, other) for other in on_all_ranks(ours)))
    zs = on_all_ranks(torch.stack(latents))
    return {"equal": equal, "latents differ": not torch.equal(zs[0], zs[1])}


def check_gradient(rank: int, world_size: int) -> dict:
    """D's gradient of a batch shared by the ranks is that of the whole batch, penalties included."""
    images = draw_faces(8, 16, 3)[0]
    config = CONFIG.replace(g_dropout=0.0, d_dropout=0.0)
    z = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))

    def gradient(real, z, **options):
        trainer = Trainer(config, CPU, **options)
        trainer.generator.eval().train = lambda: None  # for good: batch norm would see half a batch
        trainer.draw_z = lambda n: z
        gradients = []
        trainer.d_optimizer.register_step_pre_hook(
            lambda *_: gradients.append(torch.cat([p.grad.flatten() for p in trainer.discriminator.parameters()]))
        )
        trainer.step(make_batch(images, real, device=CPU, flip=False), 0, 0.0)
        return gradients[0]

    half = slice(rank * 4, rank * 4 + 4)
    shared = gradient(range(8)[half], z[half], rank=rank, world_size=world_size)
    whole = gradient(range(8), z)
    return {"gradient error": ((shared - whole).norm() / whole.norm()).item()}


def check_matching(rank: int, world_size: int) -> dict:
    """Both ranks know the same features, and the gradients of their halves make that of the whole batch."""
    random = torch.Generator().manual_seed(0)
    mix, fake = torch.randn(3 * 16 * 16, 6, generator=random) / 30, torch.randn(64, 3, 16, 16, generator=random)
    half = fake[rank * 32 : rank * 32 + 32]
    config = CONFIG.replace(frechet_weight=1.0, manifold_weight=1.0)

    def gradients(first, batch):
        matching = FeatureMatching(config, classifier=View(lambda images: (images.flatten(1) @ mix,), 16))
        matching.aim_at("classifier", draw_faces(40, 16, 3)[0])
        torch.manual_seed(1)  # the same shifts on all ranks
        matching.begin([first])
        found = []
        for _ in range(10):  # over a renewal of the transport
            images = batch.clone().requires_grad_()
            matching(images, 1.0).backward()
            found.append(images.grad)
        return torch.stack(found), matching.state()["frechet"]["square"]

    own, square = gradients(half, half)
    both = on_all_ranks(own)
    distributed = dist.is_initialized
    dist.is_initialized = lambda: False
    try:
        alone, whole = gradients(fake, fake)
    finally:
        dist.is_initialized = distributed
    shared = torch.cat(both, dim=1) / world_size
    return {
        "matching error": ((shared - alone).norm() / alone.norm()).item(),
        "moments error": ((square - whole).norm() / whole.norm()).item(),
        "moments equal": all(torch.equal(square, other) for other in on_all_ranks(square)),
    }


def check_runs(rank: int, world_size: int, folder: Path) -> dict:
    """A run that nobody disturbs, and one that rank 1 alone is told to stop, between two history rows."""
    images = draw_faces(44, 16, 3)[0]

    def go(out, **options):
        return loop.train(
            CONFIG, images, folder / out, data="drawn", device="cpu", precision="fp32", progress=False, rank=rank,
            world_size=world_size, **options,
        ).reason  # fmt: skip

    losses, step = [], Trainer.step

    def recorded(*arguments, **options):
        result = step(*arguments, **options)
        losses.append(result[0][1].item())
        return result

    Trainer.step = recorded
    reasons = [go("whole")]
    Trainer.step = step
    calls = []

    def make(*arguments, **options):
        calls.append(None)
        if len(calls) == 7 and rank == 1:
            signal.raise_signal(signal.SIGTERM)
        return make_batch(*arguments, **options)

    loop.make_batch = make
    reasons += [go("parts"), go("parts", resume=True)]
    return {"reasons": reasons, "steps": len(calls), "losses": losses}


def check(rank: int, world_size: int, folder: Path) -> None:
    report = {"rank": rank, "world_size": world_size}
    report |= check_collectives(rank)
    report |= check_steps(rank, world_size)
    report |= check_gradient(rank, world_size)
    report |= check_matching(rank, world_size)
    report |= check_runs(rank, world_size, folder)
    (folder / f"rank{rank}.json").write_text(json.dumps(report), encoding="utf-8")


def main(folder: Path, arguments: list[str]) -> int:
    """The command with these arguments; the checks come in its process group, once it has trained."""
    torch.set_num_threads(1)
    train = command.train

    def train_and_check(*given, **options):
        outcome = train(*given, **options)
        check(options["rank"], options["world_size"], folder)
        return outcome

    command.train = train_and_check
    return command.main(arguments)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
