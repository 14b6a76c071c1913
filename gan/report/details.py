"""figures.md of a model folder: every figure that was measured, in full, with its protocol."""

from __future__ import annotations

from pathlib import Path

from gan import run
from gan.data_record import CELEBA
from gan.latent import attributes
from gan.latent.directions import load_directions
from gan.latent.projection_report import read_figures
from gan.metrics.results import main_result
from gan.report import facts, measured


def text(folder: Path, results: dict[str, dict]) -> str:
    """The file's content; "" where nothing was measured.

    Args:
        results: those of metrics.json that belong to the folder's weights, by size.
    """
    info = run.read_info(folder)
    parts = []
    if first := main_result(results):
        parts += _protocols(folder, info, results)
        if "digits" in first["generated"]:
            parts.append(_digits(first["generated"]["digits"]))
        if "attributes" in first:
            parts.append(_attributes(first["attributes"]))
        neighbours = next((result["neighbours"] for result in results.values() if "neighbours" in result), None)
        if neighbours:
            parts.append(_neighbours(folder, info, neighbours))
    parts += [_sliders(folder), _photographs(folder)]
    body = "\n\n".join(part for part in parts if part)
    return f"# Figures of {folder.name}\n\nWritten with [the card]({run.CARD_FILE}).\n\n{body}\n" if body else ""


def _protocols(folder: Path, info: run.RunInfo, results: dict[str, dict]) -> list[str]:
    """One for the sizes that were judged with the same pictures and classifier."""
    groups: dict[tuple, list[dict]] = {}
    for result in results.values():
        protocol = result["protocol"]
        groups.setdefault((protocol["data"], protocol["images"], str(protocol.get("extractor"))), []).append(protocol)
    # the main one first
    return [_protocol(folder, info, group) for group in sorted(groups.values(), key=lambda g: "extractor" not in g[0])]


def _protocol(folder: Path, info: run.RunInfo, protocols: list[dict]) -> str:
    protocol, sizes = protocols[0], [str(protocol["size"]) for protocol in protocols]
    extractor = protocol.get("extractor")
    features = ""
    if extractor:
        features = (
            f"Fréchet and kernel distance ({protocol['kernel_distance']}), precision and recall "
            f"({protocol['precision_recall']}) are taken in the {extractor['features']} features of this project's "
            f"own {extractor['task']} classifier, {extractor['hash']}: not to be compared with FID, KID or the figures "
            "of another classifier. "
        )
    seen = ", which this model was trained on too" if protocol["held_out_seen_by_model"] else ""
    return f"""## Protocol at {" and ".join(sizes)} pixels
{protocol["images"]:,} pictures, seeds {protocol["seeds"]}, truncation {protocol["truncation"]:g}, against as many of \
{protocol["held_out"]} of {protocol["data"]}{seen}; "real": as many {facts.real_side(protocol)} against the same. \
Crop: \
{protocol["crop"]}. {features}Sliced Wasserstein: {protocol["sliced_wasserstein"]}. MS-SSIM: {protocol["ms_ssim"]}.

```
python -m gan metrics {facts.quoted(folder)} --data {facts.measured_words(protocol, info)} --size {" ".join(sizes)} \
--seed {protocol["seed"]}
```"""


def _digits(counts: list[int]) -> str:
    heads, cells = (" | ".join(map(str, row)) for row in (range(len(counts)), counts))
    return f"## Digits\nAs the classifier reads the pictures.\n\n| {heads} |\n{'|---:' * len(counts)}|\n| {cells} |"


def _attributes(shares: dict[str, dict]) -> str:
    rows = "\n".join(
        f"| {name.replace('_', ' ')} | {both['generated']:.1%} | {both['real']:.1%} |"
        for name, both in sorted(shares.items())
    )
    return (
        "## Attributes\n"
        "Shares are means of the classifier's probabilities, of samples and of real pictures; its words are CelebA's, "
        "in which annotators put strangers into two boxes each. What CelebA does not name (skin colour, age in years, "
        "disability) is not measured.\n\n"
        f"| | generated | real |\n|---|---:|---:|\n{rows}"
    )


def _neighbours(folder: Path, info: run.RunInfo, neighbours: dict) -> str:
    distances, held_out = neighbours["distances"], neighbours["held_out"]
    nearer = sum(distance < held_out["p1"] for distance in distances)
    listed = ", ".join(f"{seed}: {distance:.2f}" for seed, distance in zip(neighbours["seeds"], distances, strict=True))
    private = any(part.terms == CELEBA for part in info.all_parts)
    private = " They may not be published: CelebA's terms." if private else ""
    return f"""## Is anything learned by heart?
Distance of a sample to the nearest of {neighbours["searched"]:,} training pictures, in the classifier's features, by \
seed: {listed}. Real pictures that are held out lie {held_out["p50"]:.2f} (median; 1 % of them under \
{held_out["p1"]:.2f}, 5 % under {held_out["p5"]:.2f}) from the nearest training picture. A copy would lie close to 0. \
Samples that lie nearer than 99 % of held-out pictures do: {nearer} of {len(distances)}.

The pictures side by side, drawn on your machine from your copy of the data.{private}

```
python -m gan metrics {facts.quoted(folder)} --data {facts.data_words(info)} --neighbours nearest.webp
```"""


def _sliders(folder: Path) -> str:
    """What the named directions do; nothing where there are none."""
    try:
        table = measured.sliders(load_directions(folder).values())
    except run.RunError:  # none, or of other weights
        return ""
    if not table:
        return ""
    return f"""## Sliders
Mean probability of the attribute by the project's own classifier, over pictures that start in the middle \
({" to ".join(f"{p:g}" for p in attributes.MIDDLE)}): at both ends of its slider, and the other attribute that changes \
most from end to end. Found by `python -m gan directions`, measured on other pictures; what does not pass is not shown.

{table}"""


def _photographs(folder: Path) -> str:
    """How near photographs come; nothing where that was not measured, or cannot be read."""
    try:
        table = measured.photographs(read_figures(folder) or {})
    except (ValueError, KeyError, TypeError):
        return ""
    return f"""## Photographs
The latent vector nearest to a picture: an encoder's guess, then gradient steps. Measured by \
`python -m gan projection {facts.quoted(folder)} --data SOURCE --save`.

{table}"""
