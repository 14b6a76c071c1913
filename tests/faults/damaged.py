"""Every file of a model folder damaged in every way, or made to harm; what the page then shows of it, and of others.

Long because a folder can be damaged in many ways, and each is a few lines.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import pickle
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image
from safetensors.torch import load_file, save_file
from serving import serve

from gan.config import GANConfig
from gan.data.drawn import draw_faces
from gan.errors import GanError
from gan.files import save_tensors
from gan.history import MOST_SHEET_SIDE, samples
from gan.latent.directions import Direction, save_directions
from gan.latent.encoder import Encoder, save_encoder
from gan.run import RunError
from gan.sampling import generate, latents
from gan.training.loop import train
from gan.ui.drawing import draw
from gan.ui.explore_server import ExploreServer
from gan.ui.library import Library
from gan.ui.morph_server import MorphServer
from gan.ui.replay_server import ReplayServer
from gan.ui.state import Face
from gan.weights import load_generator, packed_weights, weights_hash
from tests.faults import Row

FAULT = "damaged files of a model folder, each in each way, page starting and page running"
MUST_BE = "no crash, no hang, no code run, no wrong picture called right"
TRIES = 300

SECRET = b"the secret of another folder"
SECONDS = 1.0  # of a processor, that a damaged file may cost beyond a whole one
SECONDS_OF_MEGABYTE = 0.05  # and more for each that is really there
HANGS = 30.0  # seconds after which something that does not answer is said to hang
NAME = "runs/bad"
CONFIG = GANConfig(
    image_size=16, z_dim=8, base_channels=4, g_multipliers=(2, 1), g_strides=(2, 2), d_multipliers=(1, 2),
    d_strides=(2, 2), batch_size=8, epochs=12, log_interval=2,
)  # fmt: skip
FILES = (
    "config.json", "model.safetensors", "discriminator.safetensors", "directions.safetensors", "encoder.safetensors",
    "history.csv", "samples/0001.webp", "samples", "snapshots/0000.safetensors", "snapshots", "metrics.json",
    "state.json", "README.md", "notes.md", "best.safetensors",
)  # fmt: skip
ODD_NUMBERS = (
    10**9,
    10**30,
    -1,
    0,
    1e30,
    float("nan"),
    float("inf"),
    True,
    "7",
    None,
    [],
    [[[[1]]]],
    {"a": 1},
    "x" * 9999,
)


class Run(dict):
    """Pickled, it says who unpickled it."""

    def __reduce__(self):
        return os.mkdir, (self["mark"],)


class Stage:
    """Model folders to damage: weights/good, and runs/bad, made anew for each try, with all files that there can be."""

    def __init__(self, root: Path) -> None:
        self.root, self.mark = root, root / "code-was-run"
        (root / "secret").write_bytes(SECRET)
        pictures = draw_faces(44, 16, 3)[0]
        self.whole, self.other = root / "kept" / "whole", root / "kept" / "other"
        for folder, config in ((self.whole, CONFIG), (self.other, CONFIG.replace(seed=1))):
            train(config, pictures, folder, data="drawn faces", device="cpu", precision="fp32", progress=False)
            save_directions(folder, [Direction("SeFa 1", "sefa", torch.ones(8))], None)
            encoder = Encoder(config).eval()
            encoder.facts = {"generator": weights_hash(folder)}
            save_encoder(folder, encoder)
            facts = {"images_seen": 64, "metric": "frechet_distance", "value": 1.0}
            weights = packed_weights(load_generator(folder))
            save_tensors(folder / "best.safetensors", weights, facts)
            (folder / "metrics.json").write_text(json.dumps({"format_version": 1, "results": {}}), encoding="utf-8")
            (folder / "notes.md").write_text("Notes.", encoding="utf-8")
            (folder / "README.md").touch()
            shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        self.good = Path(shutil.copytree(self.whole, root / "weights" / "good"))
        self.bad = root / "runs" / "bad"
        self.pictures = [picture(folder) for folder in (self.whole, self.other)]
        self.sheets = {path.read_bytes() for path in samples(self.whole).values()}

    def renew(self) -> None:
        """Make runs/bad whole."""
        if self.bad.is_symlink():
            self.bad.unlink()
        shutil.rmtree(self.bad, ignore_errors=True)
        shutil.copytree(self.whole, self.bad)

    def library(self) -> Library:
        """As the page has it."""
        return Library([self.root / "weights", self.root / "runs"])


def picture(folder: Path) -> np.ndarray:
    """The first face of a model folder, without the page."""
    generator = load_generator(folder)
    return generate(generator, latents(generator.config, [0]))[0]


# ---- damage: (stage, path, random) -> None ---------------------------------------------------------------------------


def truncated(stage: Stage, path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size or 1)) if path.is_file() else shutil.rmtree(path)


def flipped(stage: Stage, path: Path, chance: random.Random) -> None:
    for file in [path] if path.is_file() else sorted(path.iterdir()):
        content = bytearray(file.read_bytes())
        for _ in range(chance.choice((1, 1, 3, 30)) if content else 0):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)


def emptied(stage: Stage, path: Path, chance: random.Random) -> None:
    for file in [path] if path.is_file() else path.iterdir():
        file.write_bytes(b"")


def noise(stage: Stage, path: Path, chance: random.Random) -> None:
    remove(path)
    path.write_bytes(chance.randbytes(chance.choice((1, 9, 5000))))


def of_other_model(stage: Stage, path: Path, chance: random.Random) -> None:
    remove(path)
    source = stage.other / path.relative_to(stage.bad)
    if source.is_dir():
        shutil.copytree(source, path)
    elif source.exists():
        shutil.copy(source, path)


def of_other_kind(stage: Stage, path: Path, chance: random.Random) -> None:
    remove(path)
    shutil.copy(stage.whole / chance.choice([name for name in FILES if (stage.whole / name).is_file()]), path)


def pipe(stage: Stage, path: Path, chance: random.Random) -> None:
    remove(path)
    os.mkfifo(path)


def folder(stage: Stage, path: Path, chance: random.Random) -> None:
    remove(path)
    (path / "0001.webp").mkdir(parents=True)


def device(stage: Stage, path: Path, chance: random.Random) -> None:
    link(path, Path(chance.choice(("/dev/zero", "/dev/stdin", "/dev/urandom", "/proc/self/mem"))))


def itself(stage: Stage, path: Path, chance: random.Random) -> None:
    link(path, path)


def above(stage: Stage, path: Path, chance: random.Random) -> None:
    link(path, stage.bad)


def outwards(stage: Stage, path: Path, chance: random.Random) -> None:
    link(path, stage.root / "secret")


def to_another_model(stage: Stage, path: Path, chance: random.Random) -> None:
    link(path, stage.other / path.relative_to(stage.bad))


def dangling(stage: Stage, path: Path, chance: random.Random) -> None:
    link(path, stage.root / "nowhere")


def huge(stage: Stage, path: Path, chance: random.Random) -> None:
    remove(path)
    path.touch()
    os.truncate(path, 2**40)  # a hole: takes no disk


def pickled(stage: Stage, path: Path, chance: random.Random) -> None:
    remove(path)
    path.write_bytes(pickle.dumps(Run(mark=str(stage.mark))))


WAYS = (
    truncated, flipped, emptied, noise, of_other_model, of_other_kind, pipe, folder, device, itself, above, outwards,
    to_another_model, dangling, huge, pickled,
)  # fmt: skip


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def link(path: Path, to: Path) -> None:
    remove(path)
    path.symlink_to(to)


# ---- files that are made to harm: (stage, random) -> None ------------------------------------------------------------


def odd_config(stage: Stage, chance: random.Random) -> None:
    """One value of config.json, of any depth, is another."""
    content = json.loads((stage.bad / "config.json").read_text(encoding="utf-8"))
    table = chance.choice([content, content["config"], content["config"], content["config"], content["data"]])
    table[chance.choice(sorted(table))] = chance.choice(ODD_NUMBERS)
    (stage.bad / "config.json").write_text(json.dumps(content), encoding="utf-8")


def other_slope(stage: Stage, chance: random.Random) -> None:
    """A damaged digit that would still draw, something else."""
    change_config(stage, g_leaky_slope=0.5)


def many_layers(stage: Stage, chance: random.Random) -> None:
    change_config(stage, g_strides=[1] * 20_000, g_multipliers=[1] * 20_000, kernel_size=3)


def wide(stage: Stage, chance: random.Random) -> None:
    change_config(stage, base_channels=chance.choice((10**9, 10_000)))


def deep(stage: Stage, chance: random.Random) -> None:
    name = chance.choice(("config.json", "metrics.json", "state.json"))
    opening, closing = chance.choice((("[", "]"), ('{"a":', "}")))
    depth = chance.choice((500, 100_000))
    (stage.bad / name).write_text(opening * depth + "1" + closing * depth, encoding="utf-8")


def long_number(stage: Stage, chance: random.Random) -> None:
    text = (stage.bad / "config.json").read_text(encoding="utf-8")
    text = text.replace('"z_dim": 8', '"z_dim": ' + "8" * chance.choice((400, 50_000)))
    (stage.bad / "config.json").write_text(text, encoding="utf-8")


def no_numbers(stage: Stage, chance: random.Random) -> None:
    """Weights that are NaN or infinite, with or without a checksum of their own."""
    path = stage.bad / chance.choice(("model.safetensors", "discriminator.safetensors", "snapshots/0000.safetensors"))
    tensors = load_file(path)
    name = chance.choice(sorted(name for name, tensor in tensors.items() if tensor.is_floating_point()))
    tensors[name] = torch.full_like(tensors[name], chance.choice((float("nan"), float("inf"))))
    chance.choice((save_tensors, lambda path, tensors: save_file(tensors, path)))(path, tensors)


def odd_facts(stage: Stage, chance: random.Random) -> None:
    """What the metadata of directions.safetensors says is something else."""
    facts = {
        "format_version": chance.choice((1, *ODD_NUMBERS)),
        "generator": weights_hash(stage.bad),
        "directions": [
            {
                "name": chance.choice(("SeFa 1", "<img src=x onerror=alert(1)>", "\ud800", "a\nb", *ODD_NUMBERS)),
                "kind": chance.choice(("sefa", "attribute", *ODD_NUMBERS)),
                "effect": chance.choice((None, {"low": 10**30}, *ODD_NUMBERS)),
            }
        ],
    }
    save_file({"vectors": torch.ones(1, 8)}, stage.bad / "directions.safetensors", {"directions": json.dumps(facts)})


def long_history(stage: Stage, chance: random.Random) -> None:
    head, *rows = (stage.bad / "history.csv").read_text(encoding="utf-8").splitlines()
    if chance.random() < 0.5:  # each with an event
        rows = [f"{row}told" for row in rows]
    (stage.bad / "history.csv").write_text("\n".join([head, *(rows * 300_000)[:300_000]]), encoding="utf-8")


def odd_history(stage: Stage, chance: random.Random) -> None:
    head, *rows = (stage.bad / "history.csv").read_text(encoding="utf-8").splitlines()
    cells = (
        "1e30",
        "1e308",
        "-1e308",
        "nan",
        "inf",
        "9" * 5000,
        "-5",
        "1_000",
        "²",
        '"',
        "\0",
        "\u2028",
        "<b>",
        "x" * 200_000,
    )
    for _ in range(5):
        at = chance.randrange(len(rows))
        row = rows[at].split(",")
        row[chance.randrange(len(row))] = chance.choice(cells)
        rows[at] = ",".join(row)
    (stage.bad / "history.csv").write_text("\n".join([head, *rows]), encoding="utf-8")


def large_sheet(stage: Stage, chance: random.Random) -> None:
    size = chance.choice(((13_000, 13_000), (16_383, 1), (1, 1)))
    Image.new("RGB", size, "red").save(stage.bad / "samples" / "0001.webp", method=0)


def sheet_of_another_format(stage: Stage, chance: random.Random) -> None:
    kind = chance.choice(("png", "gif", "bmp", "tiff", "eps"))
    Image.new("RGB", (128, 128), "red").save(stage.bad / "samples" / "0001.webp", kind)


def odd_names(stage: Stage, chance: random.Random) -> None:
    names = ("²", "٣", "12", "00012", "-001", "0001 ", "0x01", "9" * 200, "....", "%2e%2e", "\udcff\udcfe")
    for kind, suffix in (("samples", ".webp"), ("snapshots", ".safetensors")):
        shutil.copy(next((stage.bad / kind).iterdir()), stage.bad / kind / f"{chance.choice(names)}{suffix}")
    shutil.copytree(stage.whole, stage.root / "runs" / chance.choice(("\udcff", "<b>x</b>", 'a"b', "²", "a\nb")))


def state_of_odd_process(stage: Stage, chance: random.Random) -> None:
    state = {"state": "training", "host": os.uname().nodename, "pid": os.getpid(), "start": 1.0}
    state[chance.choice(sorted(state))] = chance.choice(ODD_NUMBERS)
    (stage.bad / "state.json").write_text(json.dumps(state), encoding="utf-8")


HARM = (
    odd_config, odd_config, odd_config, other_slope, many_layers, wide,
    deep, long_number, no_numbers, no_numbers, odd_facts,
    odd_facts, long_history, odd_history, odd_history, large_sheet, sheet_of_another_format, odd_names,
    state_of_odd_process,
)  # fmt: skip


def change_config(stage: Stage, **changes: object) -> None:
    content = json.loads((stage.bad / "config.json").read_text(encoding="utf-8"))
    content["config"] |= changes
    (stage.bad / "config.json").write_text(json.dumps(content), encoding="utf-8")


# ---- what the page makes of it ---------------------------------------------------------------------------------------


class Page:
    """All that the tabs ask of the server, in this process."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.library = stage, stage.library()
        self.explore, self.morph = ExploreServer(self.library), MorphServer(self.library)
        self.replay = ReplayServer(self.library)
        self.answers: list[object] = []

    def ask(self, name: str, *, film: bool = False) -> str:
        """Use a model in every tab; returns what could be had of it. Raises whatever is not told in a sentence."""
        had = []
        entries = {entry.name: entry for entry in self.library.entries()}
        self.answers = [[entry.problem for entry in entries.values()], self.explore.models()]
        if entries.get("good") is None or entries["good"].problem:
            raise AssertionError(f"the other model is gone: {entries.get('good')}")
        face = Face(name).to_json()
        try:
            drawn = draw(self.library, Face(name)).pixels
            if not any(np.abs(drawn.astype(int) - right).max() <= 1 for right in self.stage.pictures):
                raise AssertionError("a picture of neither model")
            had.append("faces")
            had += ["sliders"] if self.library.directions(name) else []
        except RunError as error:
            self.answers.append(sentence(error))
        asked = {"face": face, "model": name, "truncation": 1.0}
        self.answers += [self.explore.draw(asked), self.explore.grid(asked), self.explore.choose(asked)]
        self.answers.append(self.morph.morph_faces({"model": name, "faces": [face]}))
        try:
            self.library.encoder(name)
            had.append("encoder")
        except RunError as error:
            self.answers.append(sentence(error))
        replay = self.asked(self.replay.replay_run, {"name": name})
        had += ["curves"] if replay.get("images") else []
        wanted = [sheet[0] for sheet in replay.get("sheets", ())]
        sheets = self.asked(self.replay.replay_sheets, {"name": name, "sheets": wanted}).get("sheets", ())
        for content in (base64.b64decode(sheet[2]) for sheet in sheets if sheet[2]):
            if SECRET in content:
                raise AssertionError("a file from elsewhere was sent as a sheet")
            if content not in self.stage.sheets:
                with Image.open(io.BytesIO(content)) as picture:
                    assert max(picture.size) <= MOST_SHEET_SIDE and picture.format == "WEBP"
        had += ["sheets"] if any(sheet[2] for sheet in sheets) else []
        for kind in ("csv", "png", "gif") if film else ("csv",):
            self.asked(self.replay.replay_download, {"runs": [name], "kind": kind})
        self.answers.append(self.replay.strip({"face": face, "run": name}))
        try:
            self.answers.append(self.replay.moment(name, 0.5)[1])
        except RunError as error:
            self.answers.append(sentence(error))
        said = json.dumps(self.answers, allow_nan=False, ensure_ascii=False).encode()
        if SECRET in said or base64.b64encode(SECRET)[:-4] in said:
            raise AssertionError("a file from elsewhere was sent")
        if str(self.stage.root).encode() in said:
            raise AssertionError("where the models lie was told")
        return " ".join(had) or "a sentence"

    def asked(self, method: Callable[[dict], dict], asked: dict) -> dict:
        """What a browser is answered that asks this."""
        try:
            answer = method(asked)
        except GanError as error:
            answer = {"problem": sentence(error)}
        self.answers.append(answer)
        return answer


