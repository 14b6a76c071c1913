"""metrics.json: the figures of a model folder, by the size that they were measured at."""

from __future__ import annotations

import json
from pathlib import Path

from gan import run
from gan.errors import GanError
from gan.files import MOST_JSON_BYTES, parse_json, read_inside, write_text
from gan.metrics.figures import FIGURES, FRECHET
from gan.weights import weights_hash

FORMAT_VERSION = 1


class MetricError(GanError, ValueError):
    """Figures that cannot be measured; the message says what was given, what was expected, and what to do."""


def read_metrics(folder: str | Path) -> dict[str, dict]:
    """The results of metrics.json by judged size ("64"), the model's own size first; {} where there is no such file.

    Raises:
        MetricError: a damaged file, or a newer format.
    """
    path = Path(folder) / run.METRICS_FILE
    try:
        content = parse_json(read_inside(folder, run.METRICS_FILE, MOST_JSON_BYTES))
        if content["format_version"] > FORMAT_VERSION:
            raise MetricError(f"{path} has format {content['format_version']}: update the code to read it")
        results = {str(int(size)): _result(found) for size, found in content["results"].items()}
        return dict(sorted(results.items(), key=lambda item: -int(item[0])))
    except FileNotFoundError:
        return {}
    except MetricError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{path} is damaged ({type(error).__name__})"
        raise MetricError(f"{reason}: delete it, and measure again with --save") from error


def main_result(results: dict[str, dict]) -> dict | None:
    """The one that a model is known by: of the largest size that its classifier sees; None where there is none."""
    known = [result for result in results.values() if FRECHET.key in result["generated"]]
    return next(iter(known or results.values()), None)


def _result(found: dict) -> dict:
    """A result of metrics.json; raises TypeError or AttributeError for one whose parts are of other kinds."""
    for figures in (found.get("generated", {}), found.get("real", {})):
        for figure in FIGURES:
            if figure.key in figures and type(figures[figure.key]) not in (int, float):
                raise TypeError(f"{figure.key} is no number")
    if not isinstance(found["weights"], str):
        raise TypeError("weights is no text")
    return found


def save_metrics(folder: str | Path, result: dict) -> None:
    """Keep a result in metrics.json, beside those of other sizes; those of other weights are dropped.

    Raises:
        MetricError: a result of other weights than model.safetensors holds, which are what the file tells of; a
            damaged file, or a newer format.
        gan.run.RunError: the folder holds no weights.
    """
    if result["weights"] != (held := weights_hash(folder)):
        raise MetricError(
            f"{Path(folder) / run.METRICS_FILE} is left as it was: the figures are of the weights {result['weights']}, "
            f"and {run.MODEL_FILE} now holds {held}; measure again when its training has ended"
        )
    results = {size: kept for size, kept in read_metrics(folder).items() if kept["weights"] == held} | {
        str(result["protocol"]["size"]): result
    }
    content = {"format_version": FORMAT_VERSION, "results": results}
    write_text(Path(folder) / run.METRICS_FILE, json.dumps(content, indent=1) + "\n")
