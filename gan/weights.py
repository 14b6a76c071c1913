"""The networks of a model folder: written in float16, read again with every doubt, and loaded ready to draw."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from gan.config import GANConfig
from gan.files import MOST_TENSOR_BYTES, read_facts, read_inside, read_tensors, reason, save_tensors
from gan.hub import local_folder
from gan.models import Discriminator, Generator
from gan.run import BEST_FILE, CRITIC_FILE, MODEL_FILE, RunError, read_info, snapshot_file, typed

_DECIDE_PICTURES = (
    "image_size", "channels", "z_dim", "z_distribution", "base_channels", "kernel_size", "grown_channels",
    "g_multipliers", "g_strides", "g_stem_norm", "g_bias", "g_residual", "g_normalize_z", "g_modulated",
    "g_leaky_slope", "d_multipliers", "d_strides", "d_norm", "d_bias", "d_leaky_slope", "d_minibatch_stddev",
)  # fmt: skip


def load_generator(
    folder_or_hub_id: str | Path, *, snapshot: int | None = None, best: bool = False, device: str = "cpu"
) -> Generator:
    """A trained generator, ready to draw.

    Args:
        folder_or_hub_id: a model folder; or a text `user/repo` or `user/repo/subfolder`, the id of a model on the
            Hugging Face Hub, which is asked where no folder `user` is here.
        snapshot: number of a snapshot (`snapshots`) instead of the final weights.
        best: the generator that measured best in training instead of the final weights.
        device: where it goes.

    Returns:
        In eval mode, without gradients; `.config` is its `GANConfig`.

    Raises:
        RunError: no such folder or repository, or a damaged file.
    """
    folder = local_folder(folder_or_hub_id)
    if best and not os.path.lexists(folder / BEST_FILE):
        raise RunError(f"{folder / BEST_FILE} is missing: only a run whose config sets metric_interval writes it")
    file = BEST_FILE if best else MODEL_FILE if snapshot is None else snapshot_file(snapshot)
    return _load(folder, file, Generator).to(device)


def load_hashed(folder: str | Path, *, best: bool = False, device: str = "cpu") -> tuple[Generator, str]:
    """`load_generator`, with the `weights_hash` of what was loaded, also while a training writes the next weights."""
    folder, before = local_folder(folder), None
    while True:
        generator = load_generator(folder, best=best, device=device)
        after = weights_hash(folder, best=best)
        if before == after:  # the file was the same before and after it was loaded
            return generator, after
        before = after


def load_discriminator(folder: str | Path, *, device: str = "cpu") -> Discriminator:
    """The critic of a model folder, in eval mode, without gradients; raises `RunError`."""
    return _load(Path(folder), CRITIC_FILE, Discriminator).to(device)


def save_weights(path: Path, network: Generator | Discriminator) -> None:
    """Write a network's weights and buffers as safetensors, floating-point numbers in float16."""
    save_tensors(path, packed_weights(network), {"network": _shape_hash(network.config)})


def packed_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of a network's weights and buffers on the CPU, floating-point numbers in float16."""
    return {
        name: (tensor.half() if tensor.is_floating_point() else tensor).detach().cpu().clone().contiguous()
        for name, tensor in network.state_dict().items()
    }


def read_weights(folder: Path, file: str, kind: type[Generator] | type[Discriminator]) -> dict[str, Tensor]:
    """The weights and buffers that `save_weights` wrote to a file of a model folder, as the folder's config has them.

    Args:
        file: like `MODEL_FILE`.
        kind: of network.

    Returns:
        Its state, numbers in float32, all of them finite.

    Raises:
        RunError: missing, damaged, or of another config than the folder's.
    """
    return _read_weights(folder, file, kind, read_info(folder).config)


