"""What export counts for the watch on drift is what the gateway counts (test/unit/drift-statistics.test.ts has the same numbers)."""
import numpy as np
import pytest

from hilum_training.export.reference import histogram, statistics

IMAGE = np.array([
    [171, 206, 5, 206, 120, 131, 161],
    [73, 250, 13, 71, 98, 146, 104],
    [33, 11, 0, 12, 38, 255, 48],
    [167, 192, 60, 72, 111, 67, 249],
    [45, 229, 204, 216, 29, 100, 160],
], dtype=np.uint8)
EXPECTED = {
    "mean": 0.4541176470588235,
    "deviation": 0.31000000885869833,
    "black": 0.05714285714285714,
    "white": 0.05714285714285714,
    "sharpness": 1.1175815947074732,
}


def test_the_statistics_are_those_of_the_gateway() -> None:
    found = statistics([IMAGE])
    assert {name: float(values[0]) for name, values in found.items()} == pytest.approx(EXPECTED, rel=1e-12)


def test_the_statistics_of_an_image_of_one_value_are_numbers() -> None:
    found = statistics([np.full((8, 8), 51, dtype=np.uint8)])
    assert {name: float(values[0]) for name, values in found.items()} == pytest.approx(
        {"mean": 0.2, "deviation": 0.0, "black": 0.0, "white": 0.0, "sharpness": 0.0}
    )


def test_an_edge_belongs_to_the_bin_above_it_and_what_lies_outside_to_the_outermost() -> None:
    counts = histogram("probability", np.array([0, 0.049, 0.05, 0.999, 1, 1.5, -1]))["counts"]
    assert (counts[0], counts[1], counts[19], sum(counts)) == (3, 1, 3, 7)
