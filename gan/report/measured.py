"""What was measured, as Markdown tables, for cards and for the commands that measure."""

from __future__ import annotations

from collections.abc import Iterable

from gan.latent.directions import REACH, Direction
from gan.latent.projection_report import WANTED_BETTER, WANTED_PSNR, WANTED_RECOVERED, WANTED_SECONDS


def sliders(directions: Iterable[Direction]) -> str:
    """What each attribute does to the pictures; "" where there is none."""
    rows = [
        f"| {d.name} | {d.effect.low:.2f} | {d.effect.middle:.2f} | {d.effect.high:.2f} | "
        f"{d.effect.side.replace('_', ' ')} {d.effect.side_change:+.2f} |"
        for d in directions
        if d.effect
    ]
    if not rows:
        return ""
    head = f"| Slider | at -{REACH:g} | at 0 | at {REACH:g} | strongest side effect |\n|---|---|---|---|---|"
    return "\n".join([head, *rows])


def photographs(figures: dict) -> str:
    """What `gan.latent.projection_report.measure` returns, beside what is wanted of it."""
    held_out, fed_back, n = figures["photographs"], figures["fed_back"], figures["images"]
    rows = [
        ("Held-out pictures: PSNR, dB", held_out, "psnr", ".1f", ""),
        ("... distance in a classifier's features", held_out, "feature_distance", ".2f", ""),
        ("Generated pictures: PSNR, dB", fed_back, "psnr", ".1f", ""),
    ]
    lines = [
        f"| {n} pictures each | encoder alone | after {figures['steps']} steps | wanted |",
        "|---|---|---|---|",
        *(
            f"| {name} | {part[key + '_before']:{form}} | {part[key]:{form}} | {wanted} |"
            for name, part, key, form, wanted in rows
        ),
        f"| ... share above {WANTED_PSNR:g} dB | {fed_back['recovered_before']:.0%} | {fed_back['recovered']:.0%} | "
        f"{WANTED_RECOVERED:.0%} |",
        f"| Held-out pictures that the steps improve in both | | {held_out['better_both']:.0%} | {WANTED_BETTER:.0%} |",
        f"| Seconds of a projection, {figures['threads']} thread{'s' * (figures['threads'] != 1)} | | "
        f"{figures['seconds']:.2f} | {WANTED_SECONDS:g} |",
    ]
    judge = "of the second classifier, which the steps do not see" if "judge" in figures else "of the classifier"
    seen = " The model, if not its encoder, was trained on the held-out pictures too, which flatters."
    return "\n".join(lines) + (
        f"\n\nTwo different pictures are {held_out['feature_distance_of_another']:.2f} apart in these features, "
        f"{judge}."
        f"{seen * figures.get('held_out_seen_by_model', False)}"
    )
