"""The layers that know ImageNet's photographs: computed as published, and read from the shipped file."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import batch_norm, conv2d, pad, relu6

from gan import imagenet
from gan.__main__ import main as gan_command
from gan.config import ConfigError
from gan.data.batches import make_batch
from gan.data.drawn import draw_faces
from gan.imagenet import ImageNetError, ImageNetLayers, convert, load_imagenet_layers
from gan.presets import PRESETS

BLOCKS = [  # inputs, outputs, expansion, kernel size, stride: Tan & Le 2019, table 1, without squeeze-and-excitation
    (32, 16, 1, 3, 1),
    (16, 24, 6, 3, 2), (24, 24, 6, 3, 1),
    (24, 40, 6, 5, 2), (40, 40, 6, 5, 1),
    (40, 80, 6, 3, 2), (80, 80, 6, 3, 1), (80, 80, 6, 3, 1),
    (80, 112, 6, 5, 1), (112, 112, 6, 5, 1), (112, 112, 6, 5, 1),
]  # fmt: skip


@pytest.fixture
def published():
    """Random weights under the names of the published ones."""
    random = torch.Generator().manual_seed(0)
    state = {}

    def layer(convolution, norm, shape):
        fan = shape[1] * shape[2] * shape[3]
        state[f"{convolution}.weight"] = torch.randn(shape, generator=random) * (2 / fan) ** 0.5
        for name in ("weight", "running_var"):
            state[f"{norm}.{name}"] = torch.rand(shape[0], generator=random) + 0.5
        for name in ("bias", "running_mean"):
            state[f"{norm}.{name}"] = torch.randn(shape[0], generator=random) * 0.1

    layer("_conv_stem", "_bn0", (32, 3, 3, 3))
    for i, (before, width, expansion, kernel, _) in enumerate(BLOCKS):
        inner, name = before * expansion, f"_blocks.{i}"
        if expansion > 1:
            layer(f"{name}._expand_conv", f"{name}._bn0", (inner, before, 1, 1))
        layer(f"{name}._depthwise_conv", f"{name}._bn1", (inner, 1, kernel, kernel))
        layer(f"{name}._project_conv", f"{name}._bn2", (width, inner, 1, 1))
    return state


def as_published(state, images):
    """Maps of each block, batch norm by itself; strides of 2 pad an even size behind more than before."""

    def layer(x, convolution, norm, stride=1, groups=1):
        weight = state[f"{convolution}.weight"]
        k = weight.shape[-1]
        before, behind = ((k - 1) // 2, (k - 1) // 2) if stride == 1 else ((k - 2) // 2, (k - 1) // 2)
        x = conv2d(pad(x, (before, behind, before, behind)), weight, stride=stride, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        return batch_norm(x, *(state[f"{norm}.{name}"] for name in names), eps=1e-3)

    x, maps = relu6(layer(((images + 1) * 127.5 - 127) / 128, "_conv_stem", "_bn0", 2)), []
    for i, (before, width, expansion, _, stride) in enumerate(BLOCKS):
        name, y = f"_blocks.{i}", x
        if expansion > 1:
            y = relu6(layer(y, f"{name}._expand_conv", f"{name}._bn0"))
        y = relu6(layer(y, f"{name}._depthwise_conv", f"{name}._bn1", stride, groups=before * expansion))
        y = layer(y, f"{name}._project_conv", f"{name}._bn2")
        x = x + y if stride == 1 and before == width else y
        maps.append(x)
    return maps


def test_layers_compute_what_the_published_ones_do(published):
    layers = ImageNetLayers().eval()
    layers.load_state_dict(convert(published))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    maps = as_published(published, images)
    whole, places = layers(images)
    means = torch.cat([maps[i].mean(dim=(2, 3)) for i in (2, 4, 7, 10)], dim=1)
    assert whole.shape == (2, imagenet.N_POOLED) and places.shape == (2, 16, imagenet.N_LOCAL)
    assert torch.allclose(whole, means, rtol=1e-3, atol=1e-4)
    last = maps[10]
    assert torch.allclose(places[:, 6], last[:, :, 1, 2], rtol=1e-3, atol=1e-3 * last.abs().max().item())


def test_the_shipped_file_tells_pictures_from_noise_and_is_not_trained():
    layers = load_imagenet_layers()
    images = make_batch(draw_faces(32, 64, 3)[0], range(32), device="cpu", flip=False).requires_grad_()
    whole, places = layers(images)
    assert places.shape[1] == (64 // imagenet.STRIDE) ** 2
    (whole.sum() + places.sum()).backward()
    assert images.grad.abs().sum() > 0 and not any(p.requires_grad for p in layers.parameters())
    noise = layers(torch.rand(images.shape) * 2 - 1)[0]
    between, within = (whole.mean(dim=0) - noise.mean(dim=0)).norm(), whole.std(dim=0).norm()
    assert between > within


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path):
    with pytest.raises(ImageNetError, match=r"none\.safetensors is missing: copy it there"):
        load_imagenet_layers(tmp_path / "none.safetensors")
    content = bytearray(imagenet.FILE.read_bytes())
    content[-1] ^= 0x10
    (tmp_path / "bent.safetensors").write_bytes(content)
    with pytest.raises(ImageNetError, match=r"bent\.safetensors cannot be loaded \(.*\): copy it again"):
        load_imagenet_layers(tmp_path / "bent.safetensors")


def test_the_shipped_file_is_made_by_the_command(published, tmp_path, capsys):
    torch.save(published, tmp_path / "published.pth")
    out = tmp_path / "layers.safetensors"
    assert gan_command(["classifier", "imagenet", "--data", str(tmp_path / "published.pth"), "--out", str(out)]) == 0
    made, wanted = load_imagenet_layers(out).state_dict(), convert(published)
    assert all(torch.equal(made[name], wanted[name].half().float()) for name in made)
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    larger = published | {"_blocks.9._depthwise_conv.weight": torch.zeros(672, 1, 3, 3)}
    torch.save(larger, tmp_path / "larger.pth")
    before = out.read_bytes()
    for name in ("other.pth", "larger.pth", "none.pth"):
        assert gan_command(["classifier", "imagenet", "--data", str(tmp_path / name), "--out", str(out)]) == 2
        assert (
            f"{name} cannot be loaded (" in (said := capsys.readouterr().err) and "expected EfficientNet-Lite0" in said
        )
    assert out.read_bytes() == before
    for arguments in ([], ["--judge", "--data", str(tmp_path / "published.pth")]):
        with pytest.raises(SystemExit):
            gan_command(["classifier", "imagenet", *arguments])
        assert "imagenet is made of one file" in capsys.readouterr().err


def test_what_it_does_not_know_is_refined_without_it(tiny_config):
    assert PRESETS["smooth-mnist28"].refined().imagenet_weight == 0 < PRESETS["faces64"].refined().imagenet_weight
    with pytest.raises(ConfigError, match="expected 0 with grey pictures"):
        PRESETS["smooth-mnist28"].replace(imagenet_weight=1.0)
    small = tiny_config.replace(image_size=8, g_strides=(2,), g_multipliers=(1,), d_strides=(2,), d_multipliers=(1,))
    assert (small.refined().imagenet_weight, small.refined().spectrum_weight) == (0, 0)
    with pytest.raises(ConfigError, match="at least 16 pixels with"):
        small.replace(spectrum_weight=1.0)
