"""The command line: what it offers, what it refuses and in which words, what it hands to train().

Long because every option and every refusal is a case of its own.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

import train as command
from gan import load_generator, run, sample
from gan.config import FIELDS
from gan.data.drawn import draw_faces
from gan.data_record import BUILT_IN, DataRecord, SourceRecord
from gan.history import read_history
from gan.latent import directions
from gan.models import Discriminator, Generator, count_parameters
from gan.presets import PRESETS
from gan.terminal import Stopped
from gan.training.checkpoint import load_meta
from gan.training.loop import Limits, Outcome

ROOT = Path(__file__).resolve().parents[1]
TINY = ["--set=image_size=16", "--set=base_channels=4", "--set=g_multipliers=2,1", "--set=g_strides=2,2",
        "--set=d_multipliers=1,2", "--set=d_strides=2,2", "--device=cpu"]  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Relative paths (runs/, data/) and the picture cache stay inside the test's own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))


def refused(capsys, *arguments):
    """The sentence on stderr of a command that must be refused."""
    try:
        status = command.main(arguments)
    except SystemExit as exit_:  # argparse's way
        status = exit_.code
    output = capsys.readouterr()
    assert status == 2
    assert "Traceback" not in output.err and output.out == ""
    return output.err


@pytest.fixture
def handed_over(monkeypatch):
    """Replaces train() by a note of what it was given."""
    calls = []

    def train(config, images, out, **options):
        calls.append({"config": config, "images": images, "out": out, **options})
        return Outcome(images_seen=80, seconds=90.0, reason="finished")

    monkeypatch.setattr(command, "train", train)
    monkeypatch.setattr(command, "finish", lambda out: None)
    return calls


def test_list_presets(capsys):
    assert command.main(["--list-presets"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(PRESETS)
    for line, config in zip(lines, PRESETS.values(), strict=True):
        assert f"{config.image_size}x{config.image_size}x{config.channels}" in line
        assert f"{count_parameters(Generator(config)):,}" in line
        assert f"{count_parameters(Discriminator(config)):,}" in line
        assert config.source in line


def test_help_mentions_every_option_and_every_field(capsys):
    with pytest.raises(SystemExit) as exit_:
        command.main(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    words = text.split()
    for field in set(FIELDS) - {"preset", "source"}:
        assert field in words, field
    for option in ("preset", "list-presets", "data", "data-root", "out", "epochs", "max-images", "max-minutes",
                   "batch-size", "seed", "device", "precision", "sample-every", "save-minutes", "resume", "overwrite",
                   "set"):  # fmt: skip
        assert f"--{option}" in text, option
    for example in ("smooth-mnist28", "torchrun", "--resume runs/faces64"):
        assert example in text
    assert "8,4,2,1" in words  # defaults in the way --set reads them


def test_as_a_process_an_error_is_a_sentence_on_stderr():
    result = subprocess.run(
        [sys.executable, ROOT / "train.py", "--preset", "smooth-mnist"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("train.py: unknown preset 'smooth-mnist'; did you mean 'smooth-mnist28'?")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--preset=dcgan"], "unknown preset 'dcgan'; did you mean 'dcgan64'?"),
        (["--set=base_chanels=3"], "unknown field 'base_chanels'; did you mean 'base_channels'?"),
        (["--set=base_channels"], "--set 'base_channels': expected FIELD=VALUE"),
        (["--set=g_lr=fast"], "g_lr='fast': expected a number"),
        (["--set=beta1=2"], "beta1=2.0: expected 0 or more and less than 1"),
        (["--seed=-1"], "seed=-1: expected 0 to 4294967295"),
        (["--batch-size=1"], "batch_size=1: expected at least 2"),
        (["--data=celebaa"], "unknown data source 'celebaa' (did you mean 'celeba'?)"),
        (["--epochs=0"], "argument --epochs: invalid positive whole number value: '0'"),
        (["--epochs=1.5"], "argument --epochs: invalid positive whole number value: '1.5'"),
        (["--max-minutes=nan"], "argument --max-minutes: invalid positive number value: 'nan'"),
        (["--save-minutes=-1"], "argument --save-minutes: invalid positive number value: '-1'"),
        (["--precision=fp16"], "argument --precision: invalid choice: 'fp16'"),
        (["--start-from=nowhere"], "nowhere is no model folder: it has no config.json"),
        (["--resume=nowhere"], "nowhere is no model folder: it has no config.json"),
        (["--grow"], "--grow takes a model to grow: give --start-from MODEL"),
        (["--grow", "--start-from=weights/faces64", "--preset=faces64"], "and no --preset"),
        (["--data=drawn:5", *TINY], "5 pictures are fewer than one batch of 32"),
        (["--data=drawn:64", *TINY, "--device=tpu"], "device 'tpu' cannot be used here"),
    ],
)
def test_errors_are_sentences(capsys, arguments, sentence):
    assert sentence in refused(capsys, *arguments)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    "extra",
    [
        ["--preset=faces64"],
        ["--out=x"],
        ["--set=g_lr=1"],
        ["--batch-size=8"],
        ["--seed=0"],
        ["--seed=7"],
        ["--overwrite"],
        ["--start-from=weights/faces64"],
        ["--grow"],
    ],
)
def test_what_does_not_go_with_resume(capsys, tiny_run, extra):
    flag = extra[0].split("=")[0]
    assert f"{flag} does not go with --resume" in refused(capsys, f"--resume={tiny_run}", *extra)


def test_defaults(handed_over, capsys, monkeypatch):
    celeba = DataRecord((BUILT_IN["celeba"],))
    monkeypatch.setattr(command, "load_data", lambda sources, **options: ((sources, options), celeba))
    monkeypatch.setattr(command, "Monitor", lambda images, kind: ("monitor", kind))
    assert command.main([]) == 0
    assert command.main(["--preset", "dlnd-mnist28"]) == 0
    faces, digits = handed_over
    usual = dict(data_root=os.path.abspath("data"), kind="unknown", terms="", wanted="training")
    assert faces["config"] == PRESETS["faces64"] and digits["config"] == PRESETS["dlnd-mnist28"]
    assert faces["monitor"] == ("monitor", "faces")
    assert (faces["out"], digits["out"]) == (Path("runs/faces64"), Path("runs/dlnd-mnist28"))
    assert faces["images"] == (["celeba"], dict(image_size=64, channels=3, **usual))
    assert digits["images"] == (["mnist"], dict(image_size=28, channels=1, **usual))
    assert faces["limits"] == Limits(PRESETS["faces64"].epochs, None, None)
    assert (faces["device"], faces["precision"], faces["save_minutes"]) == ("auto", "auto", 5.0)
    assert not faces["resume"] and not faces["overwrite"] and faces["sample_every"] is None
    assert "finished: 80 images seen in 1.5 minutes; the model is in runs/faces64" in capsys.readouterr().out


def test_every_option_arrives(handed_over):
    arguments = ["--preset=nadim-celeba32", "--data", "drawn:40", "drawn:60", "--data-root=d", "--out=o", "--epochs=3",
                 "--max-images=1000", "--max-minutes=2.5", "--batch-size=16", "--seed=9", "--device=cpu",
                 "--precision=bf16", "--sample-every=100", "--save-minutes=0.5", "--overwrite", "--set=g_lr=0.001",
                 "--set", "flip=true"]  # fmt: skip
    assert command.main(arguments) == 0
    (call,) = handed_over
    assert call["config"] == PRESETS["nadim-celeba32"].replace(epochs=3, batch_size=16, seed=9, g_lr=1e-3, flip=True)
    assert call["images"].shape == (100, 32, 32, 3)
    assert call["out"] == Path("o") and call["data"].words == "drawn faces + drawn faces"
    assert call["limits"] == Limits(3, 1000, 2.5)
    assert (call["device"], call["precision"], call["sample_every"], call["save_minutes"]) == ("cpu", "bf16", 100, 0.5)
    assert call["overwrite"] and not call["resume"]
    assert call["meta"] == {
        "sources": ["drawn:40", "drawn:60"], "data_root": os.path.abspath("d"), "kind": "unknown", "terms": "",
        "device": "cpu", "precision": "bf16", "max_images": 1000, "sample_every": 100, "save_minutes": 0.5,
        "all_splits": False,
    }  # fmt: skip


def begin(out="begun", *extra):
    return command.main(["--data=drawn:70", "--batch-size=8", "--epochs=1", *TINY, f"--out={out}", *extra])


def test_resume_takes_data_and_precision_from_the_folder(capsys):
    assert begin("begun", "--precision=bf16") == 0
    assert load_meta(Path("begun"))["precision"] == "bf16"
    assert command.main(["--resume=begun", "--epochs=2", "--device=cpu"]) == 0
    assert "finished: 128 images seen" in capsys.readouterr().out
    meta = load_meta(Path("begun"))
    assert (meta["sources"], meta["precision"], meta["images_seen"]) == (["drawn:70"], "bf16", 128)


def test_more_epochs_stay_asked_for_after_a_stop():
    """The next plain --resume goes on to the new number: with the old one the run would count as finished."""
    assert begin() == 0
    before = json.loads(Path("begun/config.json").read_text(encoding="utf-8"))
    assert command.main(["--resume=begun", "--epochs=1", "--device=cpu"]) == 0
    assert json.loads(Path("begun/config.json").read_text(encoding="utf-8")) == before
    assert command.main(["--resume=begun", "--epochs=3", "--max-minutes=1e-6", "--device=cpu"]) == 0
    before["config"]["epochs"] = 3
    assert json.loads(Path("begun/config.json").read_text(encoding="utf-8")) == before
    assert command.main(["--resume=begun", "--device=cpu"]) == 0
    assert read_history(Path("begun"))[-1]["images_seen"] == 3 * 64


def test_start_from_takes_over_the_config(handed_over, tiny_run):
    source = f"--start-from={tiny_run}"
    assert command.main([source, "--data=drawn:40", "--set=g_lr=1e-5", "--epochs=3", "--out=a"]) == 0
    assert command.main([source, "--data=drawn:40", "--preset=dcgan64", "--out=b"]) == 0
    assert command.main(["--data=drawn:40", *TINY]) == 0
    own, other, neither = handed_over
    assert own["config"] == run.read_info(tiny_run).config.replace(g_lr=1e-5, epochs=3)
    assert own["start_from"] == other["start_from"] == tiny_run and neither["start_from"] is None
    assert other["config"] == PRESETS["dcgan64"]


def test_start_from_works_to_the_end(capsys, tiny_run):
    arguments = ["--data=drawn:40", "--epochs=1", "--device=cpu"]
    assert command.main([f"--start-from={tiny_run}", "--out=more", *arguments]) == 0
    assert "finished: 40 images seen" in capsys.readouterr().out
    assert command.main(["--resume=more", "--epochs=2", "--device=cpu"]) == 0
    assert read_history(Path("more"))[-1]["images_seen"] == 80


def test_grow_takes_a_model_to_twice_its_size(tiny_run):
    arguments = ["--data=drawn:40", "--epochs=1", "--device=cpu"]
    assert command.main([f"--start-from={tiny_run}", "--grow", "--out=large", *arguments]) == 0
    assert run.read_info(Path("large")).config == run.read_info(tiny_run).config.grown().replace(epochs=1)
    assert sample(load_generator("large"), seed=0, n=1).shape == (1, 32, 32, 3)
    assert command.main(["--resume=large", "--epochs=2", "--device=cpu"]) == 0


def test_a_refined_model_is_gone_on_from_as_its_preset_trains(handed_over, tiny_run, tmp_path):
    """Its last part's rates and features are not for others' pictures, which no classifier may know."""
    refined = {
        "shipped": PRESETS["faces128"].refined().replace(epochs=9),
        "of before": PRESETS["faces128"]
        .refined()
        .replace(imagenet_weight=0.0, spectrum_weight=0.0, g_lr=3e-5, d_lr=1e-4),
        "custom": run.read_info(tiny_run).config.refined(),
        "by hand": PRESETS["dcgan64"].replace(frechet_weight=2.0, g_lr=1e-5),
    }
    for name, config in refined.items():
        run.write_config(tmp_path / name, config, DataRecord((BUILT_IN["celeba"],)))
        assert command.main([f"--start-from={tmp_path / name}", "--data=drawn:40", f"--out={name}-more"]) == 0
    off = dict(frechet_weight=0.0, manifold_weight=0.0, manifold_start=0.0, imagenet_weight=0.0,
               spectrum_weight=0.0)  # fmt: skip
    assert [call["config"] for call in handed_over] == [
        PRESETS["faces128"].replace(epochs=9),
        PRESETS["faces128"],
        refined["custom"].replace(**off),
        PRESETS["dcgan64"].replace(g_lr=1e-5),
    ]


def test_resume_with_other_pictures_is_refused(capsys):
    assert begin() == 0
    before = json.loads(Path("begun/config.json").read_text(encoding="utf-8"))
    capsys.readouterr()
    assert "begun was trained on other pictures: drawn faces (70) and not these of drawn faces (80)" in refused(
        capsys, "--resume=begun", "--data=drawn:80"
    )
    assert json.loads(Path("begun/config.json").read_text(encoding="utf-8")) == before


def test_resume_of_a_run_that_python_began_asks_for_its_data(run_copy, capsys):
    assert "does not say where its pictures are: give --data" in refused(capsys, f"--resume={run_copy}")
    assert command.main([f"--resume={run_copy}", "--data=drawn:44", "--epochs=51", "--device=cpu"]) == 0
    assert read_history(run_copy)[-1]["images_seen"] == 2040


def test_resume_without_a_whole_checkpoint_is_a_sentence(run_copy, capsys):
    for path in (run_copy / "checkpoint").glob("*.pt"):
        path.write_bytes(b"")
    arguments = (f"--resume={run_copy}", "--data=drawn:44", "--epochs=60", "--device=cpu")
    assert "none of the checkpoints in" in refused(capsys, *arguments)
    shutil.rmtree(run_copy / "checkpoint")
    assert "has no checkpoint to resume from" in refused(capsys, *arguments)


def test_validation_and_test_are_trained_on_only_where_asked(tmp_path, monkeypatch):
    """And a run that goes on does so with what it began with, also one of before there was a choice."""
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("faces.zip", "w") as file:
        for i, picture in enumerate(draw_faces(24, 8, 3)[0]):
            content = io.BytesIO()
            Image.fromarray(picture).save(content, "png")
            file.writestr(f"{i:06d}.png", content.getvalue())
    Path("list_eval_partition.txt").write_text(
        "".join(f"{i:06d}.jpg {int(i % 3 == 0)}\n" for i in range(24)), encoding="utf-8"
    )
    begin = ["--data=faces.zip", "--batch-size=8", "--epochs=1", "--device=cpu", *TINY]
    for out, more, images, split in (("part", [], 16, "training"), ("whole", ["--all-splits"], 24, "")):
        assert command.main([*begin, f"--out={out}", *more]) == 0
        assert command.main([f"--resume={out}", "--epochs=2"]) == 0
        data = run.read_info(Path(out)).data
        assert (data.images, data.split) == (images, split)
        assert ("the training split alone" in Path(out, "README.md").read_text(encoding="utf-8")) == bool(split)
    assert command.as_begun(command.parse(["--resume=whole"]), {})["all_splits"] is True
    assert command.as_begun(command.parse(["--resume=whole", "--new-data"]), {})["all_splits"] is False


def test_an_existing_model_needs_overwrite(capsys):
    assert begin() == 0
    capsys.readouterr()
    sentence = refused(capsys, "--data=drawn:70", "--batch-size=8", *TINY, "--out=begun")
    assert "begun already holds a model (64 images seen): go on with --resume begun" in sentence
    assert begin("begun", "--overwrite", "--seed=3") == 0
    assert run.read_info(Path("begun")).config.seed == 3


def test_time_limit_says_how_to_go_on(capsys):
    assert begin("begun", "--max-minutes=1e-6") == 0
    text = capsys.readouterr().out
    assert "time limit: 8 images seen" in text
    assert "go on with: python train.py --resume begun" in text


def test_the_environment_of_torchrun_is_not_there():
    assert "WORLD_SIZE" not in os.environ and not torch.distributed.is_initialized()


# ------------------------------------------------------------------------------- what becomes of errors


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), 2, "out of memory (CUDA out of memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            2,
            "begin anew with a lower --batch-size",
        ),
        (MemoryError(), 2, "out of memory (MemoryError): end other programs"),
        (OSError(28, "No space left on device", "begun/x"), 2, "No space left on device at begun/x: "),
        (ZeroDivisionError("division by zero"), 1, "an unforeseen ZeroDivisionError (division by zero): --debug"),
        (KeyboardInterrupt(), 130, "stopped (SIGINT); go on with: python train.py --resume begun"),
        (Stopped(signal.SIGTERM), 143, "stopped (SIGTERM); go on with: python train.py --resume begun"),
    ],
)
def test_an_error_anywhere_is_a_sentence_and_debug_shows_where(monkeypatch, capsys, tiny_run, error, status, sentence):
    def fail(*_):
        raise error

    shutil.copytree(tiny_run, "begun")
    monkeypatch.setattr(command, "start", fail)
    assert command.main(["--resume=begun"]) == status
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("train.py: ") and sentence in said
    with pytest.raises(type(error)):
        command.main(["--resume=begun", "--debug"])


def test_stopped_while_pictures_are_read(monkeypatch, capsys):
    def stop(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(command, "load_data", stop)
    assert begin() == 143
    assert capsys.readouterr().err == "train.py: stopped (SIGTERM); nothing was trained yet\n"
    assert not Path("begun").exists()


def test_what_a_stop_left_undone_is_made_by_a_resume_that_has_nothing_to_train(monkeypatch, capsys):
    def stop(_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(command, "task_of", lambda _: "celeba")
    monkeypatch.setattr(directions, "PRINCIPAL", 2)
    monkeypatch.setattr(directions, "_SEEN", 64)
    with monkeypatch.context() as patched:
        patched.setattr(command.directions, "find_for_run", stop)
        assert begin() == 130
    assert not Path("begun/README.md").exists()
    weights = Path("begun/model.safetensors").read_bytes()
    assert command.main(["--resume=begun"]) == 0
    card, sliders = Path("begun/README.md").read_bytes(), Path("begun/directions.safetensors").stat()
    assert Path("begun/model.safetensors").read_bytes() == weights
    monkeypatch.setattr(command.directions, "find_for_run", lambda _: pytest.fail("these weights have theirs"))
    assert command.main(["--resume=begun"]) == 0
    assert Path("begun/README.md").read_bytes() == card
    assert Path("begun/directions.safetensors").stat().st_mtime_ns == sliders.st_mtime_ns


def test_a_run_killed_before_its_first_checkpoint_says_what_can_be_done(capsys):
    run.write_config(Path("begun"), PRESETS["faces64"], DataRecord((BUILT_IN["drawn"],), 70))
    first = "begun holds a run that was stopped before its first checkpoint: start over with --overwrite"
    assert first in refused(capsys, "--data=drawn:70", *TINY, "--out=begun")
    assert "begin it again with --overwrite" in refused(capsys, "--resume=begun")
    assert begin("begun", "--overwrite") == 0


def test_commands_are_quoted_for_the_shell(capsys):
    assert begin("my run's", "--max-minutes=1e-6") == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(line.removeprefix("go on with: ")) == ["python", "train.py", "--resume", "my run's"]


def test_a_resumed_run_has_the_options_that_it_began_with_from_any_folder(handed_over, monkeypatch, tmp_path, capsys):
    (tmp_path / "faces").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "faces" / "a.png")
    monkeypatch.setattr(command, "finish", lambda out: None)
    begun = ["--data", "faces", "drawn:40", "--data-root=d", "--max-images=1000", "--device=cpu", "--precision=fp32",
             "--sample-every=100", "--save-minutes=0.5", "--kind=faces", "--terms=  My  own. "]  # fmt: skip
    assert command.main(["--preset=nadim-celeba32", "--batch-size=8", "--out=begun", *begun]) == 0
    (first,) = handed_over
    assert [part.terms for part in first["data"].parts] == ["My own.", "drawn"]
    run.write_config(tmp_path / "begun", first["config"], first["data"])
    (tmp_path / "begun" / "checkpoint").mkdir()
    meta = json.dumps({"step": 0, "sha256": "", **first["meta"]})
    (tmp_path / "begun" / "checkpoint" / "000000000.json").write_text(meta, encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def resumed(*options):
        assert command.main([f"--resume={tmp_path / 'begun'}", *options]) == 0
        return handed_over[-1]

    again = resumed()
    for name in ("data", "meta", "device", "precision", "sample_every", "save_minutes", "limits"):
        assert again[name] == first[name], name
    assert resumed("--epochs=3")["limits"] == Limits(3, None, None)  # asked for, and not capped by the old limit
    assert resumed("--max-images=2000", "--save-minutes=9")["save_minutes"] == 9
    others = resumed("--data", "drawn:50", "--new-data")
    assert others["new_data"] and others["meta"]["kind"] == "unknown" and others["meta"]["terms"] == ""
    capsys.readouterr()
    assert "--new-data goes with --resume" in refused(capsys, "--new-data")
    assert "leave out --kind and --terms" in refused(capsys, "--data=drawn:40", "--kind=faces", "--batch-size=8")
    assert "expected celeba, mnist, or a sentence" in refused(capsys, "--terms= ")


def test_a_model_s_own_pictures_are_the_default_where_its_data_say_where_they_are(
    handed_over, tiny_run, run_copy, capsys
):
    run.write_data(run_copy, DataRecord((SourceRecord("a.zip", "a.zip"),), 44))
    assert "was trained on a.zip: give --data" in refused(capsys, f"--start-from={run_copy}", "--out=b")
    assert command.default_data(None, tiny_run) == ["drawn"]
    assert command.default_data("dlnd-mnist28") == ["mnist"] and command.default_data("faces64") == ["celeba"]
