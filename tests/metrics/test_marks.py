"""Where the critic's marks of a model's own pictures and of real ones lie, and for which weights they are known."""

from __future__ import annotations

import json

import torch

from gan.metrics.marks import STEPS, known_marks, marks
from gan.sampling import sample
from gan.weights import load_discriminator, load_generator, weights_hash


def test_marks_are_quantiles_of_the_critics_and_known_only_for_the_weights_that_are_there(run_copy):
    critic, pictures = load_discriminator(run_copy), sample(load_generator(run_copy), seed=3, n=40)
    found = marks(critic, pictures)
    with torch.inference_mode():
        each = torch.sigmoid(critic(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1)).flatten()
    assert len(found) == STEPS + 1 and found == sorted(found)
    assert abs(found[0] - each.min()) < 1e-3 and abs(found[STEPS // 2] - each.quantile(0.5)) < 1e-3

    held = weights_hash(run_copy)

    def keep(size="16", weights=held, **kept):
        content = {"format_version": 1, "results": {size: {"weights": weights, "protocol": {}} | kept}}
        (run_copy / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
        return known_marks(run_copy)

    both = {"generated": found, "real": found}
    assert keep(marks=both) == both
    assert not keep() and not keep(size="12", marks=both) and not keep(weights="0" * 12, marks=both)
    assert not keep(marks={"generated": [float("nan")] * len(found), "real": found})
    assert not keep(marks={"generated": found}) and not keep(marks={"generated": found, "real": ["x"]})
