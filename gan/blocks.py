"""What the networks are built of, beside torch's own layers and gan.convolution."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


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


def activation(negative_slope: float) -> nn.Module:
    """Leaky ReLU, or ReLU where the slope is 0."""
    return nn.LeakyReLU(negative_slope, inplace=True) if negative_slope else nn.ReLU(inplace=True)
