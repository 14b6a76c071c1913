"""The generator and the discriminator, built from a `GANConfig`; weight initialisation; folding for inference.

Plain operations only (linear, convolution, norm, activation, nearest upsampling), each with a counterpart in ONNX.

TensorFlow's 'same' padding at stride 2 puts its odd pixel at the end, PyTorch's at the start. The
networks are each other's mirror image: same sizes, same parameters, same initial distribution.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

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
            layers: list[nn.Module] = [norm, _activation(config.g_leaky_slope)]
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


class Layers(nn.Sequential):
    """A generator's layers, one after the other; those that look at z get it."""

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x: (N, C, H, W) or what the first layer takes, z: (N, z_dim) -> what the last layer gives."""
        for layer in self:
            x = layer(x, z) if isinstance(layer, (ModulatedBatchNorm2d, Residual, GrownPicture)) else layer(x)
        return x


class NormalizedLinear(nn.Linear):
    """A linear layer whose inputs of n numbers are first brought to length sqrt(n): latents on a sphere.

    ProGAN's (Karras et al. 2018, arXiv:1710.10196, appendix A.1).
    """

    def forward(self, z: Tensor) -> Tensor:
        """z: (N, n) -> (N, out_features); a z of 0 stays 0."""
        return super().forward(z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8))


class ModulatedBatchNorm2d(nn.Module):
    """Batch norm with a further scale and shift, linear in z: self-modulation (Chen et al. 2019, arXiv:1810.01365).

    Through it z reaches every resolution, not the stem alone. (The paper has a small network in place of one linear
    layer.)
    """

    def __init__(self, channels: int, z_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.style = nn.Linear(z_dim, 2 * channels, bias=False)
        self.register_load_state_dict_pre_hook(_modulated_by_nothing)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x: (N, C, H, W), z: (N, z_dim) -> (N, C, H, W)."""
        scale, shift = self.style(z)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, self.norm(x), 1 + scale)

    @torch.no_grad()
    def absorb_norm(self) -> None:
        """Multiply the batch norm of eval mode into the linear layer; from then on that is all there is.

        Changes nothing where it was done before.
        """
        if isinstance(self.norm, nn.Identity):
            return
        gain = self.norm.weight / (self.norm.running_var + self.norm.eps).sqrt()
        offset = self.norm.bias - self.norm.running_mean * gain
        scale, shift = self.style.weight.chunk(2)
        self.style.weight = nn.Parameter(torch.cat([gain[:, None] * scale, offset[:, None] * scale + shift]))
        self.style.bias = nn.Parameter(torch.cat([gain - 1, offset]))
        self.norm = nn.Identity()


def _modulated_by_nothing(module: ModulatedBatchNorm2d, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Let a plain batch norm's state be loaded: without modulation the two are the same."""
    if f"{prefix}running_mean" in state:
        for name in module.norm.state_dict():
            state[f"{prefix}norm.{name}"] = state.pop(prefix + name)
        state[f"{prefix}style.weight"] = torch.zeros_like(module.style.weight)


class Residual(nn.Module):
    """A block of layers beside a 1x1 convolution and nearest upsampling, added up (He et al. 2016, arXiv:1603.05027).

    What comes in goes past the block's batch norm and activation, which stand before its convolution.
    """

    def __init__(self, block: list[nn.Module], in_channels: int, out_channels: int, size: int) -> None:
        super().__init__()
        self.block = Layers(*block)
        # The convolution first: fewer pixels then, and the same result.
        self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.Upsample(size))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x: (N, in_channels, H, W), z: (N, z_dim) -> (N, out_channels, size, size)."""
        return self.block(x, z) + self.shortcut(x)


class GrownPicture(nn.Module):
    """A generator's last layer with levels on top, each of which doubles the picture.

    The picture before tanh is a sum over sizes (output skips of StyleGAN2, Karras et al. 2020, arXiv:1912.04958). A
    level begins at 0 (`initialise`): a model that has just grown draws what it drew, enlarged.

    Attributes:
        base: the layer that draws the picture without them.
        levels: `PictureLevel`s, the coarsest first.
    """

    def __init__(self, base: nn.Module, levels: list[PictureLevel]) -> None:
        super().__init__()
        self.base, self.levels = base, nn.ModuleList(levels)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear")
        self.register_load_state_dict_pre_hook(_not_grown_yet)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x: (N, in_channels, H, W), z: (N, z_dim) -> (N, channels, H', W'), H' twice the base's for each level."""
        picture = self.base(x)
        for level in self.levels:
            x = level.features(x, z)
            picture = self.enlarge(picture) + level.picture(x, z)
        return picture


