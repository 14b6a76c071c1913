"""`python -m gan metrics FOLDER... --data SOURCE...`"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gan import run
from gan.files import atomic_path, write_text
from gan.machine import pick_device
from gan.metrics.classifier import TASKS
from gan.metrics.figures import FIGURES, Figure
from gan.metrics.judge import IMAGES, Judge, known_classifier
from gan.metrics.results import MetricError, save_metrics

log = logging.getLogger(__name__)

FIRST_SEED = 500_000  # the monitor, the sliders and the recipes were chosen on the first few thousand

ABOUT = (
    "Judge model folders by real pictures. Distances: lower is better; precision, recall: higher; "
    "MS-SSIM between generated pictures: lower is more varied. Compare with real against real."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add = parser.add_argument
    add("folders", nargs="+", metavar="FOLDER", help="model folders")
    add("--data", nargs="+", required=True, metavar="SOURCE", help="real pictures, as for train.py")
    add("--data-root", default="data", metavar="DIR", help="where mnist and celeba are (default: data)")
    add("--partition", metavar="FILE", help="CelebA's list_eval_partition.txt (default: beside the pictures)")
    add("--images", type=int, help=f"pictures on each side (default: {IMAGES:,}, or as many as are held out)")
    sizes = "judge at this size, or these (default: the model's, as far as the classifier sees)"
    add("--size", type=int, nargs="+", metavar="PX", help=sizes)
    first = "the first seed generated; decides the real pictures too (default: %(default)s: others chose the model)"
    add("--seed", type=int, default=FIRST_SEED, help=first)
    whose = "whose features (default: auto, by what --data is, or else the models' own pictures)"
    add("--classifier", choices=("auto", *TASKS, "none"), default="auto", help=whose)
    add("--best", action="store_true", help="judge best.safetensors, the best in training, not the last")
    add("--fid", action="store_true", help="the Inception FID too, where torchmetrics and its weights are at hand")
    nearest = "distances to the nearest training pictures; with a name, a sheet that shows them (do not publish it)"
    add("--neighbours", nargs="?", const="", metavar="OUT.webp", help=nearest)
    add("--save", action="store_true", help="keep the figures in FOLDER/metrics.json, for the card and the table")
    add("--json", metavar="PATH", help="write the results as JSON; - prints them instead of the table")
    add("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")


def execute(options: argparse.Namespace) -> int:
    """Measure, print, and keep what was measured where that is wanted; returns the exit status."""
    if options.best and options.save:
        options.refuse(
            f"--save keeps the figures of {run.MODEL_FILE}, which card and table show: give --best with --json"
        )
    if options.neighbours and len(options.folders) > 1:
        options.refuse("--neighbours OUT.webp is for one FOLDER: leave the name out, or give one folder")
    results, unsaved = _measure(options)
    if options.json == "-":
        print(json.dumps(results, indent=1))
    elif options.json:
        write_text(Path(options.json), json.dumps(results, indent=1) + "\n")
    if options.json != "-":
        print(table(results))
    for problem in unsaved:
        print(f"gan metrics: {problem}", file=sys.stderr)
    return 2 if unsaved else 0


def table(results: Sequence[dict]) -> str:
    """The results as text: the protocol, one line per model, and real pictures where the protocol changes."""
    columns = [figure for figure in FIGURES if any(figure.key in result["generated"] for result in results)]
    width = max(24, *(len(result["model"]) for result in results))
    lines, last = [], None
    for result in results:
        protocol = {key: value for key, value in result["protocol"].items() if key != "model_size"}
        if protocol != last:
            lines += [""] if lines else []
            lines += _protocol_lines(protocol)
            lines.append(" " * width + "".join(f"{figure.heading:>11}" for figure in columns))
            lines.append(f"{'real against real':<{width}}" + _cells(result["real"], columns))
            last = protocol
        lines.append(f"{result['model']:<{width}}" + _cells(result["generated"], columns))
        if "digits" in result["generated"]:
            lines.append("  digits 0 to 9: " + " ".join(map(str, result["generated"]["digits"])))
        if "inception_fid" in result:
            lines.append(f"  Inception FID: {result['inception_fid']}")
        if "neighbours" in result:
            lines += _neighbour_lines(result["neighbours"])
    return "\n".join(lines)


def _measure(options: argparse.Namespace) -> tuple[list[dict], list[str]]:
    """The results, and what kept some of them from being saved."""
    classifier = options.classifier
    if classifier == "auto":
        classifier = known_classifier(options.data, options.folders)
    judge = Judge(
        options.data,
        data_root=options.data_root,
        partition=options.partition,
        images=options.images,
        seed=options.seed,
        classifier=classifier,
        device=pick_device(options.device),
    )
    wanted = [(folder, size) for folder in options.folders for size in options.size or [None]]
    for folder, size in wanted:
        judge.check(folder, size)  # before the first minutes are spent
    results, unsaved = [], []
    for folder, size in wanted:
        log.info("measuring %s ...", Path(folder).name)
        result = judge.judge(folder, size=size, best=options.best, fid=options.fid)
        protocol = result["protocol"]
        if options.neighbours is not None and protocol["size"] >= judge.own_size(run.read_info(folder).config):
            result["neighbours"], sheet = judge.neighbours(folder, size=size, best=options.best)
            if options.neighbours:
                with atomic_path(Path(options.neighbours)) as path:
                    Image.fromarray(sheet.squeeze(2) if sheet.shape[2] == 1 else sheet).save(path, quality=90)
        if options.save:
            try:
                save_metrics(folder, result)
            except MetricError as error:
                unsaved.append(str(error))
        results.append(result)
    return results, unsaved


def _protocol_lines(protocol: dict) -> list[str]:
    extractor = protocol.get("extractor")
    if extractor is None:
        features = "no classifier knows such pictures: sliced Wasserstein distance and MS-SSIM only"
    else:
        features = f"features: {extractor['features']} of the {extractor['task']} classifier {extractor['hash']}; "
        features += f"kernel distance over {protocol['kernel_distance']}; neighbours {protocol['precision_recall']}"
    seen = ", which the model saw in training" if protocol["held_out_seen_by_model"] else ""
    return [
        f"{protocol['images']:,} pictures on each side at {protocol['size']} px, seeds {protocol['seeds']}, "
        f"truncation {protocol['truncation']:g}",
        f"real: {protocol['data']}; held out: {protocol['held_out']}{seen}; beside it: {protocol['real']}",
        f"crop: {protocol['crop']}",
        features,
        f"SWD: {protocol['sliced_wasserstein']}; MS-SSIM: {protocol['ms_ssim']}",
    ]


def _cells(figures: dict, columns: Sequence[Figure]) -> str:
    return "".join(f"{figure.text(figures):>11}" for figure in columns)


def _neighbour_lines(facts: dict) -> list[str]:
    held_out = facts["held_out"]
    return [
        f"  nearest of {facts['searched']:,} training pictures: {min(facts['distances']):.3f} to "
        f"{max(facts['distances']):.3f} for seeds {facts['seeds'][0]} to {facts['seeds'][-1]}; "
        f"for held-out pictures 1 % {held_out['p1']:.3f}, median {held_out['p50']:.3f}"
    ]