def load_weights(folder: Path, file: str, network: Generator | Discriminator) -> None:
    """Fill a network from a file of a model folder; raises `RunError` as `read_weights`, and where it does not fit."""
    weights = read_weights(folder, file, type(network))
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            f"{Path(folder) / file} does not fit this network ({reason(error)}): give a config of the same shape"
        ) from error


def weights_hash(folder: Path, *, best: bool = False) -> str:
    """First 12 hexadecimal digits of the SHA-256 of model.safetensors, or of best.safetensors; raises `RunError`."""
    file = BEST_FILE if best else MODEL_FILE
    try:
        return hashlib.sha256(read_inside(folder, file, MOST_TENSOR_BYTES)).hexdigest()[:12]
    except OSError as error:
        raise _unreadable(Path(folder) / file, error) from error


def best_facts(folder: Path) -> dict | None:
    """What best.safetensors says of itself: "images_seen", "metric", "value"; None where there is no such file."""
    path = Path(folder) / BEST_FILE
    try:
        facts = read_facts(folder, BEST_FILE)
        return {
            "images_seen": typed(facts["images_seen"], int, "images_seen"),
            "metric": typed(facts["metric"], str, "metric"),
            "value": typed(facts["value"], float, "value"),
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read ({reason(error)}): delete it, training writes it again") from error


@functools.lru_cache(maxsize=64)
def shapes_of(kind: Callable[[GANConfig], nn.Module], config: GANConfig) -> dict[str, torch.Size]:
    """Names and shapes of a network's weights and buffers, without making any of them."""
    spectral = kind is Discriminator and config.d_norm == "spectral"
    with torch.device("meta"):  # where spectral norm would load all of PyTorch's compiler
        network = kind(config.replace(d_norm="none") if spectral else config)
    # On ZeroGPU (gan.ui.zero), which stands between PyTorch and its callers, a shape comes as a plain tuple.
    shapes = {name: torch.Size(tensor.shape) for name, tensor in network.state_dict().items()}
    if not spectral:
        return shapes
    plain = {name: shape for name, shape in shapes.items() if not name.endswith(".weight")}
    for name in shapes.keys() - plain.keys():
        at, shape = f"{name.removesuffix('weight')}parametrizations.weight", shapes[name]
        plain[f"{at}.original"] = shape
        plain[f"{at}.0._u"], plain[f"{at}.0._v"] = shape[:1], torch.Size([shape[1:].numel()])
    return plain


def _load(folder: Path, file: str, kind: Callable[[GANConfig], nn.Module]) -> nn.Module:
    """A network out of a model folder, in eval mode, without gradients."""
    config = read_info(folder).config
    weights = _read_weights(folder, file, kind, config)  # before a network of that config takes any memory
    network = kind(config)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


def _read_weights(folder: Path, file: str, kind: Callable[[GANConfig], nn.Module], config: GANConfig) -> dict:
    may_hold = [shapes_of(kind, config)]
    if config.g_modulated:  # a run that was begun with a plain model has that one's snapshots
        may_hold.append(shapes_of(kind, config.replace(g_modulated=False)))
    try:
        weights, facts = read_tensors(folder, file, lambda _: may_hold)
        # Snapshots may be of the run that this one is the sequel of, and older versions did not say.
        if file in (MODEL_FILE, CRITIC_FILE) and facts.get("network", _shape_hash(config)) != _shape_hash(config):
            raise ValueError("it belongs to a network of another config")
    except (OSError, ValueError) as error:
        raise _unreadable(Path(folder) / file, error) from error
    return weights


def _shape_hash(config: GANConfig) -> str:
    """Stands for all that decides what weights draw: with a damaged digit of it they may still draw something."""
    decides = {name: value for name, value in config.to_dict().items() if name in _DECIDE_PICTURES}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]


def _unreadable(path: Path, error: Exception) -> RunError:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return RunError(f"{path} is missing: a run in training writes it with its first sample sheet")
    return RunError(f"{path} cannot be read ({reason(error)}): copy it again, or train again")
