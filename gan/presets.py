"""The presets as data: our own recipe, DCGAN, and five student projects rebuilt."""

from __future__ import annotations

import reprlib

from gan.config import ConfigError, GANConfig, suggest

# TensorFlow's convolutions and dense layers have biases and Xavier weights unless told otherwise.
_TENSORFLOW = dict(kernel_size=5, g_bias=True, d_bias=True, init="xavier")

# System 1. Everything is in its text.
_CFCV = dict(
    **_TENSORFLOW,
    source="GAN_FACES",
    image_size=28,
    z_dim=100,
    z_distribution="uniform",
    g_multipliers=(8, 4, 2, 1),
    g_strides=(2, 2, 1, 1),
    g_leaky_slope=0.2,
    g_dropout=0.2,
    d_multipliers=(1, 2, 4, 8),
    d_strides=(2, 2, 2, 1),
    d_dropout=0.2,
    real_label=0.9,
    batch_size=64,
    epochs=3,
    g_lr=1e-3,
    d_lr=1e-3,
    beta1=0.4,
    flip=False,
    snapshot_growth=16.0,  # 13.6 MB each
    metric_interval=30_000,
)

# System 2. Open there: optimiser and initialisation, filled with the DCGAN paper's (Adam 2e-4, beta1 0.5,
# N(0, 0.02)); batch size, filled with the paper's 128; labels are not smoothed. Its linear layer has
# neither norm nor activation.
_ANDREIPOP = dict(
    source="Generate faces with GAN",
    image_size=32,
    z_dim=120,
    base_channels=32,
    g_multipliers=(4, 2, 1),
    g_strides=(2, 2, 2),
    g_stem_norm=False,
    d_multipliers=(1, 2, 4),
    d_strides=(2, 2, 2),
    batch_size=128,
    epochs=50,
    flip=False,
    metric_interval=200_000,
)

# System 3. Open there: the generator (its discriminator mirrored, ReLU), z (100, uniform as in its
# siblings), the optimiser (the DCGAN paper's Adam 2e-4, beta1 0.5), batch size (32: two epochs are few
# steps), smooth 0.1. Averaging the generator that is shown changes nothing in how the networks train.
_SMOOTH = dict(
    **_TENSORFLOW,
    source="Face Generation With Generative Adversarial Networks",
    image_size=28,
    z_dim=100,
    z_distribution="uniform",
    g_multipliers=(4, 2, 1),
    g_strides=(2, 2, 2),
    d_multipliers=(1, 2, 4),
    d_strides=(2, 2, 2),
    d_leaky_slope=0.01,
    d_dropout=0.5,
    d_dropout_first=False,
    real_label=0.9,
    batch_size=32,
    ema_half_life_images=2_000,
    flip=False,
    snapshot_growth=4.0,  # 2.9 MB each
    metric_interval=20_000,
)

# System 4. Open there: the networks themselves, filled with the DCGAN paper's at 28x28 (its 5x5 kernels
# and leaky ReLU 0.2), and the optimiser, its Adam with beta1 0.5. Its exercise asks for a generator's loss
# below the discriminator's. Measured after two epochs of MNIST (loss_g / loss_d): batch norm in D 2.23 / 0.72,
# a smaller D with dropout 1.38 / 1.17 and worse digits, spectral norm (Miyato et al. 2018) 1.17 / 1.15, and
# with batches of 32 and Adam 4e-4 as below 1.02 / 1.27.
_DLND = dict(
    **_TENSORFLOW | {"init": "normal"},
    source="Face-Generator-GANs",
    image_size=28,
    z_dim=100,
    z_distribution="uniform",
    g_multipliers=(4, 2, 1),
    g_strides=(2, 2, 2),
    d_multipliers=(1, 2, 4),
    d_strides=(2, 2, 2),
    real_label=0.9,
    d_norm="spectral",
    batch_size=32,
    g_lr=4e-4,
    d_lr=4e-4,
    ema_half_life_images=2_000,  # only of what is shown
    epochs=2,
    flip=False,
    snapshot_growth=4.0,  # 2.9 MB each
    metric_interval=20_000,
)

# Systems 3 and 4 on MNIST, where two epochs shall give digits that can be read; their z and optimisers are open, and so
# is how far system 3 smooths its labels. A short z helps most, then batches smaller than for faces and a long average.
# With a z of four only six digits got a slider. All that was measured: weights/smooth-mnist28/notes.md,
# weights/dlnd-mnist28/notes.md.
_DIGITS = dict(
    channels=1,
    z_dim=5,
    z_distribution="normal",
    lr_decay_start=0.5,
    ema_half_life_images=30_000,
    ema_ramp_up=0.25,
)

