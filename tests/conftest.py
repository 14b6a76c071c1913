"""Tiny networks and drawn pictures that the tests share; nothing here needs a download."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import ssl
from collections.abc import Callable
from pathlib import Path

# Before torch is imported, and inherited by the processes that tests start: two cores are often all there is,
# and threads that spin for each other cost more than they bring at these sizes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from tiny_runs import go, once

from gan.config import GANConfig
from gan.data.drawn import draw_faces
from gan.data.images import load_images
from gan.machine import keep_what_is_here
from gan.ui import stubs  # noqa: F401 before Gradio

torch.set_num_threads(1)

# For each of a client's requests httpx reads the certificates of all the world anew: longer than the answer takes.
ssl.create_default_context = functools.cache(ssl.create_default_context)

# A script's background jobs begin with SIGINT ignored, and hand that on: to pytest, and to the programs that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The files that take longest, half a minute and more on a busy machine: of those that begin last, one worker would
# have one to itself, and the others nothing to do. pytest-xdist begins with the files of most tests, which are others.
# Before all of them what forks this process: once autograd has made threads, as for an export, no fork can train.
LONGEST = (
    "test_surroundings", "test_shipped_features", "test_site", "test_replay_viewer", "test_explore", "test_reach",
    "test_photo_page", "test_tabs", "test_connection", "test_resume", "test_engine", "test_morph_page",
    "test_train_cli", "test_train_page", "test_trainings", "test_onnx", "test_app", "test_distributed", "test_still",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):  # pytest-xdist is there
        config.option.loadscopereorder = False


def pytest_collection_finish() -> None:
    """A served page has Python's collector look at all objects every ten seconds: not at those of all modules."""
    keep_what_is_here()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several workers share the files, they are handed out in this order."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def tiny_config() -> GANConfig:
    """16x16, 4 -> 8 -> 16, about 2,000 parameters a network: a step takes milliseconds."""
    return GANConfig(
        image_size=16,
        z_dim=8,
        base_channels=4,
        g_multipliers=(2, 1),
        g_strides=(2, 2),
        d_multipliers=(1, 2),
        d_strides=(2, 2),
        batch_size=8,
        epochs=2,
        log_interval=4,
    )


@pytest.fixture(scope="session")
def eventful(tiny_config: GANConfig) -> GANConfig:
    """Everything at once that a resume has to carry: 4 epochs of 5 steps, rows every 2 steps."""
    return tiny_config.replace(
        epochs=4, log_interval=2, g_dropout=0.2, d_dropout=0.2, d_norm="none", r1_gamma=1.0, penalty_interval=3,
        ema_half_life_images=50, lr_decay_start=0.5, g_lr=1e-5, d_lr=1e-5,
    )  # fmt: skip


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """(44, 16, 16, 3) uint8: five batches of 8, and 4 left over."""
    images = draw_faces(44, 16, 3)[0]
    images.setflags(write=False)
    return images


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., np.ndarray]:
    """`load_images` with a cache of the test's own."""

    def load(*sources, image_size=8, channels=3, **options) -> np.ndarray:
        options = {"cache_dir": tmp_path / "cache", "data_root": tmp_path / "root", "progress": False} | options
        return load_images(list(map(str, sources)), image_size=image_size, channels=channels, **options)

    return load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Empty, for pictures to be put into."""
    made = tmp_path / "pictures"
    made.mkdir()
    return made


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all workers, for what `tiny_runs.once` makes."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    made = place / "shared"
    made.mkdir(exist_ok=True)
    return made


@pytest.fixture(scope="session")
def tiny_run(shared_folder: Path, tiny_config: GANConfig, pictures: np.ndarray) -> Path:
    """A finished model folder, with snapshots; shared, so only to be read (`run_copy` is for changing)."""
    config = tiny_config.replace(epochs=50, ema_half_life_images=100)
    return once(shared_folder / "tiny", lambda folder: go(config, pictures, folder))


@pytest.fixture(scope="session")
def exports(shared_folder: Path, tiny_config: GANConfig, pictures: np.ndarray, tiny_run: Path):
    """`exports.Exports`: two models, and their files for the browser. Takes a minute on a busy machine."""
    from exports import exported  # and with it the page

    return exported(shared_folder / "exports", tiny_config, pictures, tiny_run)


@pytest.fixture
def run_copy(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of `tiny_run` that a test may damage."""
    return Path(shutil.copytree(tiny_run, tmp_path / "tiny"))
