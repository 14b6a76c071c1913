"""What a model is and how it is trained: one frozen dataclass. Nothing here builds a network or reads a picture."""

from __future__ import annotations

import dataclasses
import difflib
import math
import reprlib
import types
import typing
from dataclasses import dataclass

from gan.augment import AUGMENTATIONS
from gan.errors import GanError
from gan.losses import LOSSES

HIGHEST = 10**12  # that a whole number may be: far above all that makes sense, and far below where arithmetic ends
MOST_LAYERS = 64  # of each network: more than any size needs, and each takes time to build
MOST_CHANNELS = 65_536  # of a layer
_MOST_WORDS = 300  # characters of a text


class ConfigError(GanError, ValueError):
    """A configuration that cannot be used; the message says what was given, expected, and to do."""


@dataclass(frozen=True)
class GANConfig:
    """Everything that decides a model and its training, except the pictures and the machine.

    Sizes run from the picture inwards: a discriminator layer of stride s turns `size` into
    ceil(size / s), and the generator walks the same sizes backwards.
    """

    # identity
    preset: str = "custom"  # the preset it came from; also the default output folder
    source: str = ""  # project or paper that the architecture and hyper-parameters are taken from

    # pictures
    image_size: int = 64  # height and width, pixels
    channels: int = 3  # 3 for RGB, 1 for grey
    flip: bool = True  # mirror half of the real pictures: doubles the faces, would spoil digits

    # latent
    z_dim: int = 100  # numbers in one latent vector
    z_distribution: str = "normal"  # "normal" N(0, 1), or "uniform" on (-1, 1)

    # both networks
    base_channels: int = 64  # "width": every multiplier below is times this
    kernel_size: int = 4  # 4 at stride 2 needs even sizes and gives no checkerboard; 5 is TensorFlow's habit
    init: str = "normal"  # "normal" N(0, 0.02) of the DCGAN paper, or "xavier" (Glorot, uniform)

    # generator: linear stem -> transposed convolutions -> tanh
    g_multipliers: tuple[int, ...] = (8, 4, 2, 1)  # channels of the stem and of each hidden layer
    g_strides: tuple[int, ...] = (2, 2, 2, 2)  # one per transposed convolution, the last draws the picture
    g_stem_norm: bool = True  # batch norm and activation after the stem
    g_bias: bool = False  # biases in layers that batch norm follows; TensorFlow has them by default
    g_residual: bool = False  # shortcuts around all transposed convolutions but the last; norm before them
    g_normalize_z: bool = False  # the stem sees z's direction alone: latents on a sphere (ProGAN)
    g_modulated: bool = False  # self-modulation: z also sets the scale and shift of every batch norm
    g_leaky_slope: float = 0.0  # negative slope of the hidden activations; 0 is ReLU
    g_dropout: float = 0.0  # after every hidden activation, in training only

    # discriminator: convolutions -> linear -> one logit
    d_multipliers: tuple[int, ...] = (1, 2, 4, 8)
    d_strides: tuple[int, ...] = (2, 2, 2, 2)
    d_norm: str = "batch"  # "batch" on all but the first, "spectral" on all, or "none"
    d_bias: bool = False
    d_leaky_slope: float = 0.2
    d_dropout: float = 0.0
    d_dropout_first: bool = True  # whether the first layer drops too
    d_minibatch_stddev: bool = False  # a channel with the batch's spread, so that D sees repeated samples

    # grown: each level on top doubles the pictures' size, and begins as the enlarged pictures of the model below
    grown_channels: tuple[int, ...] = ()  # width of each such level, the coarsest first
    g_base_lr: float = 0.0  # Adam's step size below the grown levels; 0 is g_lr
    d_base_lr: float = 0.0  # likewise; 0 is d_lr
    d_lead_steps: int = 0  # at first D learns alone: its new levels know nothing yet

    # objective
    loss: str = "cross_entropy"  # a key of gan.losses.LOSSES
    real_label: float = 1.0  # cross_entropy only: one-sided label smoothing aims D at this for real pictures
    r1_gamma: float = 0.0  # weight of the gradient penalty on real pictures; 0 is off
    r2_gamma: float = 0.0  # the same on generated pictures
    penalty_interval: int = 16  # penalties every so many steps, scaled up to match (lazy regularisation)
    frechet_weight: float = 0.0  # of the Fréchet distance to real pictures in a classifier's features; 0 is off
    manifold_weight: float = 0.0  # of how far generated pictures' features lie outside the real ones' manifold
    imagenet_weight: float = 0.0  # of the Fréchet distances in features that know ImageNet's photographs, at full size
    spectrum_weight: float = 0.0  # of the Fréchet distances in their power spectrum, and in lattices
    manifold_start: float = 0.0  # share of the run after which that counts: first all pictures, then each by itself
    d_augment: str = ""  # what D sees is changed first: a policy of gan.augment.AUGMENTATIONS, as "color,translation"

    # optimisation
    batch_size: int = 64  # real pictures per step, over all machines together
    fakes_per_real: int = 1  # generated pictures for each of them: steadier gradients and batch norm, slower steps
    epochs: int = 25  # passes over the data
    g_lr: float = 2e-4  # Adam's step size
    d_lr: float = 2e-4
    beta1: float = 0.5  # Adam's momentum; the usual 0.9 oscillates in a GAN
    beta2: float = 0.999
    lr_decay_start: float = 1.0  # share of the run after which both rates fall linearly to 0; 1 is never
    ema_half_life_images: int = 0  # half-life of the averaged generator that is shown and kept; 0 is off
    ema_ramp_up: float = 0.05  # early on the half-life is at most this share of the images seen so far
    seed: int = 0  # decides weights, latents, order of the pictures, flips and dropout

    # what a run leaves for the replay, counted in images seen, so that a longer run only adds to it
    log_interval: int = 50  # steps per row of history.csv
    sample_growth: float = 1.25  # a sample sheet each time the images seen have grown by this factor
    snapshot_growth: float = 2.0  # likewise a generator snapshot (they are bigger)
    metric_interval: int = 0  # images from one measurement (gan.metrics.monitor) to the next, 1-6 s each; 0 is off

    def __post_init__(self) -> None:
        _check_types(self)
        _check_values(self)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Feature map sizes of the generator, from the stem to the picture."""
        return _sizes_inwards(self.base_size, self.g_strides[::-1])[::-1]

    @property
    def d_sizes(self) -> tuple[int, ...]:
        """Feature map sizes of the discriminator, from the picture to the last convolution."""
        return _sizes_inwards(self.base_size, self.d_strides)

    @property
    def base_size(self) -> int:
        """Height and width of the pictures below the grown levels, pixels."""
        return self.image_size >> len(self.grown_channels)

    @property
    def matches_features(self) -> bool:
        """Whether G's loss looks at networks' features (`gan.training.matching`)."""
        return self.matches_classifier or self.imagenet_weight > 0 or self.spectrum_weight > 0

    @property
    def matches_classifier(self) -> bool:
        """Whether it looks at a classifier's."""
        return self.frechet_weight > 0 or self.manifold_weight > 0

    def grown(self) -> GANConfig:
        """The config of a model grown from this one: twice the size, the levels below at a tenth of the rates."""
        widths = (self.base_channels * self.g_multipliers[-1], *self.grown_channels)
        return self.replace(
            image_size=2 * self.image_size,
            grown_channels=(*self.grown_channels, max(1, widths[-1] // 2)),
            g_lr=self.g_lr / 2,
            g_base_lr=self.g_lr / 20,
            d_base_lr=self.d_lr / 5,
            d_lead_steps=100,
        )

    def refined(self) -> GANConfig:
        """The config for a training's last part: slow, all levels alike, with real pictures' features in G's loss."""
        return self.replace(
            frechet_weight=1.0,
            manifold_weight=50.0,
            manifold_start=0.5,
            imagenet_weight=10.0 if self.channels == 3 and self.image_size >= 16 else 0.0,
            spectrum_weight=3.0 if self.image_size >= 16 else 0.0,
            g_lr=min(self.g_lr, 2e-5),  # the distance is a mean over thousands of pictures, too late for quicker ones
            d_lr=min(self.d_lr, 6e-5),
            g_base_lr=0.0,
            d_base_lr=0.0,
            d_lead_steps=0,
            lr_decay_start=0.5,
            ema_half_life_images=self.ema_half_life_images or 10_000,
        )

    def replace(self, **changes: object) -> GANConfig:
        """A copy with some fields changed; raises `ConfigError` for an unknown field or a bad value."""
        for name in changes:
            if name not in FIELDS:
                raise ConfigError(f"unknown field {name[:80]!r}{suggest(name[:80], FIELDS)} (see --help for the list)")
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict:
        """JSON-ready values."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict) -> GANConfig:
        """The reverse of `to_dict`; raises `ConfigError` for unknown fields or bad values."""
        return cls().replace(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


FIELDS: dict[str, type] = typing.get_type_hints(GANConfig)


def parse_assignment(text: str) -> tuple[str, object]:
    """'g_lr=4e-4' -> ('g_lr', 0.0004), typed by the field; tuples as '8,4,2,1', flags as 'true'.

    Raises:
        ConfigError: not FIELD=VALUE, an unknown field, or a value of the wrong type.
    """
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals:
        raise ConfigError(f"--set {reprlib.repr(text)}: expected FIELD=VALUE, for example --set base_channels=32")
    if name not in FIELDS:
        raise ConfigError(f"unknown field {reprlib.repr(name)}{suggest(name, FIELDS)}; --help lists all fields")
    if name == "preset":
        raise ConfigError("preset is not for --set, it says where a config came from: --preset picks another one")
    kind = FIELDS[name]
    try:
        if kind is bool:
            return name, {"true": True, "1": True, "false": False, "0": False}[value.lower()]
        if isinstance(kind, types.GenericAlias):
            return name, tuple(int(part) for part in value.split(",") if part.strip())
        return name, kind(value)
    except (ValueError, KeyError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}.get(
            kind, "whole numbers with commas, like 4,2,1"
        )
        raise ConfigError(f"{name}={reprlib.repr(value)}: expected {wanted}") from None


def suggest(name: str, known: typing.Iterable[str]) -> str:
    """'; did you mean X?' for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _sizes_inwards(image_size: int, strides: tuple[int, ...]) -> tuple[int, ...]:
    sizes = [image_size]
    for stride in strides:
        sizes.append(-(-sizes[-1] // stride))  # TensorFlow's 'same' rule: odd sizes round up
    return tuple(sizes)


def _check_types(config: GANConfig) -> None:
    for name, kind in FIELDS.items():
        value = getattr(config, name)
        if isinstance(kind, types.GenericAlias):
            fits = isinstance(value, tuple) and all(type(v) is int and v > 0 for v in value)
            fits = fits and bool(value or name == "grown_channels")
        elif kind is float:
            fits = type(value) in (int, float) and abs(value) < 1e300  # neither NaN nor infinite
        elif kind is str:
            fits = type(value) is str and len(value) <= _MOST_WORDS
        else:
            fits = type(value) is kind
        if not fits:
            wanted = {str: f"a text of at most {_MOST_WORDS} characters", float: "a finite number"}.get(
                kind, "a tuple of positive whole numbers" if isinstance(kind, types.GenericAlias) else kind.__name__
            )
            raise ConfigError(f"{name}={reprlib.repr(value)}: expected {wanted}")
        numbers = value if type(value) is tuple else () if kind is str else (value,)
        if any(number > HIGHEST for number in numbers):
            raise ConfigError(f"{name}={reprlib.repr(value)}: expected at most {HIGHEST:,}")


def _check_values(config: GANConfig) -> None:
    def expect(fits: bool, field: str, wanted: str) -> None:
        if not fits:
            raise ConfigError(f"{field}={reprlib.repr(getattr(config, field))}: expected {wanted}")

    for field, choices in {
        "channels": (1, 3),
        "z_distribution": ("normal", "uniform"),
        "init": ("normal", "xavier"),
        "d_norm": ("batch", "spectral", "none"),
        "loss": tuple(LOSSES),
    }.items():
        expect(getattr(config, field) in choices, field, f"one of {', '.join(map(str, choices))}")
    expect(8 <= config.image_size <= 1024, "image_size", "8 to 1024 pixels")
    for field in ("z_dim", "base_channels", "epochs", "penalty_interval", "log_interval", "fakes_per_real"):
        expect(getattr(config, field) >= 1, field, "at least 1")
    expect(config.z_dim <= 21201, "z_dim", "at most 21201 (Sobol points, gan.sampling.even_latents, have no more)")
    expect(config.batch_size >= 2, "batch_size", "at least 2 (batch norm needs a batch)")
    paired = LOSSES[config.loss]().uses_real_in_generator
    expect(not paired or config.fakes_per_real == 1, "fakes_per_real", "1 with a relativistic loss: it compares pairs")
    expect(config.kernel_size in (3, 4, 5), "kernel_size", "3, 4 or 5")
    expect(0 <= config.seed < 2**32, "seed", "0 to 4294967295")
    for field in ("g_lr", "d_lr"):
        expect(getattr(config, field) > 0, field, "more than 0")
    for field in ("beta1", "beta2", "g_dropout", "d_dropout", "g_leaky_slope", "d_leaky_slope", "manifold_start"):
        expect(0 <= getattr(config, field) < 1, field, "0 or more and less than 1")
    for field in ("r1_gamma", "r2_gamma", "frechet_weight", "manifold_weight", "imagenet_weight", "spectrum_weight",
                  "ema_half_life_images", "metric_interval", "d_lead_steps", "g_base_lr", "d_base_lr"):  # fmt: skip
        expect(getattr(config, field) >= 0, field, "0 or more")
    expect(
        not config.imagenet_weight or config.channels == 3,
        "imagenet_weight",
        "0 with grey pictures: ImageNet's are colour photographs",
    )
    smallest = config.image_size >= 16 or not (config.imagenet_weight or config.spectrum_weight)
    expect(smallest, "image_size", "at least 16 pixels with imagenet_weight or spectrum_weight")
    expect(config.ema_ramp_up > 0, "ema_ramp_up", "more than 0; a large number is no ramp")
    expect(0 < config.real_label <= 1, "real_label", "more than 0 and at most 1")
    expect(0 <= config.lr_decay_start <= 1, "lr_decay_start", "0 to 1")
    for field in ("sample_growth", "snapshot_growth"):
        expect(getattr(config, field) > 1, field, "more than 1")
    known = ", ".join(AUGMENTATIONS)
    expect(
        not config.d_augment or set(config.d_augment.split(",")) <= set(AUGMENTATIONS),
        "d_augment",
        f"nothing, or kinds of {known} with commas and no spaces",
    )
    levels = len(config.grown_channels)
    expect(levels <= 4, "grown_channels", "at most 4 levels")
    expect(
        config.image_size % 2**levels == 0 and config.base_size >= 8,
        "image_size",
        f"8 pixels or more below {levels} grown levels, each of which doubles them",
    )
    for field, kind in FIELDS.items():
        if kind is float:
            expect(math.isfinite(getattr(config, field)), field, "a number that is not infinite")
    for side in ("g", "d"):
        strides = getattr(config, f"{side}_strides")
        expect(all(s in (1, 2) for s in strides), f"{side}_strides", "strides of 1 or 2")
        expect(
            len(strides) == len(getattr(config, f"{side}_multipliers")),
            f"{side}_strides",
            f"as many strides as {side}_multipliers",
        )
        expect(len(strides) <= MOST_LAYERS, f"{side}_strides", f"at most {MOST_LAYERS} layers")
        widest = config.base_channels * max(getattr(config, f"{side}_multipliers"))
        expect(widest <= MOST_CHANNELS, "base_channels", f"at most {MOST_CHANNELS} channels with {side}_multipliers")
        if config.kernel_size == 4:
            sizes = _sizes_inwards(config.base_size, strides if side == "d" else strides[::-1])
            even = all(size % 2 == 0 for size in sizes[:-1]) and all(s == 2 for s in strides)
            expect(even, "kernel_size", f"3 or 5, because 4 needs stride 2 and even sizes, and these are {sizes}")
    penalised = config.r1_gamma > 0 or config.r2_gamma > 0
    expect(
        not (penalised and config.d_norm == "batch"),
        "d_norm",
        "'none' or 'spectral' with r1_gamma or r2_gamma: a penalty per picture has no meaning "
        "when batch norm mixes the pictures",
    )
