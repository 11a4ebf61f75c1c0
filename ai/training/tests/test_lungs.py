"""`train lungs`: masks that are no two lungs are left out, masks move with their images, a run goes on as if it had
never stopped, and its package is what the gateway takes."""
import csv
import json
import subprocess
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hilum_training.commands import lungs
from hilum_training.data.lungmasks import lungs_of, read_lung_masks
from hilum_training.data.sources import read_source
from hilum_training.errors import TrainingError
from hilum_training.export.runtime import ROOT, node
from hilum_training.loop.augment import PRESETS
from hilum_training.lungs.accepted import refusals
from hilum_training.lungs.fit import batch, fit
from hilum_training.lungs.loss import box_loss, outline_loss
from hilum_training.lungs.material import Where, load_parts
from hilum_training.lungs.measure import around, dice, drawn, exchanged, overlap, within
from hilum_training.networks.build import read_checkpoint

SIDE = 64
PARTS = ("train", "train", "validation", "test")


def ellipses(rng: np.random.Generator) -> np.ndarray:
    """bool [2, SIDE, SIDE]: the right lung, on the left of the image, a little larger than the left one."""
    y, x = np.mgrid[:SIDE, :SIDE]
    shift = rng.integers(-4, 5, 2)
    return np.stack([
        ((x - 18 - shift[0]) / 11) ** 2 + ((y - 32 - shift[1]) / 20) ** 2 < 1,
        ((x - 46 - shift[0]) / 9) ** 2 + ((y - 32 - shift[1]) / 20) ** 2 < 1,
    ])


