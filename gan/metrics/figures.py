"""What the yardstick's figures are called and how they are written, for every table that shows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure of the results that `gan.metrics.judge.Judge` returns.

    Attributes:
        key: in a result's "generated" and "real".
        name: in full.
        heading: short, where several stand side by side.
        template: of `str.format`, for its value.
        better: "lower", "higher", or what it should be like.
    """

    key: str
    name: str
    heading: str
    template: str
    better: str

    def text(self, figures: dict) -> str:
        """Its value as it is written; "" where it was not measured."""
        return self.template.format(figures[self.key]) if self.key in figures else ""


FRECHET = Figure("frechet_distance", "Fréchet distance", "Fréchet", "{:.3f}", "lower")
FINEST = Figure("sliced_wasserstein_finest", "... of the finest Laplacian level", "finest", "{:.2f}", "lower")
FIGURES = (
    FRECHET,
    Figure("kernel_distance", "Kernel distance", "kernel", "{:.4f}", "lower"),
    Figure("precision", "Precision", "precision", "{:.3f}", "higher"),
    Figure("recall", "Recall", "recall", "{:.3f}", "higher"),
    Figure("sliced_wasserstein", "Sliced Wasserstein distance x 1000", "SWD", "{:.2f}", "lower"),
    FINEST,
    Figure("ms_ssim", "MS-SSIM between pictures", "MS-SSIM", "{:.3f}", "as real"),
    Figure("sure_share", "Classifier more than 90 % sure", "sure", "{:.1%}", "as real"),
    Figure("digit_entropy", "Entropy of the ten digits, bits", "entropy", "{:.3f}", "3.322"),
)
