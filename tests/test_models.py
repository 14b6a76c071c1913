"""Both networks of every preset against their sources' tables, layer by layer, and folding.

Long because the tables of every preset's layers stand in it as they stand in their sources.
"""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan.blocks import (
    GrownInput,
    GrownPicture,
    Layers,
    ModulatedBatchNorm2d,
    NormalizedLinear,
    Residual,
    minibatch_stddev,
)
from gan.config import GANConfig
from gan.models import Discriminator, Generator, count_parameters, fold, initialise
from gan.presets import PRESETS


def linear(inputs, outputs, bias=True):
    return [(outputs, inputs)] + [(outputs,)] * bias


def conv(inputs, outputs, kernel, bias):
    return [(outputs, inputs, kernel, kernel)] + [(outputs,)] * bias


def deconv(inputs, outputs, kernel, bias):
    return [(inputs, outputs, kernel, kernel)] + [(outputs,)] * bias


def norm(channels):
    return [(channels,), (channels,)]


def modulated_norm(z, channels):
    return [*norm(channels), *linear(z, 2 * channels, bias=False)]


def dcgan_generator(z, width):
    return [
        *linear(z, 8 * width * 4 * 4, bias=False), *norm(8 * width),
        *deconv(8 * width, 4 * width, 4, False), *norm(4 * width),
        *deconv(4 * width, 2 * width, 4, False), *norm(2 * width),
        *deconv(2 * width, width, 4, False), *norm(width),
        *deconv(width, 3, 4, False),
    ]  # fmt: skip


def own_generator(z, width):
    """The same with a 1x1 convolution beside each transposed one but the last; batch norm, by z modulated, before."""
    modulated = functools.partial(modulated_norm, z)
    return [
        *linear(z, 8 * width * 4 * 4, bias=False),
        *modulated(8 * width), *deconv(8 * width, 4 * width, 4, False), *conv(8 * width, 4 * width, 1, False),
        *modulated(4 * width), *deconv(4 * width, 2 * width, 4, False), *conv(4 * width, 2 * width, 1, False),
        *modulated(2 * width), *deconv(2 * width, width, 4, False), *conv(2 * width, width, 1, False),
        *modulated(width), *deconv(width, 3, 4, False),
    ]  # fmt: skip


def generator28(channels, z):
    """A fully connected layer to 4x4x256, then 5x5 transposed convolutions to 7, 14 and 28 pixels."""
    return [
        *linear(z, 4 * 4 * 256), *norm(256),
        *deconv(256, 128, 5, True), *norm(128),
        *deconv(128, 64, 5, True), *norm(64),
        *deconv(64, channels, 5, True),
    ]  # fmt: skip


def discriminator28(channels, normed=True):
    return [
        *conv(channels, 64, 5, True),
        *conv(64, 128, 5, True), *norm(128) * normed,
        *conv(128, 256, 5, True), *norm(256) * normed,
        *linear(4 * 4 * 256, 1),
    ]  # fmt: skip


def generator32(z):
    return [
        *linear(z, 128 * 4 * 4),
        *deconv(128, 64, 4, False), *norm(64),
        *deconv(64, 32, 4, False), *norm(32),
        *deconv(32, 3, 4, False),
    ]  # fmt: skip


DISCRIMINATOR32 = [
    *conv(3, 32, 4, False),
    *conv(32, 64, 4, False), *norm(64),
    *conv(64, 128, 4, False), *norm(128),
    *linear(2048, 1),
]  # fmt: skip