class PictureLevel(nn.Module):
    """One of `GrownPicture`'s: features of twice the size, and what they add to the picture of twice their size.

    Enlarging with straight lines and then convolving leaves no grid; transposed convolutions did (Odena et al. 2016,
    "Deconvolution and Checkerboard Artifacts").
    """

    def __init__(self, in_channels: int, width: int, channels: int, hidden: Callable[[int], list[nn.Module]]) -> None:
        super().__init__()
        finest = max(1, width // 2)
        self.features = Layers(*_doubled(in_channels, width), *hidden(width))
        self.picture = Layers(
            *_doubled(width, finest), *hidden(finest), nn.Conv2d(finest, channels, 3, padding=1, bias=False)
        )


def _doubled(in_channels: int, out_channels: int) -> list[nn.Module]:
    """(N, in_channels, H, W) -> (N, out_channels, 2 H, 2 W); fewer channels first, while there are fewer pixels."""
    return [
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
    ]


class GrownInput(nn.Module):
    """A discriminator's first layer with levels before it: it sees the reduced picture, and what they add.

    Each addition has a gain per channel, small at first and learned: what the layers behind know stays true meanwhile.
    (A fade-in that the network decides on; ProGAN's follows a clock, Karras et al. 2018, arXiv:1710.10196.)

    Attributes:
        base: the first layer without them.
        levels: `InputLevel`s, the coarsest first.
    """

    def __init__(self, base: nn.Module, levels: list[InputLevel]) -> None:
        super().__init__()
        self.base, self.levels = base, nn.ModuleList(levels)
        self.register_load_state_dict_pre_hook(_not_grown_yet)

    def forward(self, picture: Tensor) -> Tensor:
        """picture: (N, channels, H, W) -> (N, out_channels, H', W'), as the base gives for the reduced picture."""
        added: Tensor | float = 0.0
        for level in reversed(self.levels):
            added = level.gain * level.add(level.activation(level.see(picture) + added))
            picture = functional.avg_pool2d(picture, 2)
        return self.base(picture) + added


class InputLevel(nn.Module):
    """One of `GrownInput`'s: from the picture to what is added two sizes below."""

    GAIN = 0.05

    def __init__(self, see: nn.Module, activation: nn.Module, add: nn.Module) -> None:
        super().__init__()
        self.see, self.activation, self.add = see, activation, add
        self.gain = nn.Parameter(torch.full((add.out_channels, 1, 1), self.GAIN))


def _not_grown_yet(module: GrownPicture | GrownInput, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Let the state of the smaller model be loaded: levels that it lacks keep their own."""
    given = [name for name in state if name.startswith(prefix)]
    if given and not any(name.startswith(f"{prefix}base.") for name in given):
        for name in given:
            state[f"{prefix}base.{name.removeprefix(prefix)}"] = state.pop(name)
    for number, level in enumerate(module.levels):
        place = f"{prefix}levels.{number}."
        if not any(name.startswith(place) for name in state):
            state.update({place + name: tensor.clone() for name, tensor in level.state_dict().items()})


def grown_parameters(network: Generator | Discriminator) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters of a network's grown levels, and all others."""
    grown = [module for module in network.modules() if isinstance(module, (GrownPicture, GrownInput))]
    levels = {parameter for module in grown for parameter in module.levels.parameters()}
    return [p for p in network.parameters() if p in levels], [p for p in network.parameters() if p not in levels]


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
                        _activation(config.d_leaky_slope),
                        constrain(nn.Conv2d(width, below, 4, 2, 1, bias=config.d_bias)),
                    )
                    for below, width in itertools.pairwise((widths[1], *config.grown_channels))
                ]
                layers[0] = GrownInput(layers[0], levels)
            if config.d_norm == "batch" and i > 0:
                layers.append(nn.BatchNorm2d(widths[i + 1]))
            layers.append(_activation(config.d_leaky_slope))
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


def minibatch_stddev(features: Tensor, group: int = 4) -> Tensor:
    """Mean spread of the features over groups of pictures (Karras et al. 2018, Progressive GAN).

    Args:
        features: (N, C, H, W).
        group: pictures per group; the whole batch where N is no multiple of it.

    Returns:
        (N, 1, H, W), the same number for every picture of a group.
    """
    n, _, height, width = features.shape
    group = group if n % group == 0 else n
    grouped = features.float().reshape(group, n // group, -1)
    spread = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=1)  # (n // group,)
    return spread.repeat(group).to(features.dtype).view(n, 1, 1, 1).expand(n, 1, height, width)


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


def _activation(negative_slope: float) -> nn.Module:
    return nn.LeakyReLU(negative_slope, inplace=True) if negative_slope else nn.ReLU(inplace=True)
