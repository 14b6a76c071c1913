"""What people call the models of weights/ and the presets, and the order in which they are shown.

A folder's name stays what commands, links and the API use; a user's own runs have no other.
"""

from __future__ import annotations

from gan.config import GANConfig

_SMOOTH, _EXERCISE = "Face Generation With GANs", "Face-Generator-GANs"

# By folder of weights/, and by preset, in the order of a choice: ours, the student projects, what they follow, digits.
TITLES = {
    "faces128": "GAN Faces",
    "faces64": "GAN Faces",
    "cfcv-celeba28": "GAN_FACES, a student project",
    "andreipop-celeba32": "Generate faces with GAN, a student project",
    "smooth-celeba28": f"{_SMOOTH}, a student project",
    "smooth-celeba28-20": f"{_SMOOTH}, 20 epochs",
    "dlnd-celeba28": f"{_EXERCISE}, a student project",
    "nadim-celeba32": "Deep Convolutional GANs, a student project",
    "dcgan64": "DCGAN, the paper",
    "smooth-mnist28": f"{_SMOOTH}, digits",
    "dlnd-mnist28": f"{_EXERCISE}, digits",
}
# By chapter of the Models tab: what was asked for, who asked first, what came of it.
STORY = {
    "Five student projects, rebuilt layer for layer": (
        "cfcv-celeba28", "andreipop-celeba32", "smooth-mnist28", "smooth-celeba28", "smooth-celeba28-20",
        "dlnd-mnist28", "dlnd-celeba28", "nadim-celeba32",
    ),
    "The paper that they all follow": ("dcgan64",),
    "A recipe of our own": ("faces64", "faces128"),
}  # fmt: skip
CHAPTERS = (*STORY, "Other models here")
_ORIGINS = ("a student project rebuilt", "the paper's recipe", "our own recipe", "")  # of a model of each chapter
_OURS = ("faces128", "faces64")  # presets of our own recipe


def title_of(name: str, config: GANConfig | None) -> str:
    """What a model or a preset is called, "GAN Faces, 64 px"; its name where there is no other for it.

    Args:
        name: of a folder of weights/, or of a preset.
        config: None where it cannot be read.
    """
    return f"{TITLES[name]}, {config.image_size} px" if name in TITLES and config else name


def place_of(name: str) -> tuple[int, str]:
    """Sorts models into the order of a choice: those of `TITLES`, then the others by name."""
    known = list(TITLES)
    return (known.index(name) if name in known else len(known)), name


def chapter_of(name: str) -> tuple[int, int, str]:
    """Sorts models into the order of the story; those that are in none of its chapters come last, by name.

    Returns:
        The number of its chapter in `CHAPTERS`, its place in there, and its name.
    """
    for chapter, names in enumerate(STORY.values()):
        if name in names:
            return chapter, names.index(name), name
    return len(STORY), 0, name


def origin_of(name: str) -> str:
    """Whose recipe a model is made by, in a few words; "" for one that is in no chapter."""
    return _ORIGINS[chapter_of(name)[0]]


def rank(config: GANConfig) -> tuple:
    """The higher, the sooner a visitor should see a model, whatever its folder is called."""
    return config.preset in _OURS, config.channels, config.image_size