OWN = PRESETS["faces64"]  # its width and z come out of a sweep and may change; its shape may not
LAYERS = {
    "cfcv-celeba28": (
        [
            *linear(100, 7 * 7 * 512), *norm(512),
            *deconv(512, 256, 5, True), *norm(256),
            *deconv(256, 128, 5, True), *norm(128),
            *deconv(128, 64, 5, True), *norm(64),
            *deconv(64, 3, 5, True),
        ],
        [
            *conv(3, 64, 5, True),
            *conv(64, 128, 5, True), *norm(128),
            *conv(128, 256, 5, True), *norm(256),
            *conv(256, 512, 5, True), *norm(512),
            *linear(4 * 4 * 512, 1),
        ],
    ),
    "andreipop-celeba32": (generator32(120), DISCRIMINATOR32),
    "smooth-mnist28": (generator28(1, 5), discriminator28(1)),
    "smooth-celeba28": (generator28(3, 100), discriminator28(3)),
    "dlnd-mnist28": (generator28(1, 5), discriminator28(1, normed=False)),
    "dlnd-celeba28": (generator28(3, 100), discriminator28(3, normed=False)),
    "nadim-celeba32": (generator32(100), DISCRIMINATOR32),
    "dcgan64": (
        dcgan_generator(100, 64),
        [
            *conv(3, 64, 4, False),
            *conv(64, 128, 4, False), *norm(128),
            *conv(128, 256, 4, False), *norm(256),
            *conv(256, 512, 4, False), *norm(512),
            *linear(4 * 4 * 512, 1),
        ],
    ),
    "faces64": (
        own_generator(OWN.z_dim, OWN.base_channels),
        [
            shape
            for inputs, outputs in ((3 / OWN.base_channels, 1), (1, 2), (2, 4), (4, 8))
            for shape in conv(round(inputs * OWN.base_channels), outputs * OWN.base_channels, 4, True)
        ]
        + linear(4 * 4 * 8 * OWN.base_channels, 1),
    ),
}  # fmt: skip
LAYERS["faces128"] = (  # a level on top of each
    LAYERS["faces64"][0]
    + conv(48, 24, 1, False) + conv(24, 24, 3, False) + modulated_norm(128, 24)
    + conv(24, 12, 1, False) + conv(12, 12, 3, False) + modulated_norm(128, 12) + conv(12, 3, 3, False),
    LAYERS["faces64"][1][:2] + conv(3, 24, 4, True) + conv(24, 48, 4, True) + LAYERS["faces64"][1][2:],
)  # fmt: skip

# The same sums, worked out by hand: weights + biases + two numbers a channel for batch norm.
COUNTS = {
    "cfcv-celeba28": (
        (100 + 1) * 25_088 + 1024
        + 512 * 256 * 25 + 256 + 512
        + 256 * 128 * 25 + 128 + 256
        + 128 * 64 * 25 + 64 + 128
        + 64 * 3 * 25 + 3,
        3 * 64 * 25 + 64
        + 64 * 128 * 25 + 128 + 256
        + 128 * 256 * 25 + 256 + 512
        + 256 * 512 * 25 + 512 + 1024
        + 8192 + 1,
    ),
    "andreipop-celeba32": (413_376, 3 * 32 * 16 + 32 * 64 * 16 + 128 + 64 * 128 * 16 + 256 + 2048 + 1),
    "nadim-celeba32": (413_376 - 20 * 2048, 3 * 32 * 16 + 32 * 64 * 16 + 128 + 64 * 128 * 16 + 256 + 2048 + 1),
    "smooth-mnist28": (
        (5 + 1) * 4096 + 512 + 256 * 128 * 25 + 128 + 256 + 128 * 64 * 25 + 64 + 128 + 64 * 25 + 1,
        64 * 25 + 64 + 64 * 128 * 25 + 128 + 256 + 128 * 256 * 25 + 256 + 512 + 4096 + 1,
    ),
    "dcgan64": (
        3_576_704,  # as the PyTorch tutorial's, which everyone has counted
        2_765_568 + 1,  # as the tutorial's, whose last layer is a convolution without a bias
    ),
}  # fmt: skip
COUNTS["dlnd-mnist28"] = (
    COUNTS["smooth-mnist28"][0],
    COUNTS["smooth-mnist28"][1] - 256 - 512,  # neither no norm nor spectral norm has parameters of its own
)
for system in ("smooth", "dlnd"):
    COUNTS[f"{system}-celeba28"] = (
        COUNTS[f"{system}-mnist28"][0] + (100 - 5) * 4096 + 2 * (64 * 25 + 1),  # a longer z, two more colours to draw
        COUNTS[f"{system}-mnist28"][1] + 2 * 64 * 25,  # and to look at
    )