def chest(pair: np.ndarray, rng: np.random.Generator) -> Image.Image:
    pixels = rng.normal(170, 8, (SIDE, SIDE)) - 120 * pair.any(0)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Kermany's layout with masks, SIIM's with lung boxes, and a split of both."""
    place, rng = tmp_path_factory.mktemp("lungs"), np.random.default_rng(0)
    for folder in ("kermany/NORMAL", "kermany/PNEUMONIA", "masks/masks", "siim/images"):
        (place / folder).mkdir(parents=True)
    masks, boxes, split = [], [], []
    for i in range(16):
        normal = i % 2 == 0
        patient = f"IM-{i:04}" if normal else f"person{i}"
        name = f"NORMAL/{patient}-0001.jpeg" if normal else f"PNEUMONIA/{patient}_virus_1.jpeg"
        pair = ellipses(rng)
        chest(pair, rng).save(place / "kermany" / name)
        Image.fromarray(pair.any(0)).save(place / f"masks/masks/{i}.png")
        masks.append((f"kermany/{name}", f"masks/{i}.png", SIDE + 1, SIDE, "segment"))
        split.append(("kermany", patient, PARTS[i // 2 % 4]))
    for i in range(12):
        pair = ellipses(rng)
        chest(pair, rng).save(place / f"siim/images/{i}.png")
        x1, y1, x2, y2 = around(pair[None])[0] * 256
        opaque = ("opacity", x1 + 8, y1 + 40, 20, 40) if i % 2 else ("none", "", "", "", "")
        boxes.append((f"images/{i}.png", *opaque, "typical", "", f"s{i}", 0, 0, 0, x1, y1, x2 - x1, y2 - y1))
        split.append(("siim", f"s{i}", PARTS[i // 2 % 4]))
    listed = "image label x y w h study_label use_as_negative patient_id fold5 orig_w orig_h"
    for file, heading, rows in (
        ("masks/masks.csv", ["image", "mask", "orig_w", "orig_h", "match"], masks),
        ("siim/labels.csv", [*listed.split(), "lung_x", "lung_y", "lung_w", "lung_h"], boxes),
        ("split.csv", ["source", "patient", "part"], split),
    ):
        with open(place / file, "w", newline="") as opened:
            csv.writer(opened).writerows([heading, *rows])
    return place


def arguments(data: Path, *given: str) -> Namespace:
    parser = ArgumentParser()
    lungs.add(parser.add_subparsers())
    places = ["--data", f"kermany:{data}/kermany", "--masks", f"{data}/masks", "--boxed", f"siim:{data}/siim"]
    places += ["--split", f"{data}/split.csv", "--cache", f"{data}/cache", "--threads", "1"]
    return parser.parse_args(["lungs", *given, *places])


def fitting(data: Path, out: Path, *given: str) -> Namespace:
    small = ["--widths", "8", "16", "16", "16", "16", "--batch", "4", "--rate", "0.003", "--augment", "none"]
    small += ["--steps", "24", "--log-every", "4"]
    return arguments(data, "fit", "--out", str(out), *small, *given)


@pytest.fixture(scope="module")
def trained(data: Path) -> Path:
    fit(fitting(data, data / "run"))
    return data / "run"


def parts(data: Path, *wanted: str):
    where = Where(f"kermany:{data}/kermany", data / "masks", f"siim:{data}/siim", [data / "split.csv"], data / "cache")
    return load_parts(where, wanted)


def test_the_first_lung_is_that_on_the_left_of_the_image() -> None:
    pair = ellipses(np.random.default_rng(0))
    assert np.array_equal(lungs_of(pair.any(0)), pair)
    mirrored = pair[:, :, ::-1]
    assert np.array_equal(lungs_of(mirrored.any(0)), mirrored[::-1])


def _spoilt(how: str) -> np.ndarray:
    pair = ellipses(np.random.default_rng(0))
    mask = pair.any(0)
    if how == "lungs not apart":
        mask[30:34, 15:50] = True
    elif how == "more than two pieces":
        mask[2:10, 2:30] = True
    elif how == "of an area that lungs do not have":
        mask = pair[0].copy()
        mask[30:36, 40:46] = True
    else:
        mask = np.zeros((SIDE, SIDE), bool)
        mask[4:26, 20:40], mask[34:56, 21:41] = True, True
    return mask


@pytest.mark.parametrize(
    "how",
    ["lungs not apart", "more than two pieces", "of an area that lungs do not have", "not side by side"],
)
def test_a_mask_that_is_no_two_lungs_is_left_out_and_counted(data: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "masks").mkdir()
    Image.fromarray(_spoilt(how)).save(tmp_path / "masks/0.png")
    rows = list(csv.reader(open(data / "masks/masks.csv")))[:3]
    with open(tmp_path / "masks.csv", "w", newline="") as opened:
        csv.writer(opened).writerows(rows)
    Image.open(data / "masks/masks/1.png").save(tmp_path / "masks/1.png")
    found = read_lung_masks(read_source(f"kermany:{data}/kermany"), tmp_path, SIDE)
    assert len(found.samples) == 1 and dict(found.left_out) == {how: 1}


def test_masks_filled_in_by_a_program_are_not_learnt_from(data: Path, tmp_path: Path) -> None:
    text = (data / "masks/masks.csv").read_text().replace("masks/0.png,65,64,segment", "masks/0.png,65,64,gapfill")
    (tmp_path / "masks.csv").write_text(text)
    (tmp_path / "masks").symlink_to(data / "masks/masks")
    assert len(read_lung_masks(read_source(f"kermany:{data}/kermany"), tmp_path, SIDE).samples) == 15


def test_parts_are_those_of_the_split_and_hold_the_lungs_of_their_images(data: Path) -> None:
    held = parts(data, "train", "test")
    assert [len(held[p].outlined.images) for p in ("train", "test")] == [8, 4]
    test = held["test"]
    dark = test.outlined.images.images < 110
    assert all(dice(dark[i][None, None], test.outlined.masks.at([i]).any(1, keepdims=True)) > 0.95 for i in range(4))
    assert overlap(around(test.outlined.masks.at([0, 1])), around(dark[:2, None])).min() > 0.9


def test_masks_go_where_their_images_go_and_mirroring_does_not_exchange_them(data: Path) -> None:
    train, mirrored = parts(data, "train")["train"], 0
    for step in range(6):
        images, masks, boxes = batch(train, 4, PRESETS["standard"], np.random.default_rng(step))
        assert images.shape == (8, 1, 128, 128) and masks.shape == (4, 2, 128, 128) and boxes.shape == (4, 4)
        columns = torch.arange(128.0)
        for image, mask, box in zip(images[:4, 0], masks, boxes):
            either = mask.sum(0) > 0.9
            body = (mask.sum(0) < 0.1) & (image > image.median() / 3)
            assert image[either].mean() < image[body].mean() - 0.1
            centre = [(part.sum(0) * columns).sum() / part.sum() for part in mask]
            assert centre[0] < centre[1]
            mirrored += int(mask[0].sum() < mask[1].sum())  # the larger one is now on the right of the image
    assert 0 < mirrored < 24


def _logits(pair: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.where(pair, 8.0, -8.0).astype(np.float32))


def test_what_fits_an_outline_or_a_box_costs_least() -> None:
    pair = ellipses(np.random.default_rng(1))[None]
    fits, smaller = _logits(pair), _logits(pair & (np.arange(SIDE)[None, None, :, None] < 32))
    truth, box = torch.from_numpy(pair).float(), torch.from_numpy(around(pair) * SIDE).float()
    assert outline_loss(fits, truth) < 0.02 < 0.3 < outline_loss(smaller, truth)
    assert box_loss(fits, box) < 0.02 < 0.1 < box_loss(smaller, box)
    both = _logits(np.repeat(pair.any(1, keepdims=True), 2, 1))
    assert box_loss(both, box) > 0.5, "each lung has its side"
    assert box_loss(_logits(pair[:, ::-1].copy()), box) > 0.5
    assert box_loss(smaller, torch.zeros(1, 4)) < 0.001, "an unknown box says nothing"


def test_measures_say_what_is_there() -> None:
    pair = ellipses(np.random.default_rng(2))
    spotted = pair.copy()
    spotted[0, 0, 0] = True
    assert np.array_equal(drawn(_logits(spotted[None]).numpy())[0], pair), "a speck is no lung"
    assert dice(pair[None], pair[None]).tolist() == [[1, 1]] and dice(pair[None], pair[None, ::-1]).max() == 0
    assert exchanged(pair[None, ::-1], pair[None]).tolist() == [True] and not exchanged(pair[None], pair[None]).any()
    box = around(pair[None])
    assert overlap(box, box)[0] == 1 and overlap(box, box + [1, 0, 1, 0])[0] == 0
    assert around(np.zeros((1, 2, 8, 8), bool)).tolist() == [[0, 0, 0, 0]]
    ys, xs = np.nonzero(pair[0])
    inside = np.array([[xs.mean() - 2, ys.mean() - 2, xs.mean() + 2, ys.mean() + 2], [0, 0, 4, 4]]) / SIDE
    assert within(pair, inside).tolist() == [1, 0]


def test_the_gateway_s_own_check_judges_what_was_drawn() -> None:
    pair = ellipses(np.random.default_rng(3))
    one = pair.copy()
    one[1] = False
    told = refusals(np.stack([_logits(pair).numpy(), _logits(one).numpy(), _logits(pair[::-1].copy()).numpy()]))
    assert told[0] is None and told[1] == "no left lung was found" and "side by side" in told[2]


def test_a_run_learns_and_tells_what_it_reached(data: Path, trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    right = [line["accuracy"] for line in lines if "accuracy" in line]
    assert right[-1] > max(0.8, right[0] + 0.2) and lines[-1]["validation"]["dice"] > 0.3


def test_a_stopped_run_goes_on_to_the_same_weights(data: Path, trained: Path, tmp_path: Path) -> None:
    assert fit(fitting(data, tmp_path), stop=lambda step: step == 9) is None
    assert fit(fitting(data, tmp_path)) is not None
    one, other = (read_checkpoint(run / "last.pt")["average"] for run in (trained, tmp_path))
    assert all(torch.allclose(value, other[name], atol=1e-5) for name, value in one.items())
    with pytest.raises(TrainingError, match="holds another run .seed was 1 and is 2"):
        fit(fitting(data, tmp_path, "--seed", "2"))


def test_judging_writes_figures_and_pictures(data: Path, trained: Path, capsys) -> None:
    a = arguments(data, "judge", "--run", str(trained), "--draws", "100")
    a.run(a)
    assert "4 outlined images" in capsys.readouterr().out
    record = json.loads((trained / "judge-test/judgement.json").read_text())
    outlined, boxed = record["outlined"], record["boxed"]
    mean = outlined["all"]["mean"]
    assert 0 <= mean["low"] <= mean["value"] <= mean["high"] <= 1 and outlined["all"]["p5"]["value"] <= mean["value"]
    assert sum(outlined["refused"].values()) == round((1 - outlined["accepted"]) * 4)
    assert boxed["opacities"]["regions"] > 0 and 0 <= boxed["boxOverlap"]["mean"]["value"] <= 1
    assert Image.open(trained / "judge-test/pictures.png").width == 4 * 384


LOAD = """
import { loadPackage } from './ai/runtime/manifest.ts';
const { manifest } = await loadPackage(process.argv[1]);
console.log(JSON.stringify(manifest));
"""


def test_the_package_is_what_the_gateway_takes(data: Path, trained: Path, tmp_path: Path) -> None:
    given = ["export", "--run", str(trained), "--out", str(tmp_path / "lungs"), "--version", "0.1.0", "--draws", "100"]
    a = arguments(data, *given)
    a.run(a)
    command = [node(), "--input-type=module", "-e", LOAD, str(tmp_path / "lungs")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    manifest = json.loads(done.stdout)
    assert (manifest["purpose"], manifest["task"], manifest["input"]["width"]) == ("lungs", "segmentation", 128)
    assert manifest["licence"].startswith("CC-BY-NC-4.0") and "v7labs" in manifest["licence"]
    assert "5th percentile" in (tmp_path / "lungs/MODEL_CARD.md").read_text()
    with pytest.raises(TrainingError, match="already: give another --out, or --replace"):
        a.run(a)


def test_what_cannot_be_trained_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="must be even"):
        fit(fitting(data, tmp_path, "--batch", "5"))
    a = fitting(data, tmp_path)
    a.masks = tmp_path / "none"
    with pytest.raises(TrainingError, match="masks.csv and masks/"):
        fit(a)
    a = fitting(data, tmp_path)
    a.boxed = a.data
    with pytest.raises(TrainingError, match="tells of no image where its lungs are"):
        fit(a)
    assert not (tmp_path / "last.pt").exists()
