"""What lies in weights/: the presets as the code describes them, and beside each model what belongs to it."""

import os
import shutil
from pathlib import Path

import pytest

from gan import run
from gan.history import read_history
from gan.latent.directions import load_directions
from gan.latent.encoder import load_encoder
from gan.metrics.results import read_metrics
from gan.presets import PRESETS
from gan.report.card import write_card
from gan.report.table import is_current, write_tables
from gan.run import ENCODER_FILE

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "weights"
# A model of another name in weights/ is its owner's.
FOLDERS = sorted(
    folder
    for folder in WEIGHTS.iterdir()
    if run.is_run(folder) and any(f"{folder.name}-".startswith(f"{preset}-") for preset in PRESETS)
)
MAX_BYTES = 114e6
# What a run writes on its way, and how long it lasts: another number makes no other recipe.
BOOKKEEPING = dict(epochs=1, log_interval=1, sample_growth=2.0, snapshot_growth=2.0, metric_interval=0)
# Of a model that was trained in parts, each from the weights of the one before: what the last one changed.
SECOND_PART = {"faces64": dict(epochs=19, g_lr=4e-4, d_lr=2e-4, lr_decay_start=0.25)}
# Whose last part was `train.py --refine`: what that changed beside.
REFINED = {"faces128": dict(epochs=1, manifold_weight=25.0, manifold_start=0.0)}

STOPPED = {"faces128": 694_400}  # pictures after which a training was ended, before its epochs were over

each_model = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@pytest.fixture
def copied(tmp_path):
    """weights/ and the documents, to write to; what is large and only read is linked."""
    large = ("snapshots", "discriminator.safetensors", "encoder.safetensors")
    shutil.copytree(WEIGHTS, tmp_path / "weights", ignore=shutil.ignore_patterns(*large))
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for folder in FOLDERS:
        for name in large:
            if (folder / name).exists():
                os.symlink(folder / name, tmp_path / "weights" / folder.name / name)
    return tmp_path


def test_every_preset_is_shipped():
    shipped = {folder.name for folder in FOLDERS}
    assert shipped >= set(PRESETS)


def test_all_of_it_stays_small():
    sizes = [path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()]
    assert sum(sizes) <= MAX_BYTES


@each_model
def test_a_model_was_trained_as_its_preset_says(folder):
    config = run.read_info(folder).config
    preset = PRESETS[config.preset].replace(**SECOND_PART.get(folder.name, {}))
    preset = preset.refined().replace(**REFINED[folder.name]) if folder.name in REFINED else preset
    assert config.replace(**BOOKKEEPING) == preset.replace(**BOOKKEEPING)
    if folder.name in PRESETS:
        assert (config.preset, config.epochs) == (folder.name, preset.epochs)


@each_model
def test_a_model_is_the_last_row_of_its_history(folder):
    info, last = run.read_info(folder), read_history(folder)[-1]
    per_epoch = info.data.images // info.config.batch_size * info.config.batch_size
    before = info.start.images_seen if info.start else 0
    assert last["images_seen"] == STOPPED.get(folder.name, before + info.config.epochs * per_epoch)
    assert (folder / "samples" / f"{int(last['sample']):04}.webp").is_file()


@each_model
def test_sliders_figures_and_encoder_belong_to_the_weights(folder):
    load_directions(folder)  # raises where they are of other weights, or missing
    if (folder / ENCODER_FILE).exists():
        load_encoder(folder)  # raises as well
    results = read_metrics(folder)
    assert str(run.read_info(folder).config.image_size) in results
    assert all(is_current(folder, result) for result in results.values())


@each_model
def test_no_checkpoint_and_no_second_generator_is_shipped(folder):
    assert not (folder / "checkpoint").exists() and not (folder / run.BEST_FILE).exists()


@each_model
def test_the_card_is_as_the_code_writes_it(folder, copied, monkeypatch):
    monkeypatch.chdir(copied)  # its commands name the folder as it was given
    write_card(Path("weights") / folder.name)
    for name in (run.CARD_FILE, run.DETAILS_FILE):
        written = (copied / "weights" / folder.name / name).read_text(encoding="utf-8")
        assert written == (folder / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "docs/figures.md", "docs/training.md"])
def test_the_tables_are_as_the_code_writes_them(name, copied):
    write_tables(copied / name, copied / "weights")
    assert (copied / name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")
