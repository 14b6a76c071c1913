"""Official splits: which pictures of a source are there to be trained on, and which are held out to judge by."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from gan.data.downloads import DataError
from gan.data.labels import (
    PARTITION_FILE,
    TEST,
    TRAINING,
    VALIDATION,
    find_beside,
    partition_rows,
    read_partition,
    stem,
)
from gan.data.sources import Picture, Source
from gan.data_record import is_built_in

ALL, TRAINED_ON, HELD_OUT = "", "training", "held out"  # what may be wanted of a source
_NAMES = {TRAINING: "training", VALIDATION: "validation", TEST: "test"}


def part_of(
    source: Source,
    word: str,
    wanted: str,
    data_root: str | os.PathLike,
    partition: str | os.PathLike | None = None,
) -> Source:
    """The pictures of a source that are wanted, where an official split says which; else the source as it is.

    Args:
        source, word: a source, and the word that it was resolved from.
        wanted: `ALL`, `TRAINED_ON` or `HELD_OUT`, which is validation and test.
        data_root: where `celeba` is.
        partition: CelebA's list_eval_partition.txt, which then has a row for each picture; default the one beside the
            pictures, if there is one. What that one does not know is there to be trained on.

    Raises:
        DataError: a partition file that cannot be used, or pictures that cannot be had.
    """
    if wanted == ALL:
        return source
    lies_nowhere = is_built_in(word) and word != "celeba"
    path = partition or (None if lies_nowhere else find_beside([word], PARTITION_FILE, data_root))
    if path is None:
        return source
    rows = partition_rows(path)
    with ExitStack() as stack:
        names = [picture.name for picture in source.pictures(stack)]
    if partition is not None:
        read_partition(path, names)  # has a row for each, or says which it lacks
    if not any(stem(name) in rows for name in names):
        return source
    splits = Counter(rows.get(stem(name), TRAINING) for name in names)

    def keeps(name: str) -> bool:
        return (rows.get(stem(name), TRAINING) == TRAINING) == (wanted == TRAINED_ON)

    def pictures(stack: ExitStack) -> list[Picture]:
        return [picture for picture in source.pictures(stack) if keeps(picture.name)]

    chosen = hashlib.sha256("\n".join(filter(keeps, names)).encode()).hexdigest()
    kept = [split for split in sorted(splits) if (split == TRAINING) == (wanted == TRAINED_ON)]
    return dataclasses.replace(
        source,
        identity=[*source.identity, wanted, chosen],
        record=dataclasses.replace(source.record, split=", ".join(_NAMES.get(split, str(split)) for split in kept)),
        pictures=pictures,
        splits=splits,
    )


def in_two(sources: Sequence[Source], wanted: str) -> list[Source]:
    """The sources that pictures of the wanted part are in; where some are split officially, the others hold none out.

    Raises:
        DataError: all pictures are in one split, so that nothing is left.
    """
    split = [source for source in sources if source.splits]
    if wanted == HELD_OUT and split:
        sources = split
    if split and len(split) == len(sources):
        pictures = sum((source.splits for source in split), Counter())
        training = pictures[TRAINING]
        if not (training if wanted == TRAINED_ON else pictures.total() - training):
            names = " and ".join(source.record.name for source in split)
            raise DataError(
                f"{PARTITION_FILE} puts all of the {pictures.total():,} pictures of {names} into one split: expected "
                "two; train.py takes all of them with --all-splits"
            )
    return list(sources)


def left_out(sources: Iterable[Source]) -> list[str]:
    """What is held out of pictures to be trained on, one line for each source of which some are."""
    return [
        f"{source.record.name}: {held:,} of {source.splits.total():,} pictures are held out to judge by, as "
        f"{PARTITION_FILE} says (--all-splits trains on them too)"
        for source in sources
        if (held := source.splits.total() - source.splits[TRAINING])
    ]
