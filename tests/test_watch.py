"""What a run notices about itself, from made-up history rows."""

from __future__ import annotations

import math

import pytest

from gan.watch import PATIENCE, Watch

HEALTHY = dict(diversity=0.8, d_real=0.7, d_fake=0.3)
COLLAPSED = HEALTHY | dict(diversity=0.1)
DEAD = HEALTHY | dict(d_real=0.502, d_fake=0.5)
STRONG = HEALTHY | dict(d_real=0.999, d_fake=0.0004)


def feed(watch, *rows):
    return [watch.check(row) for row in rows]


def test_a_healthy_run_raises_nothing():
    assert feed(Watch(), *[HEALTHY] * 50) == [[]] * 50


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (COLLAPSED, "collapse: generated pictures differ only 10% as much as real ones"),
        (DEAD, "dead discriminator: it scores real and generated alike, D(x) = 0.50"),
        (STRONG, "discriminator too strong: D(G(z)) = 0.0004 leaves the generator no gradient"),
    ],
)
def test_each_trouble_is_told_once_after_some_patience(row, text):
    watch = Watch()
    assert feed(watch, HEALTHY) == [[]]
    assert feed(watch, *[row] * PATIENCE) == [[]] * (PATIENCE - 1) + [[text]]
    assert feed(watch, *[row] * 20) == [[]] * 20  # not again while it lasts
    assert feed(watch, HEALTHY) == [[]]
    assert feed(watch, *[row] * PATIENCE)[-1] == [text]  # but again when it comes back


def test_one_good_row_resets_the_patience():
    rows = ([DEAD] * (PATIENCE - 1) + [HEALTHY]) * 4
    assert feed(Watch(), *rows) == [[]] * len(rows)


def test_an_untrained_generator_has_not_collapsed():
    a_little, hardly = HEALTHY | dict(diversity=0.2), HEALTHY | dict(diversity=0.05)
    assert feed(Watch(), a_little, *[hardly] * 20) == [[]] * 21  # it has never been varied


def test_collapse_is_measured_against_the_run_s_own_best():
    watch = Watch()
    feed(watch, HEALTHY | dict(diversity=0.5))
    just_above, just_below = HEALTHY | dict(diversity=0.21), HEALTHY | dict(diversity=0.19)
    assert feed(watch, *[just_above] * 10) == [[]] * 10
    assert len(feed(watch, *[just_below] * PATIENCE)[-1]) == 1


def test_two_troubles_at_once_are_both_told():
    watch = Watch()
    feed(watch, HEALTHY)
    events = feed(watch, *[STRONG | dict(diversity=0.1)] * PATIENCE)[-1]
    assert [event.split(":")[0] for event in events] == ["collapse", "discriminator too strong"]


def test_a_row_of_nan_raises_nothing():
    watch = Watch()
    assert feed(watch, *[dict.fromkeys(HEALTHY, math.nan)] * 10) == [[]] * 10
    assert len(feed(watch, HEALTHY, *[COLLAPSED] * PATIENCE)[-1]) == 1


@pytest.mark.parametrize("cut", range(1, PATIENCE + 2))
def test_state_goes_on_where_it_stopped(cut):
    rows = [HEALTHY] + [COLLAPSED] * (PATIENCE + 2)
    whole, first, second = Watch(), Watch(), Watch()
    expected = feed(whole, *rows)
    begun = feed(first, *rows[:cut])
    second.load_state(first.state())
    assert begun + feed(second, *rows[cut:]) == expected
