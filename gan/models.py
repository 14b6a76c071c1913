"""The generator and the discriminator, built from a `GANConfig`; weight initialisation; folding for inference.

Plain operations only (linear, convolution, norm, activation, nearest upsampling), each with a counterpart in ONNX.

TensorFlow's 'same' padding at stride 2 puts its odd pixel at the end, PyTorch's at the start. The
networks are each other's mirror image: same sizes, same parameters, same initial distribution.
"""

from __future__ import annotations

import copy
import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from gan.blocks import (
    GrownInput,
    GrownPicture,
    InputLevel,
    Layers,
    ModulatedBatchNorm2d,
    NormalizedLinear,
    PictureLevel,
    Residual,
    activation,
    minibatch_stddev,
)
from gan.config import GANConfig
from gan.convolution import Conv2d, ConvTranspose2d


class Generator(nn.Module):
    """z -> linear stem -> transposed convolutions -> tanh (DCGAN, Radford et al. 2016, arXiv:1511.06434).

    With `g_residual` each but the last has a shortcut around it (`Residual`); with `g_modulated` z also sets the scale
    and shift of every batch norm (`ModulatedBatchNorm2d`); with `g_normalize_z` the stem sees z's direction alone
    (`NormalizedLinear`); with `grown_channels` the last one has levels on top (`GrownPicture`).

    Attributes:
        config: the `GANConfig` it was built from.
    """

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.base_channels * m for m in config.g_multipliers] + [config.channels]
        sizes = config.sizes

        def hidden(channels: int) -> list[nn.Module]:
            norm = ModulatedBatchNorm2d(channels, config.z_dim) if config.g_modulated else nn.BatchNorm2d(channels)
            layers: list[nn.Module] = [norm, activation(config.g_leaky_slope)]
            return layers + ([nn.Dropout(config.g_dropout)] if config.g_dropout else [])

        # A stem without batch norm needs its bias whatever g_bias says.
        stem_bias = config.g_bias or not config.g_stem_norm
        linear = NormalizedLinear if config.g_normalize_z else nn.Linear
        self.stem = linear(config.z_dim, widths[0] * sizes[0] ** 2, bias=stem_bias)
        layers: list[nn.Module] = [nn.Unflatten(1, (widths[0], sizes[0], sizes[0]))]
        last = len(config.g_strides) - 1
        for i, stride in enumerate(config.g_strides):
            padding = (config.kernel_size - 1) // 2
            natural = (sizes[i] - 1) * stride - 2 * padding + config.kernel_size
            convolution = ConvTranspose2d(
                widths[i],
                widths[i + 1],
                config.kernel_size,
                stride,
                padding,
                output_padding=sizes[i + 1] - natural,
                bias=config.g_bias,
            )
            block = [*(hidden(widths[i]) if i > 0 or config.g_stem_norm else []), convolution]
            if i == last and config.grown_channels:
                levels = [
                    PictureLevel(below, width, config.channels, hidden)
                    for below, width in itertools.pairwise((widths[i], *config.grown_channels))
                ]
                block[-1] = GrownPicture(convolution, levels)
            residual = config.g_residual and i < last
            layers += [Residual(block, widths[i], widths[i + 1], sizes[i + 1])] if residual else block
        self.layers = Layers(*layers, nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        """z: (N, z_dim) float32 -> images: (N, C, H, W) in [-1, 1]."""
        return self.layers(self.stem(z), z)


class Discriminator(nn.Module):
    """Picture -> convolutions -> linear -> one logit, higher for real (the critic)."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels] + [config.base_channels * m for m in config.d_multipliers]
        spectral = config.d_norm == "spectral"
        constrain = nn.utils.parametrizations.spectral_norm if spectral else nn.Identity()
        layers: list[nn.Module] = []
        for i, stride in enumerate(config.d_strides):
            padding = (config.kernel_size - 1) // 2
            layers.append(
                constrain(Conv2d(widths[i], widths[i + 1], config.kernel_size, stride, padding, bias=config.d_bias))
            )
            if i == 0 and config.grown_channels:
                levels = [
                    InputLevel(
                        constrain(nn.Conv2d(config.channels, width, 4, 2, 1, bias=config.d_bias)),
                        activation(config.d_leaky_slope),
                        constrain(nn.Conv2d(width, below, 4, 2, 1, bias=config.d_bias)),
                    )
                    for below, width in itertools.pairwise((widths[1], *config.grown_channels))
                ]
                layers[0] = GrownInput(layers[0], levels)
            if config.d_norm == "batch" and i > 0:
                layers.append(nn.BatchNorm2d(widths[i + 1]))
            layers.append(activation(config.d_leaky_slope))
            if config.d_dropout and (i > 0 or config.d_dropout_first):
                layers.append(nn.Dropout(config.d_dropout))
        self.layers = nn.Sequential(*layers)
        self.minibatch_stddev = config.d_minibatch_stddev
        features = (widths[-1] + self.minibatch_stddev) * config.d_sizes[-1] ** 2
        self.head = constrain(nn.Linear(features, 1))

    def forward(self, images: Tensor) -> Tensor:
        """images: (N, C, H, W) in [-1, 1] -> logits: (N,) float32."""
        features = self.layers(images)
        if self.minibatch_stddev:
            features = torch.cat([features, minibatch_stddev(features)], dim=1)
        return self.head(features.flatten(1)).float().squeeze(1)


def grown_parameters(network: Generator | Discriminator) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters of a network's grown levels, and all others."""
    grown = [module for module in network.modules() if isinstance(module, (GrownPicture, GrownInput))]
    levels = {parameter for module in grown for parameter in module.levels.parameters()}
    return [p for p in network.parameters() if p in levels], [p for p in network.parameters() if p not in levels]


def initialise(network: nn.Module) -> None:
    """Overwrite all weights as `network.config.init` says; biases become 0 and batch norm the identity.

    "normal" is N(0, 0.02), and N(1, 0.02) for batch norm's scale (DCGAN); "xavier" is Glorot's uniform.
    """
    normal = network.config.init == "normal"
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            # Under spectral norm `weight` is computed from `original`.
            weight = module.parametrizations.weight.original if hasattr(module, "parametrizations") else module.weight
            nn.init.normal_(weight, 0.0, 0.02) if normal else nn.init.xavier_uniform_(weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02) if normal else nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, GrownPicture):
            for level in module.levels:
                nn.init.zeros_(level.picture[-1].weight)


