"""What is held out is not trained on: the training split, its record, and what is told of it."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from picture_files import encoded, make_zip, plain

from gan.data.images import DataError, first_images, load_data
from gan.data.splits import ALL, HELD_OUT, TRAINED_ON


@pytest.fixture
def sources(tmp_path):
    """Six grey pictures, darker from one to the next, of which 1 is validation and 4 is test; and a stranger's two."""
    folder = tmp_path / "celeba"
    folder.mkdir()
    make_zip(folder / "faces.zip", {f"{i:06d}.png": encoded(plain(40 * i)) for i in range(6)})
    splits = {1: 1, 4: 2}
    (folder / "list_eval_partition.txt").write_text(
        "".join(f"{i:06d}.jpg {splits.get(i, 0)}\n" for i in range(9)), encoding="utf-8"
    )
    make_zip(tmp_path / "more.zip", {f"mine{i}.png": encoded(plain(7 + i)) for i in range(2)})
    return [str(folder / "faces.zip"), str(tmp_path / "more.zip")]


def read(sources, tmp_path, wanted, **options):
    options = {"image_size": 8, "channels": 1, "cache_dir": tmp_path / "cache", "progress": False} | options
    images, record = load_data(sources, wanted=wanted, **options)
    return np.asarray(images)[:, 4, 4, 0].tolist(), record


def test_what_is_held_out_is_not_trained_on(sources, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        seen, record = read(sources, tmp_path, TRAINED_ON)
    assert seen == [0, 80, 120, 200, 7, 8] and record.images == 6
    assert [part.split for part in record.parts] == ["training", ""] and record.split == ""
    assert "faces.zip: 2 of 6 pictures are held out to judge by" in caplog.text and "--all-splits" in caplog.text
    assert [part.get("split") for part in record.to_dict()["parts"]] == ["training", None]
    held, record = read(sources, tmp_path, HELD_OUT)
    assert held == [40, 160] and [part.split for part in record.parts] == ["validation, test"]
    every, record = read(sources, tmp_path, ALL)
    assert len(every) == 8 and {part.split for part in record.parts} == {""}


@pytest.mark.parametrize("is_known", [False, True])
def test_the_first_pictures_are_of_those_that_are_wanted(sources, tmp_path, is_known):
    if is_known:  # decoded already
        read(sources, tmp_path, TRAINED_ON)
    options = {"image_size": 8, "channels": 1, "cache_dir": tmp_path / "cache"}
    first = first_images(sources, 2, wanted=TRAINED_ON, **options)
    assert first[:, 4, 4, 0].tolist() == [0, 80]  # and not 40, which is held out
    assert first_images(sources, 2, **options)[:, 4, 4, 0].tolist() == [0, 40]


def test_without_a_split_all_is_trained_on(sources, tmp_path):
    assert read(sources[1:], tmp_path, TRAINED_ON)[0] == [7, 8]


def test_a_partition_that_leaves_nothing_is_told(sources, tmp_path):
    partition = tmp_path / "celeba" / "list_eval_partition.txt"
    partition.write_text("".join(f"{i:06d}.jpg 1\n" for i in range(6)), encoding="utf-8")
    with pytest.raises(DataError, match=r"all of the 6 pictures of faces\.zip into one split.*--all-splits"):
        read(sources[:1], tmp_path, TRAINED_ON)
    with pytest.raises(DataError, match="no row for the picture 'mine0'"):
        read(sources[1:], tmp_path, TRAINED_ON, partition=partition)