presets = pytest.mark.parametrize("name", PRESETS)


def shapes(network):
    """Of weights, then biases, in layer order; spectral norm keeps its weights elsewhere than `parameters()`."""
    tensors = (getattr(module, name, None) for module in network.modules() for name in ("weight", "bias"))
    return [tuple(tensor.shape) for tensor in tensors if isinstance(tensor, torch.Tensor)]


@presets
def test_layers_follow_the_source(name):
    generator, discriminator = LAYERS[name]
    assert shapes(Generator(PRESETS[name])) == generator
    assert shapes(Discriminator(PRESETS[name])) == discriminator


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts_worked_out_by_hand(name):
    config = PRESETS[name]
    assert (count_parameters(Generator(config)), count_parameters(Discriminator(config))) == COUNTS[name]


def feature_map_sizes(network, inputs):
    sizes = []
    hooks = [
        module.register_forward_hook(lambda _, __, output: sizes.append(output.shape[-1]))
        for module in network.modules()
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))
    ]
    with torch.no_grad():
        output = network.eval()(inputs)
    for hook in hooks:
        hook.remove()
    return sizes, output


@pytest.mark.parametrize(
    ("name", "inwards", "outwards"),
    [
        ("cfcv-celeba28", [14, 7, 4, 4], [14, 28, 28, 28]),
        ("andreipop-celeba32", [16, 8, 4], [8, 16, 32]),
        ("nadim-celeba32", [16, 8, 4], [8, 16, 32]),
        ("smooth-mnist28", [14, 7, 4], [7, 14, 28]),
        ("smooth-celeba28", [14, 7, 4], [7, 14, 28]),
        ("dlnd-mnist28", [14, 7, 4], [7, 14, 28]),
        ("dlnd-celeba28", [14, 7, 4], [7, 14, 28]),
        ("dcgan64", [32, 16, 8, 4], [8, 16, 32, 64]),
        ("faces64", [32, 16, 8, 4], [8, 4, 16, 8, 32, 16, 64]),  # a shortcut's convolution comes before it widens
        ("faces128", [64, 32, 32, 16, 8, 4], [8, 4, 16, 8, 32, 16, 64, 32, 64, 64, 128, 128]),
    ],
)
def test_feature_map_sizes_and_ranges(name, inwards, outwards):
    config = PRESETS[name]
    sizes, images = feature_map_sizes(Generator(config), 5 * torch.randn(2, config.z_dim))
    assert sizes == outwards
    assert images.shape == (2, config.channels, config.image_size, config.image_size)
    assert images.abs().max() <= 1
    assert images.std() > 0
    sizes, logits = feature_map_sizes(Discriminator(config), images)
    assert sizes == inwards
    assert logits.shape == (2,)


# What the sources put behind each weight layer, and which dropout.
BLOCKS = {
    "cfcv-celeba28": (
        "BLD TBLD TBLD TBLD Th", "CLD CBLD CBLD CBLD", (0.2, 0.2),
    ),
    "andreipop-celeba32": ("TBR TBR Th", "CL CBL CBL", (0, 0)),
    "nadim-celeba32": ("TBR TBR Th", "CL CBL CBL", (0, 0)),
    "smooth-mnist28": ("BR TBR TBR Th", "CL CBLD CBLD", (0, 0.5)),
    "smooth-celeba28": ("BR TBR TBR Th", "CL CBLD CBLD", (0, 0.5)),
    "dlnd-mnist28": ("BR TBR TBR Th", "CL CL CL", (0, 0)),
    "dlnd-celeba28": ("BR TBR TBR Th", "CL CL CL", (0, 0)),
    "dcgan64": ("BR TBR TBR TBR Th", "CL CBL CBL CBL", (0, 0)),
    "faces64": ("(MRT+CU) (MRT+CU) (MRT+CU) MR Th", "CL CL CL CL", (0, 0)),
    "faces128": ("(MRT+CU) (MRT+CU) (MRT+CU) MR (T+CUCMR+CUCMRC)h", "(C+C+L+C)L CL CL CL", (0, 0)),
}  # fmt: skip
# Plain operations only, each with an ONNX counterpart: the generator shall run in a browser too.
LETTERS = {
    nn.ConvTranspose2d: "T", nn.Conv2d: "C", nn.BatchNorm2d: "B", nn.ReLU: "R", nn.LeakyReLU: "L",
    nn.Dropout: "D", nn.Tanh: "h", nn.Upsample: "U", nn.Unflatten: "", ModulatedBatchNorm2d: "M",
}  # fmt: skip


