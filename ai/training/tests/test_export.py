"""`train export`: the package is what the gateway takes, and the file is what PyTorch computed."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml
from judged import command, data, trained
from onnx import numpy_helper

from hilum_training.commands import export
from hilum_training.data.samples import load_images
from hilum_training.data.sources import read_source
from hilum_training.errors import TrainingError
from hilum_training.export.graph import to_onnx
from hilum_training.export.runtime import ROOT, SCRIPT, ask, node
from hilum_training.export.variants import shrink
from hilum_training.judge.answers import run
from hilum_training.judge.fitting import Options
from hilum_training.judge.readers import ClassifierReader
from hilum_training.judge.runs import load_runs
from hilum_training.networks.build import build


def exported(out: Path, *given: str) -> dict:
    export.run(
        command("export", "--out", str(out), "--name", "trial", "--version", "0.1.0", "--licence", "own", *given)
    )
    return yaml.safe_load((out / "manifest.yaml").read_text())


def in_the_gateway(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [node(), "--input-type=module", "-e", script, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LOAD = """
import { loadPackage } from './ai/runtime/manifest.ts';
import { referenceSchema } from './ai/drift/reference.ts';
const { manifest } = await loadPackage(process.argv[1]);
referenceSchema.parse(manifest.reference);
console.log(JSON.stringify(manifest));
"""
READ = """
import { readFile } from 'node:fs/promises';
import { loadPackage } from './ai/runtime/manifest.ts';
import { readOutputs } from './ai/runtime/outputs.ts';
import ort from 'onnxruntime-node';
const [folder, pixels] = process.argv.slice(1);
const model = await loadPackage(folder);
const side = model.manifest.input.width;
const bytes = await readFile(pixels);
const n = bytes.length / side / side;
const session = await ort.InferenceSession.create(model.path);
const tensors = await session.run({ image: new ort.Tensor('float32', Float32Array.from(bytes, (value) => value / 255), [n, 1, side, side]) });
console.log(JSON.stringify(readOutputs(model.manifest, tensors, n).map(({ map, ...rest }) => rest)));
"""


@pytest.mark.parametrize(
    "task, labels",
    [
        ("pneumonia", ["opacity"]),
        ("type", ["normal", "bacterial", "viral"]),
        ("detection", ["opacity"]),
    ],
)
def test_the_gateway_takes_the_package_and_reads_the_same_probabilities(
    task: str, labels: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "package"
    written = exported(folder, "--run", str(trained(task)), "--ages", "1", "5")
    manifest = json.loads(in_the_gateway(LOAD, str(folder)))
    assert [label["name"] for label in manifest["labels"]] == labels
    assert manifest["task"] == ("detection" if task == "detection" else "classification")
    assert manifest["applicability"]["ageYears"] == {"min": 1, "max": 5}
    assert ("mask" in manifest["outputs"]) == (task != "detection")
    assert sum(manifest["reference"]["histograms"]["probability"]["counts"]) == manifest["reference"]["n"]
    judged = [value for name, value in written["figures"].items() if name.startswith("test")]
    assert judged and all(len(value["auc"]) == 3 for value in judged)
    assert "largest" in json.dumps(written["figures"]["onnx"])

    runs = load_runs([trained(task)])
    images = load_images(read_source(f"csv:{data()[0]}")[:12], runs.size, None)
    (tmp_path / "pixels").write_bytes(images.images.tobytes())
    told = json.loads(in_the_gateway(READ, str(folder), str(tmp_path / "pixels")))
    logits = run(runs.reader(False), images.images)["logit"]
    c = manifest["calibration"]
    if task == "type":
        scaled = np.exp(logits * c["scale"] + np.array(c["offset"]))
        wanted = scaled[:, 1:].sum(1) / scaled.sum(1)
    else:
        wanted = 1 / (1 + np.exp(-(c["scale"] * logits[:, 0] + c["offset"])))
    assert [each["probability"] for each in told] == pytest.approx(list(wanted), abs=0.01)
    positive = [each for each in told if each["positive"]]
    assert positive and any(each["boxes"] for each in positive)


def test_the_card_tells_the_figures_the_check_and_the_cost_of_the_variant(tmp_path: Path) -> None:
    written = exported(
        tmp_path / "package",
        "--run",
        str(trained("pneumonia")),
        "--variant",
        "int8",
        "--check",
        str(tmp_path / "check"),
    )
    card = (tmp_path / "package" / "MODEL_CARD.md").read_text()
    auc = written["figures"]["test all"]["auc"]
    assert f"| AUC | {auc[0]:.3f} ({auc[1]:.3f} to {auc[2]:.3f}) |" in " ".join(card.split())
    assert "PyTorch differ: logit by at most" in " ".join(card.split())
    assert "stored as 8-bit integers" in card and "That costs, in AUC" in " ".join(card.split())
    assert written["figures"]["onnx"]["aucLost"]["csv"] == pytest.approx(0, abs=0.05)
    assert written["figures"]["onnx"]["largestDifference"]["logit"] < 0.01
    # The check can be run again by anybody, against the file that ships.
    done = subprocess.run(
        [node(), str(SCRIPT), str(tmp_path / "package" / "model.onnx"), str(tmp_path / "check")],
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["images"] > 0 and json.loads(done.stdout)["medianMs"] > 0


@pytest.fixture(scope="module")
def reader() -> ClassifierReader:
    """A network of a few million weights whose batch normalisation has seen images."""
    torch.manual_seed(1)
    network = build({"arch": "mobilenet-v3", "task": "type", "size": 64, "hidden": [32], "dropout": 0.2})
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.5  # ten batches, not a thousand
    network.train()
    with torch.no_grad():
        for _ in range(10):
            network(torch.rand(8, 1, 64, 64))
    return ClassifierReader([network], (False, True, True), flip=True).eval()


@pytest.fixture(scope="module")
def graph(reader) -> onnx.ModelProto:
    return to_onnx(reader, 64)


IMAGES = np.random.default_rng(0).integers(0, 255, (6, 64, 64)).astype(np.uint8)


@pytest.mark.parametrize("variant, share, most", [("float32", 1, 1e-3), ("fp16", 0.5, 0.02), ("int8", 0.25, 0.5)])
def test_a_variant_is_smaller_by_what_it_says_and_answers_nearly_the_same(
    reader, graph, tmp_path: Path, variant: str, share: float, most: float
) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(shrink(graph, variant).SerializeToString())
    assert file.stat().st_size / graph.ByteSize() == pytest.approx(share, rel=0.2)
    expected = run(reader, IMAGES)
    assert expected["logit"].std() > 0.01  # there is something to compare
    told = ask(file, IMAGES).tensors
    assert told["logit"].shape == (6, 3) and told["cam"].shape == (6, 1, 16, 16)
    assert np.abs(told["logit"] - expected["logit"]).max() < most * max(1, np.abs(expected["logit"]).max())


def test_int8_weights_are_off_by_half_a_step_at_most(graph) -> None:
    tensors = {t.name: numpy_helper.to_array(t) for t in shrink(graph, "int8").graph.initializer}
    compared = 0
    for tensor in graph.graph.initializer:
        if f"{tensor.name}.int8" not in tensors:
            continue
        weights, scale = numpy_helper.to_array(tensor), tensors[f"{tensor.name}.scale"]
        assert (np.abs(tensors[f"{tensor.name}.int8"] * scale - weights) <= scale * 0.501).all()
        assert scale.size == max(scale.shape) > 1  # one for each channel
        compared += 1
    assert compared > 20


def test_the_map_of_an_image_says_where_the_network_is_surest(tmp_path: Path) -> None:
    """Of a network that is sure of the whole image, too."""
    network = build({"arch": "plain-cnn", "task": "pneumonia", "size": 64, "hidden": [], "dropout": 0.2}).eval()
    with torch.no_grad():
        network.head[-1].bias.fill_(30)
        raw = network(torch.from_numpy(IMAGES[:, None] / np.float32(255)))[1].numpy()
    told = run(ClassifierReader([network], (True,), flip=False), IMAGES)
    assert told["logit"].min() > 20
    assert told["cam"].min((1, 2, 3)) == pytest.approx(0, abs=1e-3) and told["cam"].max((1, 2, 3)) == pytest.approx(
        1, abs=1e-3
    )
    surest = [np.unravel_index(each.argmax(), each.shape) for each in raw[:, 0]]
    cells = 16 // raw.shape[-1]
    assert all(
        told["cam"][i, 0, y * cells : (y + 1) * cells, x * cells : (x + 1) * cells].max() > 0.9
        for i, (y, x) in enumerate(surest)
    )


def test_a_mirrored_image_has_the_same_answer_and_the_mirrored_map() -> None:
    network = build({"arch": "plain-cnn", "task": "type", "size": 64, "hidden": [8], "dropout": 0.2}).eval()
    both = ClassifierReader([network], (False, True, True), flip=True)
    plain, mirrored = run(both, IMAGES), run(both, IMAGES[:, :, ::-1].copy())
    assert mirrored["logit"] == pytest.approx(plain["logit"], abs=1e-5)
    assert mirrored["cam"][..., ::-1] == pytest.approx(plain["cam"], abs=0.01)
    finding = 1 - np.exp(plain["logit"][:, 0]) / np.exp(plain["logit"]).sum(1)
    assert plain["cam"].max((1, 2, 3)) == pytest.approx(finding, abs=1e-3)


def test_several_runs_become_one_graph_that_averages(tmp_path: Path) -> None:
    folders = [trained("pneumonia"), trained("pneumonia", seed=2)]
    images = np.random.default_rng(1).integers(0, 255, (3, 32, 32)).astype(np.uint8)
    each = [run(load_runs([folder]).reader(False), images)["logit"] for folder in folders]
    (tmp_path / "both.onnx").write_bytes(to_onnx(load_runs(folders).reader(False), 32).SerializeToString())
    assert ask(tmp_path / "both.onnx", images).tensors["logit"] == pytest.approx((each[0] + each[1]) / 2, abs=1e-4)


def test_a_graph_that_answers_otherwise_is_refused(reader, graph, tmp_path: Path) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    bias = next(t for t in model.graph.initializer if tuple(t.dims) == (3,))
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.02), bias.name))
    onnx.save(model, str(tmp_path / "model.onnx"))
    with pytest.raises(TrainingError, match="logit differs by 0.0[12].*more than 0.01"):
        ask(tmp_path / "model.onnx", IMAGES, run(reader, IMAGES))


def test_a_package_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text("somebody's")
    with pytest.raises(TrainingError, match="holds manifest.yaml already"):
        exported(tmp_path, "--run", str(trained("pneumonia")))
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.yaml"]
    assert exported(tmp_path, "--run", str(trained("pneumonia")), "--replace")["name"] == "trial"


def test_a_file_that_is_too_large_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="MB, more than 0.01"):
        exported(tmp_path / "package", "--run", str(trained("pneumonia")), "--max-mb", "0.01")
    assert not (tmp_path / "package").exists()


def test_the_licence_of_data_that_nobody_knows_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the terms of csv are not known here"):
        export.run(
            command(
                "export",
                "--out",
                str(tmp_path / "p"),
                "--name",
                "n",
                "--version",
                "1",
                "--run",
                str(trained("pneumonia")),
            )
        )


@pytest.mark.parametrize(
    "given, told",
    [
        (["--name", "two words"], "--name two words: must be letters, digits and hyphens"),
        (["--device-uid", "2.25.x"], "--device-uid 2.25.x: is no UID"),
        (["--ages", "15", "0"], "--ages 15 0: must be years, the lower first"),
    ],
)
def test_what_the_gateway_would_refuse_is_told_before_anything_is_measured(given, told, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=told):
        exported(tmp_path / "package", "--run", str(trained("pneumonia")), *given)
    assert not (tmp_path / "package").exists()


def test_the_options_of_the_judgement_are_those_of_export() -> None:
    from hilum_training.judge.held import options

    a = command(
        "export",
        "--run",
        "r",
        "--out",
        "o",
        "--name",
        "n",
        "--version",
        "1",
        "--sensitivity",
        "0.9",
        "--false-regions",
        "0.5",
    )
    assert options(a) == Options(sensitivity=0.9, false_an_image=0.5, draws=100)
