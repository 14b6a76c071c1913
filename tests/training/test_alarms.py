"""What a run notices about itself: from made-up history rows, and from those of the shipped models."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from gan import run
from gan.config import GANConfig
from gan.history import read_history
from gan.training.alarms import PATIENCE, Watch, pairwise_distance

CONFIG = GANConfig(loss="non_saturating", log_interval=10, batch_size=8)
INTERVAL = 80  # pictures between two rows
HEALTHY = dict(diversity=0.8, loss_d=0.7, d_real=0.7, d_fake=0.3)
COLLAPSED = HEALTHY | dict(diversity=0.1)
DEAD = HEALTHY | dict(loss_d=1.386, d_real=0.502, d_fake=0.5)
STRONG = HEALTHY | dict(loss_d=0.002, d_real=0.999, d_fake=0.0004)
SHIPPED = [folder for folder in (Path(__file__).parents[2] / "weights").iterdir() if run.is_run(folder)]


def feed(watch, *rows, start=None, interval=INTERVAL):
    """What each of consecutive rows raises; they go on where the last call ended."""
    seen = getattr(watch, "seen", 0) if start is None else start
    found = []
    for row in rows:
        seen += interval
        found.append(watch.check(row | {"images_seen": seen}))
    watch.seen = seen
    return found


def test_a_healthy_run_raises_nothing():
    assert feed(Watch(CONFIG), *[HEALTHY] * 50) == [[]] * 50


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (COLLAPSED, "collapse: generated pictures differ only 10% as much as real ones"),
        (DEAD, "dead discriminator: it scores real and generated alike, and its loss of 1.39 is no better than the "
               "1.39 of guessing"),
        (STRONG, "discriminator too strong: it hardly errs, with a loss of 0.0020 where guessing is 1.39, and has "
                 "nothing left to learn or to teach"),
    ],
)  # fmt: skip
def test_each_trouble_is_told_once_after_some_patience(row, text):
    watch = Watch(CONFIG)
    assert feed(watch, HEALTHY) == [[]]
    assert feed(watch, *[row] * PATIENCE) == [[]] * (PATIENCE - 1) + [[text]]
    assert feed(watch, *[row] * 20) == [[]] * 20  # not again while it lasts
    assert feed(watch, HEALTHY) == [[]]
    assert feed(watch, *[row] * PATIENCE)[-1] == [text]  # but again when it comes back


def test_one_good_row_resets_the_patience():
    rows = ([DEAD] * (PATIENCE - 1) + [HEALTHY]) * 4
    assert feed(Watch(CONFIG), *rows) == [[]] * len(rows)


def test_rows_that_come_thick_and_fast_for_the_replay_do_not_shorten_the_patience():
    watch = Watch(CONFIG)
    feed(watch, HEALTHY)
    events = feed(watch, *[DEAD] * 10 * PATIENCE, interval=INTERVAL // 10)
    assert [bool(found) for found in events] == [False] * (10 * PATIENCE - 1) + [True]


def test_a_run_that_goes_on_from_another_has_seen_no_trouble_yet():
    assert feed(Watch(CONFIG), *[DEAD] * PATIENCE, start=3_000_000) == [[]] * PATIENCE


@pytest.mark.parametrize(
    ("config", "row"),
    [
        (dict(loss="hinge"), dict(loss_d=1.75, d_real=0.506, d_fake=0.503)),  # scores of a few hundredths teach
        (dict(loss="relativistic"), dict(loss_d=0.05, d_real=0.9999, d_fake=0.999)),  # only differences count
        (dict(loss="relativistic"), dict(loss_d=0.6, d_real=0.0009, d_fake=0.0003)),
        (dict(loss="cross_entropy", real_label=0.9), dict(loss_d=1.42, d_real=0.48, d_fake=0.42)),  # sure, often wrong
        (dict(loss="non_saturating"), dict(loss_d=0.3, d_real=0.78, d_fake=0.0004)),
    ],
)  # fmt: skip
def test_scores_that_only_look_alike_or_extreme_raise_nothing(config, row):
    assert feed(Watch(CONFIG.replace(**config)), *[HEALTHY | row] * 20) == [[]] * 20


@pytest.mark.parametrize(
    ("config", "guessing", "perfect"),
    [
        (dict(loss="hinge"), 2.0, 0.0),
        (dict(loss="relativistic"), 0.6931, 0.0),
        (dict(loss="cross_entropy", real_label=0.9), 1.3763, 0.3251),
    ],
)
def test_dead_and_too_strong_are_those_of_the_loss_that_is_trained(config, guessing, perfect):
    alike, far = dict(d_real=0.451, d_fake=0.45), dict(d_real=0.9, d_fake=0.0001)
    for row, trouble in (
        (alike | {"loss_d": guessing + 0.001}, "dead discriminator"),
        (far | {"loss_d": perfect + 0.001}, "discriminator too strong"),
    ):
        watch = Watch(CONFIG.replace(**config))
        (event,) = feed(watch, HEALTHY | dict(loss_d=(guessing + perfect) / 2), *[HEALTHY | row] * PATIENCE)[-1]
        assert event.split(":")[0] == trouble and f"{guessing:.2f}" in event


def test_an_untrained_generator_has_not_collapsed():
    a_little, hardly = HEALTHY | dict(diversity=0.2), HEALTHY | dict(diversity=0.05)
    assert feed(Watch(CONFIG), a_little, *[hardly] * 20) == [[]] * 21  # it has never been varied


def test_collapse_is_measured_against_the_run_s_own_best():
    watch = Watch(CONFIG)
    feed(watch, HEALTHY | dict(diversity=0.5))
    just_above, just_below = HEALTHY | dict(diversity=0.21), HEALTHY | dict(diversity=0.19)
    assert feed(watch, *[just_above] * 10) == [[]] * 10
    assert len(feed(watch, *[just_below] * PATIENCE)[-1]) == 1


def test_two_troubles_at_once_are_both_told():
    watch = Watch(CONFIG)
    feed(watch, HEALTHY)
    events = feed(watch, *[STRONG | dict(diversity=0.1)] * PATIENCE)[-1]
    assert [event.split(":")[0] for event in events] == ["collapse", "discriminator too strong"]


def test_a_row_of_nan_raises_nothing():
    watch = Watch(CONFIG)
    assert feed(watch, *[dict.fromkeys(HEALTHY, math.nan)] * 10) == [[]] * 10
    assert len(feed(watch, HEALTHY, *[COLLAPSED] * PATIENCE)[-1]) == 1


@pytest.mark.parametrize("cut", range(1, PATIENCE + 2))
def test_state_goes_on_where_it_stopped(cut):
    rows = [HEALTHY] + [COLLAPSED] * (PATIENCE + 2)
    whole, first, second = Watch(CONFIG), Watch(CONFIG), Watch(CONFIG)
    expected = feed(whole, *rows)
    begun = feed(first, *rows[:cut])
    second.load_state(first.state())
    assert begun + feed(second, *rows[cut:], start=cut * INTERVAL) == expected


def test_a_checkpoint_that_counted_rows_is_still_read():
    watch = Watch(CONFIG)
    watch.load_state({"peak": 0.8, "rows": {"collapse": 3, "dead discriminator": -1}})
    assert feed(watch, *[COLLAPSED] * PATIENCE, HEALTHY, start=1_000_000) == [[]] * (PATIENCE + 1)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_history_tells_what_the_watch_sees_in_it(folder):
    watch, rows = Watch(run.read_info(folder).config), read_history(folder)
    seen = [event for row in rows if row.get("loss_d") is not None for event in watch.check(row)]
    told = [row["event"] for row in rows if row.get("event")]
    assert [event for event in told if not event.startswith("went on from")] == seen


def test_pairwise_distance_by_hand():
    values = torch.tensor([0.0, 3.0, 6.0]).view(3, 1, 1, 1)
    assert pairwise_distance(values) == pytest.approx(4)  # 3, 3 and 6
    assert pairwise_distance(values.expand(3, 1, 2, 2)) == pytest.approx(8)  # of the whole picture
    assert pairwise_distance(values.repeat(2, 1, 1, 1), most=3) == pytest.approx(4)