# Our recipe: of all that was tried, spectral norm with hinge (SNGAN, Miyato et al. 2018), batches of 32, a
# generator that learns twice as fast as its critic, and shortcuts and self-modulation in it helped. The sweeps
# and the long run: weights/faces64/notes.md.
_FACES64 = GANConfig(
    preset="faces64",
    source="GAN Faces' own recipe: DCGAN with a spectrally normalised critic, hinge loss, EMA",
    z_dim=128,
    base_channels=48,
    g_residual=True,
    g_modulated=True,
    d_norm="spectral",
    d_bias=True,
    loss="hinge",
    batch_size=32,
    g_lr=8e-4,
    d_lr=4e-4,
    beta1=0.0,
    beta2=0.99,
    ema_half_life_images=10_000,
    epochs=46,
    lr_decay_start=0.5,
    metric_interval=100_000,
)

PRESETS: dict[str, GANConfig] = {
    config.preset: config
    for config in (
        _FACES64,
        # faces64 with a level on top (`--start-from weights/faces64`).
        _FACES64.grown().replace(
            preset="faces128",
            source="GAN Faces' own recipe: faces64, grown to twice the size",
            epochs=5,  # of 41,000 faces; many more, and the critic knows them by heart: weights/faces128/notes.md
        ),
        # The network that everyone knows, in its usual 64-wide form: Radford et al. 2016, arXiv:1511.06434.
        GANConfig(
            preset="dcgan64",
            source="DCGAN (Radford et al. 2016)",
            batch_size=128,
            epochs=25,
            flip=False,
            metric_interval=100_000,
        ),
        GANConfig(preset="cfcv-celeba28", **_CFCV),
        GANConfig(preset="andreipop-celeba32", **_ANDREIPOP),
        GANConfig(
            preset="smooth-mnist28",
            **_SMOOTH
            | _DIGITS
            | dict(
                g_normalize_z=True,
                real_label=0.98,
                fakes_per_real=4,
                g_lr=2e-3,
                d_lr=5e-4,
                batch_size=16,
                epochs=2,
            ),
        ),
        GANConfig(preset="smooth-celeba28", **_SMOOTH, epochs=1),
        GANConfig(
            preset="dlnd-mnist28",
            **_DLND
            | _DIGITS
            | dict(
                g_normalize_z=True,
                d_norm="none",
                r1_gamma=0.1,
                real_label=0.95,
                fakes_per_real=4,
                g_lr=1.2e-3,
                d_lr=5e-4,
                batch_size=8,
            ),
        ),
        GANConfig(preset="dlnd-celeba28", **_DLND),
        # System 5: system 2's networks with its own z, optimiser and labels.
        GANConfig(
            preset="nadim-celeba32",
            **_ANDREIPOP
            | dict(
                source="Face Generation With Deep Convolutional GANs",
                z_dim=100,
                z_distribution="uniform",
                real_label=0.9,
                epochs=25,
            ),
        ),
    )
}

# What a preset is trained on where nothing else is asked for; celeba where it is not listed.
PRESET_DATA = {"smooth-mnist28": "mnist", "dlnd-mnist28": "mnist"}


def get_preset(name: str) -> GANConfig:
    """The preset of that name; raises `ConfigError` that suggests the nearest one."""
    if name not in PRESETS:
        raise ConfigError(
            f"unknown preset {reprlib.repr(name)}{suggest(name, PRESETS)}; there are: {', '.join(PRESETS)}"
        )
    return PRESETS[name]


def before_refining(config: GANConfig) -> GANConfig:
    """The config of a model to start from, without what `--refine` made of it for its last part.

    The rates become the preset's again where the preset is known, whatever they were for that part; else they stay.
    """
    preset, kept = PRESETS.get(config.preset, config), ("epochs", "metric_interval")
    weights = ("frechet_weight", "manifold_weight", "manifold_start", "imagenet_weight", "spectrum_weight")
    if config.matches_features and _with(preset.refined(), config, *kept, *weights, "g_lr", "d_lr") == config:
        config = _with(preset, config, *kept)
    return config.replace(**dict.fromkeys(weights, 0.0))


def _with(config: GANConfig, other: GANConfig, *fields: str) -> GANConfig:
    return config.replace(**{name: getattr(other, name) for name in fields})
