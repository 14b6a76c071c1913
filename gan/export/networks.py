"""A model's networks as the browser asks them: what it would have to know beside the weights is in them, as constants.

Each is a module that `gan.export.onnx` writes as one file: `Picture`, `Critic`, `FirstGuess`, `Recognition` and
`Search`. All take any number of pictures at a time, and none lets one picture depend on another.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import interpolate

from gan.latent.encoder import Encoder
from gan.latent.projection import largest_z, loss_of
from gan.metrics.classifier import Classifier
from gan.models import Discriminator, Generator, fold
from gan.sampling import truncation_of
from gan.truncation import STEP, parts_of

aten = torch.ops.aten


class Picture(nn.Module):
    """z and psi -> the picture at that truncation (`gan.truncation`); psi = 1 is exactly what the generator draws.

    Args:
        generator: in eval mode; its averages are measured here.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        folded = fold(generator)
        self.stem = folded.stem
        self.parts = nn.ModuleList(parts_of(folded))
        constants = truncation_of(folded).constants()
        self.pulled = [mean is not None for mean, _, _ in constants]
        plain = round(1 / STEP)
        for site, (mean, gain, shift) in enumerate(constants):
            gain[plain], shift[plain] = 1, 0  # and not what rounding has left
            for name, tensor in (("mean", mean), ("gain", gain), ("shift", shift)):
                self.register_buffer(f"{name}{site}", tensor)
        self.register_buffer("levels", STEP * torch.arange(len(gain)))

    def forward(self, z: Tensor, psi: Tensor) -> Tensor:
        """z: (N, z_dim), psi: (N,) -> images: (N, C, H, W) in [-1, 1]."""
        shares = (1 - (psi[:, None] - self.levels).abs() / STEP).relu()  # of each measured psi: two are not 0
        wide = psi[:, None, None, None]
        first, *others = self.parts
        x = first(self.stem(z), z)
        for site, part in enumerate(others):
            if self.pulled[site]:
                x = x * wide + getattr(self, f"mean{site}") * (1 - wide)
            gain, shift = ((shares @ getattr(self, f"{name}{site}"))[:, :, None, None] for name in ("gain", "shift"))
            x = part(x * gain + shift, z * psi[:, None])
        return x


class Critic(nn.Module):
    """Picture -> the critic's score, 0 to 1: sigmoid of what it says of the picture rounded to 8 bits, as shown."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.discriminator = fold(discriminator)

    def forward(self, picture: Tensor) -> Tensor:
        """picture: (N, C, H, W) in [-1, 1] -> (N,)."""
        network = self.discriminator
        features = network.layers(((picture + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1)
        if network.minibatch_stddev:  # of a picture by itself, in which nothing is spread
            features = torch.cat([features, torch.full_like(features[:, :1], 1e-4)], dim=1)
        return network.head(features.flatten(1)).squeeze(1).sigmoid()


class FirstGuess(nn.Module):
    """Picture -> the encoder's z, where a search begins."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder, self.largest = encoder, largest_z(encoder.config)

    def forward(self, picture: Tensor) -> Tensor:
        """picture: (N, C, H, W) in [-1, 1] -> z: (N, z_dim)."""
        return self.encoder(picture).clamp(-self.largest, self.largest)


class Recognition(nn.Module):
    """Picture -> the classifier's features and probabilities.

    Args:
        size: of the pictures, pixels a side; they are resized here as the classifier does it.
    """

    def __init__(self, classifier: Classifier, size: int) -> None:
        super().__init__()
        self.classifier = classifier
        own = (classifier.image_size, classifier.image_size)
        self.resized = nn.Identity() if size == own[0] else _Resized((size, size), own, mode="bilinear", antialias=True)

    def features(self, picture: Tensor) -> Tensor:
        """picture: (N, C, size, size) in [-1, 1] -> (N, F)."""
        return self.classifier.features(self.resized(picture))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """picture: (N, C, size, size) in [-1, 1] -> features: (N, F), probabilities: (N, K)."""
        features = self.features(picture)
        return features, self.classifier.to_probabilities(self.classifier.head(features))