@presets
def test_order_of_the_layers(name):
    generator, discriminator = Generator(PRESETS[name]), Discriminator(PRESETS[name])
    expected_g, expected_d, dropouts = BLOCKS[name]

    def letter(layer):
        if isinstance(layer, Residual):
            return f"({letters(layer.block)}+{letters(layer.shortcut)})"
        if isinstance(layer, (GrownPicture, GrownInput)):
            levels = [letters(part) if isinstance(part, Layers) else letter(part) for level in layer.levels
                      for part in level.children()]  # fmt: skip
            return f"({'+'.join([letter(layer.base), *levels])})"
        # isinstance, because spectral norm makes a subclass of each layer it wraps
        return next(letter for kind, letter in LETTERS.items() if isinstance(layer, kind))

    def letters(layers):
        return "".join(map(letter, layers))

    assert letters(generator.layers) == expected_g.replace(" ", "")
    assert letters(discriminator.layers) == expected_d.replace(" ", "")
    spectral = [
        hasattr(m, "parametrizations") for m in discriminator.modules() if isinstance(m, (nn.Conv2d, nn.Linear))
    ]
    assert set(spectral) == {PRESETS[name].d_norm == "spectral"}
    stem = NormalizedLinear if PRESETS[name].g_normalize_z else nn.Linear
    assert [type(child) for child in generator.children()] == [stem, Layers]
    for network, dropout, slope in zip(
        (generator, discriminator),
        dropouts,
        (PRESETS[name].g_leaky_slope, PRESETS[name].d_leaky_slope),
        strict=True,
    ):
        assert {m.p for m in network.modules() if isinstance(m, nn.Dropout)} == ({dropout} if dropout else set())
        assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} <= {slope}


def test_dropout_acts_in_training_only():
    config = PRESETS["cfcv-celeba28"]
    torch.manual_seed(0)
    z, images = torch.randn(4, config.z_dim), torch.rand(4, 3, 28, 28)
    for network, inputs in ((Generator(config), z), (Discriminator(config), images)):
        initialise(network)
        with torch.no_grad():
            assert not torch.equal(network.train()(inputs), network(inputs))
            assert torch.equal(network.eval()(inputs), network(inputs))


def weights_of(network, kinds):
    return [m.weight for m in network.modules() if isinstance(m, kinds)]