def fold(network: Generator | Discriminator) -> Generator | Discriminator:
    """A copy for inference: batch norm multiplied into the layer before it, spectral norm applied once, no dropout.

    Gives the same as `network.eval()` up to rounding, in fewer and smaller operations. (Under spectral norm every
    call divides the weights by their norm anew, which takes longer than judging one picture.) Around `Residual`
    blocks batch norm stays: the shortcut needs what comes before it. A modulated one is one operation afterwards.
    A folded network may be folded again: its copy gives the same.
    """
    folded = copy.deepcopy(network).eval()
    for module in list(folded.modules()):
        if parametrize.is_parametrized(module, "weight"):
            _settle(module)
        if isinstance(module, ModulatedBatchNorm2d):
            module.absorb_norm()
    layers: list[nn.Module] = []
    for module in folded.layers:
        norm = isinstance(module, nn.BatchNorm2d)
        if norm and isinstance(layers[-1], (nn.Conv2d, nn.ConvTranspose2d)):
            transposed = isinstance(layers[-1], nn.ConvTranspose2d)
            layers[-1] = fuse_conv_bn_eval(layers[-1], module, transpose=transposed)
        elif norm and isinstance(layers[-1], nn.Unflatten):  # the stem's: one statistic per channel, for all its pixels
            pixels = folded.stem.out_features // module.num_features
            flat = nn.BatchNorm1d(folded.stem.out_features, eps=module.eps).eval()
            flat.load_state_dict(
                {
                    name: value if value.ndim == 0 else value.repeat_interleave(pixels)
                    for name, value in module.state_dict().items()
                }
            )
            folded.stem = fuse_linear_bn_eval(folded.stem, flat)
        elif not isinstance(module, nn.Dropout):
            layers.append(module)
    folded.layers = type(folded.layers)(*layers)
    return folded.requires_grad_(False)


def _settle(module: nn.Module) -> None:
    """Make a parametrised weight a plain one. PyTorch's own way empties the class, which copies share."""
    weight, plain = module.weight.detach(), parametrize.type_before_parametrizations(module)
    del module.parametrizations
    module.__class__ = plain
    module.weight = nn.Parameter(weight)


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers in a network."""
    return sum(p.numel() for p in network.parameters())


def parameter_counts(config: GANConfig) -> tuple[int, int]:
    """Of a config's generator and its critic, neither of which is made.

    Raises:
        RuntimeError, OverflowError, TypeError: sizes that torch cannot count.
    """
    if config.d_norm == "spectral":  # it has no parameters, and on the meta device it takes seconds of a core
        config = config.replace(d_norm="none")
    with torch.device("meta"):
        return count_parameters(Generator(config)), count_parameters(Discriminator(config))