class Search(nn.Module):
    """One look of `gan.latent.projection.descend`: what a z draws, how far that is, and where it gets nearer.

    `traced` is the same in plain operations, without autograd.
    """

    OUTPUTS = ("picture", "loss", "error", "feature_distance", "gradient", "preconditioned")

    def __init__(self, generator: Generator, classifier: Classifier, encoder: Encoder | None = None) -> None:
        super().__init__()
        config = generator.config
        self.register_buffer("preconditioner", encoder.preconditioner if encoder else torch.eye(config.z_dim))
        self.generator = _simplified(fold(generator))
        self.recognition = Recognition(classifier, config.image_size)
        self.normal = config.z_distribution == "normal"
        self.example = (
            torch.zeros(2, config.z_dim),
            torch.zeros(2, config.channels, config.image_size, config.image_size),
            torch.ones(2, classifier.n_features),
        )

    def forward(self, z: Tensor, target: Tensor, target_features: Tensor) -> tuple[Tensor, ...]:
        """Look once.

        Args:
            z: (N, z_dim).
            target: (N, C, H, W) in [-1, 1], the picture that is looked for.
            target_features: (N, F), `Recognition` of it.

        Returns:
            `OUTPUTS`: the picture (N, C, H, W); the loss (N,), see `loss_of`, the mean squared error of its pixels,
            and the distance of its features over the length of the target's; the loss's gradient (N, z_dim), and that
            times the encoder's preconditioner.
        """

        def loss(z: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
            picture = self.generator(z)
            features = self.recognition.features(picture), target_features
            loss, error, squared = loss_of(z, picture, target, features, self.normal)
            return loss, (picture, error, squared.sqrt())

        found, backward, (picture, error, distance) = torch.func.vjp(loss, z, has_aux=True)
        (gradient,) = backward(torch.ones_like(found))
        return picture, found, error, distance, gradient, gradient @ self.preconditioner

    def traced(self) -> GraphModule:
        """`forward` as a graph of operations that ONNX has."""

        def look(z: Tensor, target: Tensor, target_features: Tensor) -> tuple[Tensor, ...]:
            return self(z, target, target_features)

        trace = make_fx(look, _IN_PLAIN_WORDS, tracing_mode="symbolic", _allow_non_fake_inputs=True)
        return trace(*self.example).eval()


class _Resized(nn.Module):
    """Pictures of another size by two products of matrices, the same numbers as `interpolate`'s."""

    def __init__(self, before: tuple[int, int], after: tuple[int, int], **how: object) -> None:
        super().__init__()
        for name, old, new in zip(("rows", "columns"), before, after, strict=True):
            matrix = interpolate(torch.eye(old)[None, None], (new, old), **how)[0, 0]
            self.register_buffer(name, matrix if name == "rows" else matrix.T.contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return self.rows @ x @ self.columns


class _Scaled(nn.Module):
    """What a batch norm does in eval mode."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.register_buffer("gain", gain[:, None, None])
        self.register_buffer("shift", (norm.bias - norm.running_mean * gain)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return x * self.gain + self.shift


def _simplified(network: Generator) -> Generator:
    """A copy of a folded generator whose layers all have a gradient in plain operations."""
    network, sizes = copy.deepcopy(network), {}
    upsamplings = [module for module in network.modules() if isinstance(module, nn.Upsample)]
    hooks = [
        module.register_forward_hook(lambda m, x, y: sizes.update({m: (x[0].shape[2:], y.shape[2:])}))
        for module in upsamplings
    ]
    network(torch.zeros(1, network.config.z_dim))
    for hook in hooks:
        hook.remove()
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Upsample):
                setattr(parent, name, _Resized(*sizes[child], mode=child.mode))
            elif isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, _Scaled(child))
            elif isinstance(child, (nn.ReLU, nn.LeakyReLU)):
                child.inplace = False
    return network


def _convolution_backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: list[int] | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    wanted: list[bool],
) -> tuple[Tensor, None, None]:
    """Towards the input: the other kind of convolution, with the same weight."""
    assert wanted == [True, False, False], "weights that want a gradient"
    missing = [0, 0]  # rows and columns that the convolution's stride left over
    if not transposed:
        reached = [(n - 1) * s - 2 * p + k for n, s, p, k in
                   zip(gradient.shape[2:], stride, padding, weight.shape[2:], strict=True)]  # fmt: skip
        missing = [n - r for n, r in zip(x.shape[2:], reached, strict=True)]
    back = aten.convolution(gradient, weight, None, stride, padding, dilation, not transposed, missing, groups)
    return back, None, None


def _slice_backward(gradient: Tensor, sizes: list[int], dim: int, start: int, end: int, step: int) -> Tensor:
    """Of a slice that takes everything, as `x[:, :, None]` has one."""
    assert start == 0 and step == 1 and end >= 2**31, "a slice that leaves something out"
    return gradient


def _threshold_backward(gradient: Tensor, x: Tensor, threshold: float) -> Tensor:
    return torch.where(x > threshold, gradient, 0.0)


def _leaky_relu_backward(gradient: Tensor, x: Tensor, slope: float, x_is_result: bool) -> Tensor:
    return torch.where(x > 0, gradient, gradient * slope)


def _tanh_backward(gradient: Tensor, y: Tensor) -> Tensor:
    return gradient * (1 - y * y)


# What a backward pass has of operations that ONNX lacks.
_IN_PLAIN_WORDS: dict[object, Callable] = {
    aten.convolution_backward.default: _convolution_backward,
    aten.leaky_relu_backward.default: _leaky_relu_backward,
    aten.slice_backward.default: _slice_backward,
    aten.tanh_backward.default: _tanh_backward,
    aten.threshold_backward.default: _threshold_backward,
}
