"""CelebA's text files and MNIST's labels, matched to pictures by name; and the names of a source's pictures."""

from __future__ import annotations

import gzip
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan.data.images import load_images, picture_names
from gan.data.labels import find_beside, read_attributes, read_digits, read_partition
from gan.data.sources import DataError

ATTRIBUTES = "3\nBald Smiling \n000001.jpg -1  1\n000002.jpg  1  1\n000007.jpg -1 -1\n"


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_attributes_follow_the_names_and_not_the_rows(tmp_path):
    path = write(tmp_path / "list_attr_celeba.txt", ATTRIBUTES)
    labels, values = read_attributes(path, ["000007.webp", "000002.webp"])
    assert labels == ("Bald", "Smiling")
    assert values.tolist() == [[False, False], [True, True]]


def test_partition_follows_the_names(tmp_path):
    path = write(tmp_path / "p.txt", "000001.jpg 0\n000002.jpg 1\n000007.jpg 2\n")
    assert read_partition(path, ["000007.png", "000001.png", "000002.png"]).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_attributes, ATTRIBUTES, "no row for the picture '000009' of 1"),
        (read_partition, "000001.jpg 0\n", "no row for the picture '000009' of 1"),
        (read_attributes, "3\nBald Smiling\n000009.jpg 1\n", "is not CelebA's attribute file"),
        (read_attributes, "3\nBald\n000009.jpg 0\n", "values other than -1 and 1"),
        (read_attributes, "", "is not CelebA's attribute file"),
        (read_partition, "000009.jpg zero\n", "is not CelebA's partition file"),
    ],
)
def test_wrong_files_are_told(tmp_path, read, text, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "x.txt", text), ["000009.jpg"])
    with pytest.raises(DataError, match=r"^\S+absent\.txt cannot be read"):
        read(tmp_path / "absent.txt", ["000009.jpg"])


def test_annotations_are_found_beside_or_inside(tmp_path):
    (tmp_path / "a").mkdir()
    assert find_beside([str(tmp_path / "a"), "drawn"], "p.txt") is None
    inside = write(tmp_path / "a" / "p.txt", "")
    assert find_beside([str(tmp_path / "a")], "p.txt") == inside
    assert find_beside([str(tmp_path / "a" / "faces.zip")], "p.txt") == inside
    (tmp_path / "celeba").mkdir()
    official = write(tmp_path / "celeba" / "q.txt", "")
    assert find_beside(["celeba"], "q.txt", tmp_path) == official


def test_names_are_in_the_order_of_the_pictures(tmp_path):
    """Two zips with folders inside; each picture's grey says its name."""
    for archive, numbers in (("b.zip", (5, 3)), ("a.zip", (4, 200))):
        with zipfile.ZipFile(tmp_path / archive, "w") as file:
            for number in numbers:
                content = io.BytesIO()
                Image.new("L", (4, 4), number).save(content, "png")
                file.writestr(f"inside/{number:06d}.png", content.getvalue())
    sources = [str(tmp_path / "b.zip"), str(tmp_path / "a.zip")]
    names = picture_names(sources, cache_dir=tmp_path / "cache")
    images = load_images(sources, image_size=4, channels=1, cache_dir=tmp_path / "cache", progress=False)
    assert names == ["000003.png", "000005.png", "000004.png", "000200.png"]
    assert [int(name[:6]) for name in names] == images[:, 0, 0, 0].tolist()


def mnist_labels(root, name, digits, packed=False):
    content = b"\0\0\x08\x01" + len(digits).to_bytes(4) + bytes(digits)
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)


def test_digits_plain_and_packed(tmp_path):
    mnist_labels(tmp_path, "train-labels-idx1-ubyte", [5, 0, 9])
    mnist_labels(tmp_path, "t10k-labels-idx1-ubyte", [7, 2], packed=True)
    assert read_digits("mnist", tmp_path).tolist() == [5, 0, 9]
    assert read_digits("mnist-test", tmp_path).dtype == np.int64
    assert read_digits("mnist-test", tmp_path).tolist() == [7, 2]


def test_damaged_and_absent_digits(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_digits("mnist", tmp_path)
    mnist_labels(tmp_path, "train-labels-idx1-ubyte", [5, 0, 12])
    with pytest.raises(DataError, match="no whole MNIST label file"):
        read_digits("mnist", tmp_path)
    path = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    mnist_labels(tmp_path, path.name, [5, 0, 2])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="no whole MNIST label file"):
        read_digits("mnist", tmp_path)