def sentence(error: Exception) -> str:
    text = str(error)
    if not 10 < len(text) < 600 or "Traceback" in text or "\n" in text:
        raise AssertionError(f"no sentence: {text[:300]!r}")
    return text


def watched(work: Callable[[], str]) -> tuple[str, float]:
    """What came of it, and the seconds of a processor that it took; raises what it raises, or that it hangs."""
    outcome: list = []

    def go() -> None:
        began = time.thread_time()
        try:
            outcome.append((work(), time.thread_time() - began))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    thread.join(HANGS)
    if not outcome:
        raise AssertionError(f"no answer within {HANGS:g} seconds")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder that take room on the disk."""
    paths = [path for path in folder.rglob("*") if not path.is_symlink()] if folder.is_dir() else []
    return sum(path.lstat().st_blocks * 512 for path in paths)


def serve_all(stage: Stage, row: Row, chance: random.Random) -> None:
    """The real page over as many damaged folders as there are kinds of damage, asked through HTTP."""
    kinds = [(way, chance.choice(FILES[:6])) for way in WAYS] + [(harm, "") for harm in dict.fromkeys(HARM)]
    shown, kept = stage.bad, stage.root / "runs"
    for number, (act, name) in enumerate(kinds):
        stage.renew()
        act(stage, stage.bad / name, chance) if name else act(stage, chance)
        stage.bad.rename(kept / f"{number:02d}-{act.__name__}")
    stage.bad = shown
    stage.renew()
    with serve(stage.library()) as site:
        client = Client(site.url, verbose=False)
        models = {model["name"]: model["problem"] for model in client.predict(api_name="/models")}
        for number, (act, name) in enumerate(kinds):
            model = f"runs/{number:02d}-{act.__name__}"
            try:
                if model in models and models[model] is None:
                    client.predict(model, api_name="/generate")
                client.predict(model, api_name="/replay")
            except AppError as error:
                sentence(error)
            except Exception as error:
                row.fail(f"the real page, {act.__name__} {name}: {type(error).__name__}: {str(error)[:300]}")
                continue
            row.note("served")
        if models.get("good", "gone") is not None or models.get(NAME, "gone") is not None:
            row.fail(f"the real page lost its other models: {models}")
        client.predict("good", api_name="/generate")


def run(tries: int, seed: int) -> Row:
    """Damage, with the page starting afterwards and with the page running, and see what every tab makes of it."""
    logging.disable(logging.WARNING)  # of sliders that are left out
    try:
        return _run(tries, seed)
    finally:
        logging.disable(logging.NOTSET)


def _run(tries: int, seed: int) -> Row:
    row = Row(FAULT, MUST_BE)
    chance = random.Random(seed)
    damages = [(way.__name__, name, way) for way in WAYS for name in FILES] + [(h.__name__, "", h) for h in HARM]
    if not hasattr(os, "mkfifo"):
        damages = [damage for damage in damages if damage[2] is not pipe]
    chance.shuffle(damages)
    torch.set_num_threads(1)
    slowest, long = 0.0, tries >= len(damages) // 2
    with tempfile.TemporaryDirectory() as root:
        stage = Stage(Path(root))
        stage.renew()
        Page(stage).ask(NAME, film=long)  # what is done once
        usual = watched(lambda: Page(stage).ask(NAME))[1]
        for number in range(tries):
            way, name, act = damages[number % len(damages)]
            running, film = chance.random() < 0.5, long and number % 10 == 0
            told = f"{way} {name} ({'running' if running else 'starting'})"
            stage.renew()
            page = Page(stage)
            try:
                if running:
                    page.ask(NAME)
                    time.sleep(0.002)  # file times are coarse
                act(stage, stage.bad / name, chance) if name else act(stage, chance)
                page.library._looked -= 10  # as if a second had passed
                had, took = watched(lambda page=page, film=film: page.ask(NAME, film=film))
                if not film:
                    slowest = max(slowest, took - usual)
                    if took - usual > SECONDS + SECONDS_OF_MEGABYTE * size_of(stage.bad) / 1e6:
                        raise AssertionError(f"{took:.1f} s of a processor, where a whole folder takes {usual:.1f} s")
                if stage.mark.exists():
                    raise AssertionError("code out of a file was run")
            except Exception as error:
                row.fail(f"seed {seed}, try {number}: {told}: {type(error).__name__}: {str(error)[:400]}")
            else:
                row.note(had)
            for extra in (stage.root / "runs").iterdir():
                if extra != stage.bad:
                    shutil.rmtree(extra)
        if long:
            serve_all(stage, row, chance)
    row.remark = f"at most {slowest:.2f} s beyond the {usual:.2f} s of a whole folder"
    return row
