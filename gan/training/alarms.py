"""What goes wrong in a GAN's training, noticed from the numbers of its history."""

from __future__ import annotations

import torch
from torch import Tensor

from gan.config import GANConfig
from gan.losses import loss_of

PATIENCE = 5  # log intervals: a lull at the beginning, when rows come thick and fast for the replay, is no alarm
_SHARE = 0.01  # of the way from guessing to never erring: nearer than that to either end nothing is taught
_ALIKE = 0.005  # between the mean scores of real and generated pictures


class Watch:
    """Turns history rows into events: collapse, and a discriminator that no longer teaches.

    The discriminator is judged by the loss that it is trained with: sigmoids of a hinge loss's scores lie near 0.5
    when all is well, and those of a relativistic one may lie anywhere. Each event is raised once, and again only after
    the trouble has passed in between.

    Args:
        config: of the training.
    """

    def __init__(self, config: GANConfig) -> None:
        loss = loss_of(config.loss, config.real_label)
        self._guessing = loss.guessing
        margin = _SHARE * (loss.guessing - loss.perfect)
        self._dead, self._strong = loss.guessing - margin, loss.perfect + margin
        self._patience = PATIENCE * config.log_interval * config.batch_size  # pictures
        self._peak = 0.0
        self._before: int | None = None  # images seen at the row before
        self._since: dict[str, int | None] = {}  # of each trouble, the images seen before it; None once it was raised

    def check(self, row: dict[str, float]) -> list[str]:
        """Events, in words, that this history row completes.

        Args:
            row: of `gan.history.HISTORY_COLUMNS`: images_seen, diversity, loss_d, d_real, d_fake.
        """
        self._peak = max(self._peak, row["diversity"])
        troubles = {
            # Relative to the run's own best: an untrained generator is uniform too, and no collapse.
            "collapse": (
                self._peak > 0.3 and row["diversity"] < 0.4 * self._peak,
                f"generated pictures differ only {row['diversity']:.0%} as much as real ones",
            ),
            "dead discriminator": (
                row["loss_d"] > self._dead and abs(row["d_real"] - row["d_fake"]) < _ALIKE,
                f"it scores real and generated alike, and its loss of {row['loss_d']:.2f} is no better than the "
                f"{self._guessing:.2f} of guessing",
            ),
            "discriminator too strong": (
                row["loss_d"] < self._strong,
                f"it hardly errs, with a loss of {row['loss_d']:.4f} where guessing is {self._guessing:.2f}, and has "
                "nothing left to learn or to teach",
            ),
        }
        found = [f"{name}: {words}" for name, (present, words) in troubles.items() if self._raised(name, present, row)]
        self._before = row["images_seen"]
        return found

    def state(self) -> dict:
        """For a checkpoint."""
        return {"peak": self._peak, "before": self._before, "since": dict(self._since)}

    def load_state(self, state: dict) -> None:
        """The reverse of `state`."""
        self._peak = state["peak"]
        # Older checkpoints counted rows: their troubles begin anew.
        self._before, self._since = state.get("before"), dict(state.get("since", {}))

    def _raised(self, trouble: str, present: bool, row: dict[str, float]) -> bool:
        if not present:
            self._since.pop(trouble, None)
            return False
        since = self._since.setdefault(trouble, row["images_seen"] if self._before is None else self._before)
        if since is None or row["images_seen"] - since < self._patience:
            return False
        self._since[trouble] = None
        return True


def pairwise_distance(images: Tensor, most: int = 64) -> float:
    """Mean Euclidean distance between different pictures of a batch.

    Args:
        images: (N, C, H, W), N at least 2; only the first `most` are compared.
    """
    flat = images[:most].float().flatten(1)
    return (torch.cdist(flat, flat).sum() / (len(flat) * (len(flat) - 1))).item()
