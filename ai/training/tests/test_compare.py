"""`train compare`: the table, and where it is put."""

import re
from pathlib import Path

import pytest
from judged import command, trained

from hilum_training.commands import compare, judge
from hilum_training.compare.table import BEGIN, END
from hilum_training.errors import TrainingError


@pytest.fixture(scope="module")
def judged() -> list[Path]:
    runs = [trained("pneumonia"), trained("pneumonia", seed=2), trained("type")]
    for folder in runs:
        judge.run(command("judge", "--run", str(folder)))
    return runs


def compared(runs: list[Path], out: Path) -> str:
    compare.run(command("compare", "--runs", *map(str, runs), "--out", str(out)))
    return out.read_text()


def test_each_run_has_a_row_in_the_table_of_its_task_beside_what_others_report(judged, tmp_path: Path) -> None:
    text = compared(judged, tmp_path / "models.md")
    pneumonia, kinds = text.split("### Task ")[1:]
    assert pneumonia.startswith("pneumonia, csv") and kinds.startswith("type, csv")
    assert pneumonia.count("| plain-cnn |") == 2 and kinds.count("| plain-cnn |") == 1
    assert "0.968" in pneumonia and "0.812" in pneumonia and "0.940" in kinds and "0.907" in kinds
    rows = [line for line in kinds.splitlines() if line.startswith("|")]
    header = rows[0]
    assert "AUC, bacterial against viral" in header and "ms an image" in header
    assert {line.count("|") for line in rows} == {header.count("|")}
    assert re.search(r"32 px, [1-9]\d* images shown in", text)


def test_what_is_written_around_the_table_stays(judged, tmp_path: Path) -> None:
    out = tmp_path / "models.md"
    out.write_text(f"# Mine\n\nbefore\n{BEGIN}\nold\n{END}\nafter\n")
    text = compared(judged[:1], out)
    assert text.startswith("# Mine\n\nbefore\n" + BEGIN) and text.endswith(f"{END}\nafter\n")
    assert "old" not in text and "plain-cnn" in text


def test_a_file_without_a_place_for_the_table_is_left_alone(judged, tmp_path: Path) -> None:
    out = tmp_path / "models.md"
    out.write_text("somebody's\n")
    with pytest.raises(TrainingError, match="has no place for the table"):
        compared(judged[:1], out)
    assert out.read_text() == "somebody's\n"


def test_a_run_that_was_not_judged_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=f"no {tmp_path}/judge-test/judgement.json: judge the run first"):
        compared([tmp_path], tmp_path / "models.md")