def test_normal_initialisation():
    torch.manual_seed(0)
    for network in (Generator(PRESETS["dcgan64"]), Discriminator(PRESETS["dcgan64"])):
        for p in network.parameters():
            nn.init.constant_(p, 7.0)  # so that whatever is left alone shows
        initialise(network)
        for weight in weights_of(network, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            n = weight.numel()
            assert abs(weight.mean()) < 5 * 0.02 / n**0.5
            assert abs(weight.std() - 0.02) < 5 * 0.02 / (2 * n) ** 0.5
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert abs(module.weight.mean() - 1) < 5 * 0.02 / len(module.weight) ** 0.5
                assert 0.01 < module.weight.std() < 0.03
                assert not module.bias.any()
            elif getattr(module, "bias", None) is not None:
                assert not module.bias.any()


def test_xavier_initialisation():
    torch.manual_seed(0)
    config = PRESETS["smooth-mnist28"]
    generator, discriminator = Generator(config), Discriminator(config)
    for network in (generator, discriminator):
        for p in network.parameters():
            nn.init.constant_(p, 7.0)
        initialise(network)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert (module.weight == 1).all()
            if getattr(module, "bias", None) is not None:
                assert not module.bias.any()
    # Uniform within sqrt(6 / (fan in + fan out)), fans counted over the 5x5 window.
    for weight, fans in (
        (generator.stem.weight, config.z_dim + 4096),
        (generator.layers[3].weight, (256 + 128) * 25),
        (discriminator.layers[0].weight, (1 + 64) * 25),
        (discriminator.head.weight, 4096 + 1),
    ):
        bound = (6 / fans) ** 0.5
        assert 0.98 * bound < weight.abs().max() <= bound
        assert abs(weight.std() / (bound / 3**0.5) - 1) < 0.05


def randomise_batch_norm(network):
    """Statistics as after a training, not the identity that folding could forget unnoticed."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.5)
            nn.init.uniform_(module.running_var, 0.2, 3.0)
            nn.init.normal_(module.weight, 1, 0.3)
            nn.init.normal_(module.bias, 0, 0.3)


@presets
def test_folding_batch_norm_keeps_the_pictures(name):
    torch.manual_seed(0)
    config = PRESETS[name]
    generator = Generator(config)
    randomise_batch_norm(generator)
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    z = torch.randn(3, config.z_dim)

    folded = fold(generator.train())

    with torch.no_grad():
        torch.testing.assert_close(folded(z), generator.eval()(z), rtol=1e-4, atol=1e-5)
    assert torch.equal(fold(folded)(z), folded(z))
    kinds = {type(m) for m in folded.modules()}
    assert not kinds & {nn.BatchNorm1d, nn.Dropout}
    assert (nn.BatchNorm2d in kinds) == (config.g_residual and not config.g_modulated)
    assert not folded.training
    assert not any(p.requires_grad for p in folded.parameters())
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())


@presets
def test_folding_keeps_the_critics_judgement(name):
    torch.manual_seed(0)
    config = PRESETS[name]
    discriminator = Discriminator(config)
    initialise(discriminator)
    randomise_batch_norm(discriminator)
    images = torch.rand(3, config.channels, config.image_size, config.image_size) * 2 - 1
    expected = discriminator.eval()(images)

    folded = fold(discriminator)

    torch.testing.assert_close(folded(images), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(fold(folded)(images), folded(images))
    assert torch.equal(discriminator(images), expected)  # it still judges, as before
    names = set(folded.state_dict())
    assert not [key for key in names if "parametrizations" in key or "running" in key]
    assert not {type(m) for m in folded.modules()} & {nn.BatchNorm2d, nn.Dropout}
    assert any(p.requires_grad for p in discriminator.parameters())


RESIDUAL = GANConfig(image_size=28, channels=1, z_dim=8, base_channels=4, kernel_size=5, g_residual=True,
                     g_multipliers=(4, 2, 3, 1), g_strides=(2, 1, 2, 2), g_leaky_slope=0.1)  # fmt: skip


@pytest.mark.parametrize("stem_norm", [True, False])
def test_residual_generator_worked_out_by_hand(stem_norm):
    torch.manual_seed(0)
    generator = Generator(RESIDUAL.replace(g_stem_norm=stem_norm)).eval()
    randomise_batch_norm(generator)
    weights = dict(generator.state_dict())

    def normed(x, name):
        kinds = ("running_mean", "running_var", "weight", "bias")
        mean, var, scale, bias = (weights[f"{name}.{kind}"].view(1, -1, 1, 1) for kind in kinds)
        return F.leaky_relu((x - mean) / (var + 1e-5).sqrt() * scale + bias, 0.1)

    z = torch.randn(3, 8)
    x = (z @ weights["stem.weight"].T + (0 if stem_norm else weights["stem.bias"])).view(3, 16, 4, 4)
    for i, (stride, extra) in enumerate([(2, 0), (1, 0), (2, 1)], start=1):  # 4 -> 7 -> 7 -> 14
        with_norm = stem_norm or i > 1
        inner = normed(x, f"layers.{i}.block.0") if with_norm else x
        kernel = weights[f"layers.{i}.block.{2 if with_norm else 0}.weight"]
        inner = F.conv_transpose2d(inner, kernel, stride=stride, padding=2, output_padding=extra)
        rows = torch.arange(inner.shape[2]) * x.shape[2] // inner.shape[2]  # the nearest of them, 4 -> 7 too
        wide = x[:, :, rows][:, :, :, rows]
        x = inner + torch.einsum("oi,nihw->nohw", weights[f"layers.{i}.shortcut.0.weight"][:, :, 0, 0], wide)
    x = F.conv_transpose2d(normed(x, "layers.4"), weights["layers.6.weight"], stride=2, padding=2, output_padding=1)

    torch.testing.assert_close(generator(z), x.tanh(), rtol=1e-4, atol=1e-5)
    assert x.shape == (3, 1, 28, 28)


def test_modulated_batch_norm_worked_out_by_hand():
    torch.manual_seed(0)
    norm = ModulatedBatchNorm2d(2, z_dim=3)
    with torch.no_grad():
        norm.norm.weight.copy_(torch.tensor([2.0, 1.0]))
        norm.norm.bias.copy_(torch.tensor([0.5, -1.0]))
    x, z = torch.randn(5, 2, 4, 4), torch.randn(5, 3)
    mean, var = x.mean(dim=(0, 2, 3), keepdim=True), x.var(dim=(0, 2, 3), keepdim=True, unbiased=False)
    normed = (x - mean) / (var + 1e-5).sqrt()
    usual = normed * torch.tensor([2.0, 1.0]).view(1, 2, 1, 1) + torch.tensor([0.5, -1.0]).view(1, 2, 1, 1)
    style = torch.einsum("oz,nz->no", norm.style.weight, z).view(5, 4, 1, 1)
    torch.testing.assert_close(norm(x, z), usual * (1 + style[:, :2]) + style[:, 2:], rtol=1e-4, atol=1e-5)


def test_modulation_brings_z_past_the_stem():
    torch.manual_seed(0)
    plain, modulated = (Generator(RESIDUAL.replace(g_modulated=on)) for on in (False, True))
    for generator, same in ((plain, True), (modulated, False)):
        with torch.no_grad():
            generator.eval().stem.weight.zero_()  # nothing of z gets through it
            pictures = generator(torch.randn(2, 8))
        assert torch.equal(pictures[0], pictures[1]) == same
    norms = [m for m in modulated.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == len([m for m in modulated.modules() if isinstance(m, ModulatedBatchNorm2d)]) == 4


def test_normalized_z_worked_out_by_hand():
    linear = NormalizedLinear(4, 3)
    z = torch.tensor([[3.0, 0.0, 4.0, 0.0], [0.0, -0.1, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    long = torch.tensor([[1.2, 0.0, 1.6, 0.0], [0.0, -2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])  # sqrt(4) = 2
    torch.testing.assert_close(linear(z), long @ linear.weight.T + linear.bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("normalized", [True, False])
def test_a_generator_with_normalized_z_sees_its_direction_alone(normalized):
    torch.manual_seed(0)
    generator = Generator(RESIDUAL.replace(g_normalize_z=normalized))
    randomise_batch_norm(generator)
    folded, z = fold(generator), torch.randn(3, 8)
    with torch.no_grad():
        torch.testing.assert_close(folded(z), generator.eval()(z), rtol=1e-4, atol=1e-5)
        for g in (generator, folded):
            assert torch.allclose(g(z), g(2.5 * z), atol=1e-4) == normalized
    plain = Generator(RESIDUAL).state_dict()
    assert {k: v.shape for k, v in plain.items()} == {k: v.shape for k, v in generator.state_dict().items()}


@pytest.mark.parametrize("stem_norm", [True, False])
@pytest.mark.parametrize(("residual", "modulated"), [(True, False), (False, True), (True, True)])
def test_folding_shortcuts_and_modulation_keeps_the_pictures(residual, modulated, stem_norm):
    torch.manual_seed(0)
    generator = Generator(
        RESIDUAL.replace(g_residual=residual, g_modulated=modulated, g_stem_norm=stem_norm, g_dropout=0.3)
    )
    randomise_batch_norm(generator)
    for module in generator.modules():
        if isinstance(module, ModulatedBatchNorm2d):
            nn.init.normal_(module.style.weight, 0, 0.5)
    z = torch.randn(3, 8)
    folded = fold(generator.train())
    torch.testing.assert_close(folded(z), generator.eval()(z), rtol=1e-4, atol=1e-5)
    assert torch.equal(fold(folded)(z), folded(z))
    assert not any(p.requires_grad for p in folded.parameters())
    assert modulated != any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())


def test_minibatch_stddev_by_hand():
    features = torch.zeros(4, 1, 1, 2)
    features[:, 0, 0, 0] = torch.tensor([1.0, 3.0, 1.0, 3.0])  # spread 1; the other feature has none
    result = minibatch_stddev(features)
    assert result.shape == (4, 1, 1, 2)
    torch.testing.assert_close(result, torch.full((4, 1, 1, 2), (1 + 1e-4) / 2))


def test_minibatch_stddev_is_per_group():
    # 8 pictures in groups of 4: n, n + 2, n + 4, n + 6 together. The even ones differ, the odd ones repeat.
    features = torch.tensor([0.0, 5.0, 2.0, 5.0, 0.0, 5.0, 2.0, 5.0]).view(8, 1, 1, 1)
    result = minibatch_stddev(features).flatten()
    torch.testing.assert_close(result, torch.tensor([1.0, 1e-4] * 4))
    six = minibatch_stddev(torch.arange(6.0).view(6, 1, 1, 1)).flatten()  # no multiple of 4: the whole batch
    torch.testing.assert_close(six, torch.full((6,), (35 / 12) ** 0.5))


def test_discriminator_with_minibatch_stddev_sees_repetition():
    torch.manual_seed(0)
    config = GANConfig(image_size=16, base_channels=4, d_multipliers=(1, 2), d_strides=(2, 2), g_multipliers=(2, 1),
                       g_strides=(2, 2), d_norm="none", d_minibatch_stddev=True)  # fmt: skip
    discriminator = Discriminator(config)
    assert discriminator.head.in_features == (8 + 1) * 4 * 4
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        alone = discriminator(image.repeat(4, 1, 1, 1))
        among_others = discriminator(torch.cat([image, torch.rand(3, 3, 16, 16)]))
    assert abs(alone[0] - among_others[0]) > 1e-5  # rounding comes to 1e-8


def test_spectral_norm_bounds_every_layer():
    torch.manual_seed(0)
    config = GANConfig(image_size=16, base_channels=4, d_multipliers=(1, 2), d_strides=(2, 2), g_multipliers=(2, 1),
                       g_strides=(2, 2), d_norm="spectral")  # fmt: skip
    discriminator = Discriminator(config)
    initialise(discriminator)
    images = torch.rand(4, 3, 16, 16)
    for _ in range(50):  # of power iteration
        discriminator(images)
    weights = [m.weight for m in discriminator.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weights) == 3
    for weight in weights:
        assert abs(torch.linalg.matrix_norm(weight.flatten(1), 2) - 1) < 0.01
    discriminator(images).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in discriminator.parameters())


def test_logits_are_float32_under_autocast():
    discriminator = Discriminator(PRESETS["andreipop-celeba32"])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert discriminator(torch.rand(2, 3, 32, 32)).dtype == torch.float32
