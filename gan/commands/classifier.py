"""`python -m gan classifier celeba|mnist|imagenet`"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from gan.data.images import describe_sources, load_images, picture_names
from gan.data.labels import (
    ATTRIBUTES_FILE,
    PARTITION_FILE,
    TRAINING,
    VALIDATION,
    find_beside,
    read_attributes,
    read_digits,
    read_partition,
)
from gan.data.sources import DataError
from gan.imagenet import write_imagenet_layers
from gan.metrics.classifier import SURE, TASKS, Classifier, file_of
from gan.metrics.classifier_training import JUDGES, RECIPES, Labelled, Recipe, judge, save_classifier, train_classifier

IMAGENET = "imagenet"

ABOUT = "Train a classifier on the training split, judge it on the other; imagenet is made of published weights."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add = parser.add_argument
    add("task", choices=(*TASKS, IMAGENET))
    add("--judge", action="store_true", help="the second one, which reports on what the first chose: of another shape")
    add("--data", nargs="+", metavar="SOURCE", help="celeba's pictures (default: celeba); imagenet's file")
    add("--data-root", default="data", metavar="DIR", help="where mnist and celeba are (default: data)")
    add("--attributes", metavar="FILE", help=f"{ATTRIBUTES_FILE} (default: beside the pictures)")
    add("--partition", metavar="FILE", help=f"{PARTITION_FILE} (default: beside the pictures)")
    add("--out", metavar="FILE", help="what to write (default: the file in weights/classifiers/)")
    add("--seed", type=int, help="default: 0, and 1 for the judge")
    add("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    add("--precision", default="auto", choices=("auto", "fp32", "bf16"))


def execute(options: argparse.Namespace) -> int:
    """Train, judge, write and show a classifier; returns the exit status."""
    if options.task == IMAGENET:
        if options.judge or len(options.data or ()) != 1:
            options.refuse("imagenet is made of one file, and has no judge: --data efficientnet-lite0.pth")
        print(f"written to {write_imagenet_layers(options.data[0], Path(options.out) if options.out else None)}")
        return 0
    if options.task == "mnist" and options.data not in (None, ["mnist"]):
        options.refuse("mnist is trained on mnist: leave --data out, or say where it is with --data-root")
    options.data = options.data or [options.task]
    out = Path(options.out or file_of(options.task, judge=options.judge))
    recipe = (JUDGES if options.judge else RECIPES)[options.task]
    seed = int(options.judge) if options.seed is None else options.seed
    labels, training, held_out = (mnist_data if options.task == "mnist" else celeba_data)(options, recipe)
    classifier = train_classifier(
        recipe, labels, training, seed=seed, device=options.device, precision=options.precision
    )
    classifier = save_classifier(classifier, out, figures={})  # judged as it is read: in float16
    figures = {
        "trained_on": f"{describe_sources(options.data)}, training split ({len(training.images):,} images)",
        "held_out": f"{len(held_out.images):,} images of the {'test' if recipe.exclusive else 'validation'} split",
        "seed": seed,
        **judge(classifier, held_out),
        "accuracy_at": {str(size): judge(classifier, held_out, size)["accuracy"] for size in recipe.reduced_sizes},
    }
    classifier = save_classifier(classifier, out, figures)
    print(report(classifier))
    print(f"written to {out}, hash {classifier.hash}")
    return 0


def celeba_data(options: argparse.Namespace, recipe: Recipe) -> tuple[tuple[str, ...], Labelled, Labelled]:
    """The attributes' names, the training split, the validation split; raises `DataError`."""
    names = picture_names(options.data, data_root=options.data_root)
    images = load_images(
        options.data, image_size=recipe.image_size, channels=recipe.channels, data_root=options.data_root
    )
    if len(names) != len(images):
        raise DataError(
            f"{len(names) - len(images)} of {len(names)} pictures cannot be read, so labels do not match: remove them"
        )
    files = {"attributes": ATTRIBUTES_FILE, "partition": PARTITION_FILE}
    for option, file in files.items():
        if getattr(options, option) is None:
            setattr(options, option, find_beside(options.data, file, options.data_root))
        if getattr(options, option) is None:
            raise DataError(f"{file} does not lie beside the pictures: give it with --{option}")
    labels, values = read_attributes(options.attributes, names)
    split = read_partition(options.partition, names)
    parts = []
    for number in (TRAINING, VALIDATION):
        chosen = np.flatnonzero(split == number)
        if not len(chosen):
            raise DataError(f"{options.partition} puts none of the {len(names):,} pictures into split {number}")
        parts.append(Labelled(images[chosen], torch.from_numpy(values[chosen]).float()))
    return labels, *parts


def mnist_data(options: argparse.Namespace, recipe: Recipe) -> tuple[tuple[str, ...], Labelled, Labelled]:
    """The digits' names, the training set, the test set; raises `DataError`."""
    parts = []
    for source in ("mnist", "mnist-test"):
        images = load_images([source], image_size=28, channels=1, data_root=options.data_root)
        digits = torch.from_numpy(read_digits(source, options.data_root))
        if len(images) != len(digits):
            raise DataError(f"{source}: {len(images):,} pictures, {len(digits):,} labels: put its files there again")
        parts.append(Labelled(images, digits))
    return tuple("0123456789"), *parts


def report(classifier: Classifier) -> str:
    """A classifier's figures in words and a table."""
    figures = classifier.figures
    sizes = ", ".join(f"{accuracy:.2%} at {size} px" for size, accuracy in figures["accuracy_at"].items())
    lines = [
        f"trained on {figures['trained_on']}; judged on {figures['held_out']}",
        f"accuracy {figures['accuracy']:.2%} ({sizes})",
    ]
    if "sure_share" in figures:
        of_those = "" if figures["sure_right"] is None else f", right in {figures['sure_right']:.2%} of those"
        lines.append(f"sure (> {SURE}) of {figures['sure_share']:.2%}{of_those}")
    for name, values in figures.get("per_label", {}).items():
        area = "" if values["auc"] is None else f"{values['auc']:.3f}"
        lines.append(f"  {name:<20} accuracy {values['accuracy']:.2%}  AUC {area:<5}  share {values['share']:.2%}")
    return "\n".join(lines)
