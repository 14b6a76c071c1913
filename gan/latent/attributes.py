"""Named attributes: for each of them the direction in z that changes it, and the others as little as it can.

It begins with a linear boundary: the attribute's logit is fitted by ridge regression on z over generated pictures, and
the slopes of all others are projected out of its slope, as far as that is cheap (InterFaceGAN with conditional
projection, Shen et al. 2020, arXiv:1907.10786). A straight line that is right on average leaves the faces at its ends,
so the direction is then improved through the generator and the classifier: pictures a step ahead should have the
attribute, pictures a step back should not, and nothing else should differ (GANalyze, Goetschalckx et al. 2019,
arXiv:1906.10112; Jahanian et al. 2020, arXiv:1907.07171). What does not pass on other faces, as a second classifier
sees them, is not shown: a direction may please the one that it was found with, and nobody else.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gan.metrics.classifier import Classifier
from gan.models import Generator
from gan.sampling import latents

log = logging.getLogger(__name__)

# Sliders of faces, in their order on the page: name, CelebA's label, and whether more of the slider is less of it.
# No judgements (attractive, big, chubby ...).
FACES = (
    ("Smile", "Smiling", False),
    ("Open mouth", "Mouth_Slightly_Open", False),
    ("Woman to man", "Male", False),
    ("Age", "Young", True),
    ("Glasses", "Eyeglasses", False),
    ("Beard", "No_Beard", True),
    ("Make-up", "Heavy_Makeup", False),
    ("Hat", "Wearing_Hat", False),
    ("Blond hair", "Blond_Hair", False),
    ("Brown hair", "Brown_Hair", False),
    ("Black hair", "Black_Hair", False),
    ("Gray hair", "Gray_Hair", False),
    ("Bangs", "Bangs", False),
    ("Wavy hair", "Wavy_Hair", False),
    ("Receding hairline", "Receding_Hairline", False),
    ("Pale skin", "Pale_Skin", False),
)
FITTED = 3072  # seeds from 0 on, that directions are found with
HELD_OUT = 4096  # seeds after them, that directions are measured on
MIDDLE = (0.25, 0.75)  # probabilities of a face that starts in the middle, and what a slider must lead beyond
_MEASURED = 96  # faces from the middle, at most
_LEAST = 16  # faces from the middle: fewer tell nothing
_WIDER = 4  # times as many seeds are looked at where fewer start in the middle of a label
_RIDGE = 1e-3
_CLIPPED = 3.0  # logits beyond it are sure: how sure is no matter of the attribute's look
_UNTANGLED = 0.3  # how much the others' slopes count; without end, they would be projected out altogether
_LENGTH = 0.3  # of a step, where z has 1: a third longer, and some faces break
_STEPS, _HALF_BATCH, _RATE = 30, 8, 0.05  # Adam's; its rate is in standard deviations of z
_SIDE = 0.3  # weight of the squared change of other probabilities


@dataclass(frozen=True)
class Effect:
    """What a slider does to faces that start in the middle, as the judge sees them.

    Attributes:
        low, middle, high: mean probability of its own attribute at the lower end, in the middle, at the upper end.
        side: the other label that it moves most.
        side_change: mean change of that one's probability from the lower to the upper end.
        faces: how many were measured.
    """

    low: float
    middle: float
    high: float
    side: str
    side_change: float
    faces: int

    @property
    def passes(self) -> bool:
        """Whether the slider crosses the middle, and moves its own attribute more than any other."""
        return self.low < MIDDLE[0] and self.high > MIDDLE[1] and self.high - self.low > abs(self.side_change)


@dataclass(frozen=True)
class Attribute:
    """A slider that passed: its name, what its upper end adds to z (z_dim,), and what it does."""

    name: str
    step: Tensor
    effect: Effect


@dataclass(frozen=True)
class _Pool:
    """Generated pictures as the classifier sees them: the first are to learn from, the others to measure on.

    Attributes:
        z: (N, z_dim).
        logits, probabilities: (N, K).
        fitted: how many of them are to learn from.
        slopes: (z_dim, K), of the log odds along z, learned from those.
    """

    z: Tensor
    logits: Tensor
    probabilities: Tensor
    fitted: int
    slopes: Tensor

    def middle(self, own: int) -> tuple[Tensor, Tensor]:
        """Rows to learn from and rows to measure on that start in the middle of a label, the nearest to it first."""
        distance = (self.probabilities[:, own] - 0.5).abs()
        order = distance.argsort(stable=True)
        rows = order[distance[order] <= MIDDLE[1] - 0.5]
        return rows[rows < self.fitted], rows[rows >= self.fitted]


def find_attributes(generator: Generator, classifier: Classifier, judge: Classifier) -> list[Attribute]:
    """The sliders that work on this generator, in the order of `FACES`, or of the labels for digits.

    A label that too few pictures start in the middle of is looked for among `_WIDER` times as many seeds.

    Args:
        generator: in eval mode, folded, on the CPU.
        classifier: that knows such pictures; finds.
        judge: another one, of the same labels; measures.
    """

    @cache
    def look(times: int) -> _Pool:
        return _draw(generator, classifier, times * FITTED, times * HELD_OUT)

    wanted = [(f"Digit {label}", label, False) for label in classifier.labels] if classifier.exclusive else FACES
    found = []
    for name, label, reverse in wanted:
        own = classifier.labels.index(label)
        for times in (1, _WIDER):
            pool = look(times)
            fitted, held_out = pool.middle(own)
            near = min(len(fitted), len(held_out))
            if near >= _LEAST or near * _WIDER < _LEAST:  # enough, or so few that looking further would not help
                break
        if near < _LEAST:
            log.info("%s: left out, too few of %d pictures are near it", name, len(pool.z))
            continue
        step = _linear(pool.slopes, own)
        step *= _LENGTH * pool.z.norm(dim=1).mean() / step.norm()
        step = _improve(generator, classifier, step, own, pool.z[: pool.fitted], pool.logits[: pool.fitted], fitted)
        faces = pool.z[held_out[:_MEASURED]]
        effect = _measure(generator, judge, -step if reverse else step, judge.labels.index(label), reverse, faces)
        log.info("%s: %.2f %.2f %.2f", name, effect.low, effect.middle, effect.high)
        if effect.passes:
            found.append(Attribute(name, -step if reverse else step, effect))
    return found


def _draw(generator: Generator, classifier: Classifier, fitted: int, held_out: int) -> _Pool:
    z = latents(generator.config, range(fitted + held_out))
    logits = _logits(generator, classifier, z)
    odds = _log_odds(classifier, logits[:fitted]).clamp(-_CLIPPED, _CLIPPED)
    return _Pool(z, logits, classifier.to_probabilities(logits), fitted, _slopes(z[:fitted], odds))


def _linear(slopes: Tensor, own: int) -> Tensor:
    """argmin |d|^2 + untangled * sum over others (slope . d)^2 for a given slope_own . d, up to its length."""
    others = torch.cat([slopes[:, :own], slopes[:, own + 1 :]], dim=1)
    return torch.linalg.solve(torch.eye(len(slopes)) + _UNTANGLED * others @ others.T, slopes[:, own])


def _improve(
    generator: Generator,
    classifier: Classifier,
    step: Tensor,
    own: int,
    z: Tensor,
    logits: Tensor,
    middle: Tensor,
) -> Tensor:
    """Turn the step so that its ends have and do not have the attribute, and all else stays; its length stays too.

    Args:
        step: (z_dim,), where to begin.
        own: index of the attribute.
        z, logits: (N, z_dim) and (N, K), pictures to learn from.
        middle: rows of them that start in the middle; they are half of each batch.
    """
    random = torch.Generator().manual_seed(own)
    length = step.norm()
    before = classifier.to_probabilities(logits)
    step = step.clone().requires_grad_(True)
    adam = torch.optim.Adam([step], lr=_RATE * z.std().item())
    others = torch.arange(before.shape[1]) != own
    for _ in range(_STEPS):
        rows = torch.cat(
            [
                middle[torch.randint(len(middle), (_HALF_BATCH,), generator=random)],
                torch.randint(len(z), (_HALF_BATCH,), generator=random),
            ]
        )
        moved = classifier(generator(torch.cat([z[rows] + step, z[rows] - step])))
        ahead, back = _log_odds(classifier, moved)[:, own].chunk(2)
        change = classifier.to_probabilities(moved)[:, others] - before[rows][:, others].repeat(2, 1)
        loss = (softplus(-ahead) + softplus(back)).mean() / 2 + _SIDE * change.square().sum(dim=1).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            step *= length / step.norm()
    return step.detach()


def _measure(generator: Generator, classifier: Classifier, step: Tensor, own: int, reverse: bool, z: Tensor) -> Effect:
    low, middle, high = (
        classifier.to_probabilities(_logits(generator, classifier, z + end * step)).mean(dim=0) for end in (-1, 0, 1)
    )
    change = high - low
    change[own] = 0
    side = int(change.abs().argmax())
    of_own = [float(1 - p[own] if reverse else p[own]) for p in (low, middle, high)]
    return Effect(*of_own, classifier.labels[side], float(change[side]), len(z))


def _slopes(z: Tensor, targets: Tensor) -> Tensor:
    """(z_dim, K): ridge regression of targets (N, K) on z (N, z_dim)."""
    z, targets = z - z.mean(dim=0), targets - targets.mean(dim=0)
    return torch.linalg.solve(z.T @ z + _RIDGE * len(z) * torch.eye(z.shape[1]), z.T @ targets)


def _log_odds(classifier: Classifier, logits: Tensor) -> Tensor:
    """(N, K): log p / (1 - p) of each label."""
    if not classifier.exclusive:
        return logits
    own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    return logits - logits[:, None, :].masked_fill(own, -torch.inf).logsumexp(dim=2)


@torch.inference_mode()
def _logits(generator: Generator, classifier: Classifier, z: Tensor) -> Tensor:
    return torch.cat([classifier(generator(part)) for part in z.split(64)])
