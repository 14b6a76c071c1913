"""Data sets of the Hugging Face Hub, and local ones of the same form, as streams of pictures: `hf:OWNER/NAME[:split]`.

Read through the `datasets` library, which is an extra requirement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

from gan.data.downloads import DataError, why_not

HUB = "hf:"


def hub_name(source: str) -> str:
    """OWNER/NAME, or a local path, of a source's word."""
    name, colon, split = source.removeprefix(HUB).rpartition(":")
    return name if colon and "/" not in split and "\\" not in split else source.removeprefix(HUB)


def hub_split(source: str) -> str:
    """The split of a source's word; "" for none."""
    return source.removeprefix(HUB)[len(hub_name(source)) + 1 :]


def hub_revision(name: str) -> tuple[str, str]:
    """The commit that a data set of the Hub is at, and the licence that its page gives ("" for none).

    Raises:
        DataError: there is no such data set, or the Hub does not answer.
    """
    from huggingface_hub import HfApi

    try:
        info = HfApi().dataset_info(name)
    except Exception as error:  # of many types; each of them means "no data"
        raise _not_to_be_had(name, error) from error
    licence = (info.card_data or {}).get("license") or ""
    return info.sha or "", ", ".join(licence) if isinstance(licence, list) else str(licence)


def hub_pictures(source: str, revision: str | None) -> Iterator[Callable[[], bytes]]:
    """A function for each picture that gives its file's content; the data set is read as a stream.

    Raises:
        DataError: the library is missing, or there is no such data set, split, or column of pictures.
    """
    datasets = _library()
    name, split = hub_name(source), hub_split(source)
    try:
        splits = datasets.get_dataset_split_names(name, revision=revision)
        if split and split not in splits:
            raise DataError(f"the data set {name} has no split {split!r}: expected one of {', '.join(splits)}")
        split = split or ("train" if "train" in splits else splits[0])
        stream = datasets.load_dataset(name, split=split, revision=revision, streaming=True)
        column = _image_column(datasets, name, stream)
        rows = stream.select_columns([column])
        if isinstance(stream.features[column], datasets.Image):
            rows = rows.cast_column(column, datasets.Image(decode=False))
        for row in rows:
            yield partial(_content, row[column])
    except DataError:
        raise
    except Exception as error:  # of many types; each of them means "no data"
        raise _not_to_be_had(name, error) from error


def _image_column(datasets: ModuleType, name: str, stream: object) -> str:
    """The first column that holds pictures, by its type: pictures, files with their bytes, or bytes."""
    features = dict(stream.features or {})
    wanted = (
        lambda feature: isinstance(feature, datasets.Image),
        lambda feature: isinstance(feature, dict) and "bytes" in feature,
        lambda feature: getattr(feature, "dtype", "") in ("binary", "large_binary"),
    )
    for fits in wanted:
        for column, feature in features.items():
            if fits(feature):
                return column
    columns = ", ".join(f"{column} ({type(feature).__name__})" for column, feature in features.items())
    raise DataError(f"the data set {name} has no column of pictures; it has {columns or 'none'}: give another one")


def _content(value: bytes | dict) -> bytes:
    if isinstance(value, bytes):
        return value
    if value.get("bytes") is not None:
        return value["bytes"]
    import fsspec  # comes with datasets

    with fsspec.open(value["path"], "rb") as file:
        return file.read()


def _library() -> ModuleType:
    try:
        import datasets
    except ImportError:
        raise DataError(
            "hf: data sets are read through a library that is not installed: pip install datasets"
        ) from None
    return datasets


def _not_to_be_had(name: str, error: Exception) -> DataError:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"RepositoryNotFoundError", "DatasetNotFoundError", "HFValidationError", "FileNotFoundError"}:
        words = "there is no such data set, or it is not public"
    else:
        words = why_not(error)
    return DataError(f"the data set {name} cannot be read: {words}; expected hf:OWNER/NAME or hf:OWNER/NAME:split")
