"""metrics.json: figures are kept by size, and only beside the weights that they are of."""

from __future__ import annotations

import pytest

from gan import run
from gan.metrics.results import MetricError, read_metrics, save_metrics
from gan.weights import weights_hash


def result_of(folder, size, value=1.0):
    return {"weights": weights_hash(folder), "protocol": {"size": size}, "generated": {"frechet_distance": value}}


def test_results_are_kept_by_size_and_dropped_with_their_weights(tmp_path):
    (tmp_path / run.MODEL_FILE).write_bytes(b"first weights")
    assert read_metrics(tmp_path) == {}
    save_metrics(tmp_path, result_of(tmp_path, 28))
    save_metrics(tmp_path, result_of(tmp_path, 64))
    save_metrics(tmp_path, result_of(tmp_path, 28, value=2.0))
    kept = read_metrics(tmp_path)
    assert list(kept) == ["64", "28"] and kept["28"]["generated"]["frechet_distance"] == 2.0
    (tmp_path / run.MODEL_FILE).write_bytes(b"second weights")
    save_metrics(tmp_path, result_of(tmp_path, 32))
    assert list(read_metrics(tmp_path)) == ["32"]


def test_results_of_other_weights_delete_none(tmp_path):
    """Of best.safetensors, or of a training that went on meanwhile."""
    (tmp_path / run.MODEL_FILE).write_bytes(b"first weights")
    save_metrics(tmp_path, result_of(tmp_path, 28))
    before = (tmp_path / "metrics.json").read_bytes()
    with pytest.raises(MetricError, match=r"metrics\.json is left as it was: .* weights 0123456789ab, and model\.safe"):
        save_metrics(tmp_path, result_of(tmp_path, 28) | {"weights": "0123456789ab"})
    assert (tmp_path / "metrics.json").read_bytes() == before


@pytest.mark.parametrize("text", ["{", "[]", '{"format_version": 1}', '{"format_version": 99, "results": {}}'])
def test_damaged_results_are_told(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text, encoding="utf-8")
    with pytest.raises(MetricError, match=r"metrics\.json (is damaged|has format 99)"):
        read_metrics(tmp_path)
