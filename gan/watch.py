"""What goes wrong in a GAN's training, noticed from the numbers of its history."""

from __future__ import annotations

PATIENCE = 5  # rows in a row, so that one odd batch raises no alarm


class Watch:
    """Turns history rows into events: collapse, and a discriminator that no longer teaches.

    Each event is raised once, and again only after the trouble has passed in between.
    """

    def __init__(self) -> None:
        self._peak = 0.0
        self._rows: dict[str, int] = {}  # consecutive rows of each trouble; -1 once it was raised

    def check(self, row: dict[str, float]) -> list[str]:
        """Events, in words, that this history row completes.

        Args:
            row: of `gan.run.HISTORY_COLUMNS`: diversity, d_real, d_fake.
        """
        self._peak = max(self._peak, row["diversity"])
        troubles = {
            # Relative to the run's own best: an untrained generator is uniform too, and no collapse.
            f"collapse: generated pictures differ only {row['diversity']:.0%} as much as real ones": (
                self._peak > 0.3 and row["diversity"] < 0.4 * self._peak
            ),
            f"dead discriminator: it scores real and generated alike, D(x) = {row['d_real']:.2f}": (
                abs(row["d_real"] - row["d_fake"]) < 0.005
            ),
            f"discriminator too strong: D(G(z)) = {row['d_fake']:.4f} leaves the generator no gradient": (
                row["d_fake"] < 0.001
            ),
        }
        return [text for text, present in troubles.items() if self._raised(text.split(":")[0], present)]

    def state(self) -> dict:
        """For a checkpoint."""
        return {"peak": self._peak, "rows": dict(self._rows)}

    def load_state(self, state: dict) -> None:
        """The reverse of `state`."""
        self._peak, self._rows = state["peak"], dict(state["rows"])

    def _raised(self, trouble: str, present: bool) -> bool:
        count = self._rows.get(trouble, 0)
        if not present:
            self._rows[trouble] = 0
            return False
        if count < 0:
            return False
        self._rows[trouble] = -1 if count + 1 == PATIENCE else count + 1
        return count + 1 == PATIENCE
