"""Rows that were trained elsewhere: what a file may hold, and what is told of one that holds something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.imported import imported
from tablewright.orchestrator.foreign_runs import ForeignRun, read_wandb, runs_to_csv
from tablewright.orchestrator.importing import copy_runs
from tablewright.trainables.value.refusal import Refusal
from tests.reports.tiny_study import DUKE, MARKET, depth_row, make_ablation

MAP = {"acc": ("Market-1501", "map")}
RUNS = "method,seed,set,acc,r1\nA,0,Market-1501,0.5,0.6\nA,1,Market-1501,0.7,\nB,0,DukeMTMC-reID,0.8,0.9\n"


def written(folder: Path, text: str) -> str:
    (folder / "results.csv").write_text(text)
    return str(folder / "results.csv")


def test_a_file_gives_a_row_a_label_with_a_run_a_line(tmp_path: Path):
    """Runs come by row, data set and seed; an empty field is no value; a byte-order mark is none of a name."""
    rows = imported(
        written(tmp_path, f"\ufeff{RUNS}"),
        {"acc": "map", "r1": "rank1"},
        label_column="method",
        dataset_column="set",
        seed_column="seed",
    )
    assert ["A", "B"] == [row.label for row in rows]
    assert rows[0].imported is not None
    assert [(0, 0.5), (1, 0.7)] == rows[0].imported.values_of("Market-1501", "map")
    assert [(0, 0.6)] == rows[0].imported.values_of("Market-1501", "rank1")
    assert [] == rows[0].imported.values_of("DukeMTMC-reID", "map")


def test_percent_become_the_fractions_that_were_meant(tmp_path: Path):
    """86.1 % is 0.861 to the last bit, and runs without seeds stay as many runs as there are lines."""
    (row,) = imported(written(tmp_path, "acc\n86.1\n86.1\n"), MAP, label="theirs", percent=["acc"])
    assert row.imported is not None
    assert [(None, 0.861), (None, 0.861)] == row.imported.values_of("Market-1501", "map")


def test_lines_are_chosen_by_what_they_have(tmp_path: Path):
    """`where` leaves out what is not meant, and one that chooses nothing is told."""
    path = written(tmp_path, RUNS)
    (row,) = imported(path, MAP, label="A", seed_column="seed", where={"method": "A"})
    assert row.imported is not None
    assert 2 == len(row.imported.runs)
    with pytest.raises(Refusal, match=r"no line with \{'method': 'C'\}"):
        imported(path, MAP, label="A", where={"method": "C"})


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("acc\n1\n", {"seed_column": "sed"}, ["line 1: there is no column 'sed'"]),
        ("Acc,seed\n1,0\n", {}, ["there is no column 'acc'; did you mean 'Acc'?"]),
        ("acc,acc\n1,2\n", {}, ["line 1: there are two columns 'acc'"]),
        ("", {}, ["it is empty"]),
        ("acc\n", {}, ["it has no line below its column names"]),
        ("acc,x\n1\n", {}, ["line 2: it has 1 fields under 2 column names"]),
        ("acc\nhigh\nnan\n", {}, ["line 2, 'acc'", "got 'high'", "line 3, 'acc'", "got 'nan'"]),
        ("acc,seed\n1,0\n0.5,0\n", {"seed_column": "seed"}, ["line 3: seed 0 of 'r' on", "stands in line 2"]),
        ("acc,seed\n1,x\n1,0.5\n1,-1\n1,\n", {"seed_column": "seed"}, ["'x'", "'0.5'", "'-1'", "'seed' is empty"]),
        ("acc\n0.5\n", {"percent": ["acc"]}, ["no value of 'acc' is above 1"]),
        ("acc\n1\n", {"percent": ["r1"]}, ["'r1' is none of columns"]),
        ("acc,seed\n,0\n", {}, ["none of its lines has a value"]),
        ('acc\n"1\n', {}, ["this is no CSV"]),
        ("acc\n1\n", {"label_column": "acc"}, ["rows are named by label=… (one row of all lines) or by label_column"]),
        ("acc\n1\n", {"dataset_column": "acc"}, ["a metric's name stands alone where dataset_column"]),
    ],
)  # fmt: skip
def test_each_fault_of_a_file_is_told_with_its_place(tmp_path: Path, text, given, said):
    """A person reads which line is wrong, and what would be right; nothing is read past it in silence."""
    with pytest.raises(Refusal) as refused:
        imported(written(tmp_path, text), MAP, **{"label": "r", **given})
    for part in said:
        assert part in str(refused.value)


def test_faults_beyond_twenty_are_counted(tmp_path: Path):
    """A file in which every line is wrong is told in twenty-one lines."""
    with pytest.raises(Refusal) as refused:
        imported(written(tmp_path, "acc\n" + "x\n" * 30), MAP, label="r")
    assert 21 == len(refused.value.faults)
    assert "and 10 more faults" == refused.value.faults[-1].text


def test_a_file_that_is_none_is_told(tmp_path: Path):
    """One that is not there, a folder, another encoding: with where it was looked for."""
    with pytest.raises(Refusal, match="cannot be read"):
        imported(str(tmp_path / "absent.csv"), MAP, label="r")
    with pytest.raises(Refusal, match="cannot be read"):
        imported(str(tmp_path), MAP, label="r")
    (tmp_path / "latin.csv").write_bytes("acc,ä\n1,2\n".encode("latin-1"))
    with pytest.raises(Refusal, match="line 1: the file is written in UTF-8"):
        imported(str(tmp_path / "latin.csv"), MAP, label="r")


def test_what_has_no_place_in_a_table_is_told_all_at_once(tmp_path: Path):
    """Percent for a fraction, a data set and a metric that are none of the table: each with what there is."""
    columns = {"acc": ("Market-1501", "map"), "r1": ("Market1501", "rank-1")}
    rows = imported(written(tmp_path, "acc,r1\n86.1,0.9\n0.8,0.9\n"), columns, label="theirs")
    with pytest.raises(Refusal) as refused:
        make_ablation([depth_row(2), *rows])
    for part in (
        "86.1 is not a fraction",
        "wrong in 1 of 2",
        "percent=",
        "'Market1501'",
        "'rank-1'",
        "row 'theirs'",
    ):
        assert part in str(refused.value)


def test_a_column_that_is_left_out_takes_its_imported_values_along(tmp_path: Path):
    """`--datasets` of a table with imported rows leaves the values of other data sets out of them."""
    columns = {"acc": ("Market-1501", "map"), "r1": ("DukeMTMC-reID", "map")}
    rows = imported(written(tmp_path, "acc,r1\n0.8,0.9\n"), columns, label="theirs")
    cut = make_ablation([depth_row(2), *rows], datasets=[MARKET, DUKE]).with_datasets(["DukeMTMC-reID"])
    assert cut is not None
    assert cut.printed_rows[1].imported is not None
    assert [(None, 0.9)] == cut.printed_rows[1].imported.values_of("DukeMTMC-reID", "map")
    assert [] == cut.printed_rows[1].imported.values_of("Market-1501", "map")


def test_copied_runs_are_a_line_each_and_read_back(tmp_path: Path):
    """A column a setting and a result, in the same order whoever logged first; a line break breaks no line."""
    runs = [
        ForeignRun("1", "a\nb", "FINISHED", {"seed": "0", "lr": "0.1"}, {"acc": 0.1}),
        ForeignRun("2", "c", "FAILED", {"seed": "1"}, {}),
    ]
    content = runs_to_csv(runs)
    assert (
        b"run_id,run_name,state,params.lr,params.seed,metrics.acc\n1,a b,FINISHED,0.1,0,0.1\n2,c,FAILED,,1,\n"
        == content
    )
    (tmp_path / "runs.csv").write_bytes(content)
    (row,) = imported(
        str(tmp_path / "runs.csv"),
        {"metrics.acc": ("Market-1501", "map")},
        label="theirs",
        seed_column="params.seed",
        where={"state": "FINISHED"},
    )
    assert row.imported is not None
    assert [(0, 0.1)] == row.imported.values_of("Market-1501", "map")


WANDB = [
    {"name": "a", "state": "finished", "config": {"seed": {"value": 0, "desc": None}, "opt": {"lr": 0.1}},
     "summary": {"val/acc": 0.8, "_step": 3, "note": "x", "test": {"acc": 0.7}, "is_best": True}},
    {"name": "b", "config": "{'seed': 1}", "summary": '{"val/acc": 0.82}'},
    {"id": "c", "history": [{"val/acc": 0.1}, {"val/acc": 0.9, "loss": None}]},
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("runs.json", json.dumps(WANDB)),
        ("runs.jsonl", "\n".join(map(json.dumps, WANDB))),
        ("frame.json", json.dumps({key: {str(n): run.get(key) for n, run in enumerate(WANDB)}
                                   for key in ("id", "name", "state", "config", "summary", "history")})),
        ("frame.csv", "name,config,summary\na,\"{'seed': 0, 'opt': {'lr': 0.1}}\",\"{'val/acc': 0.8, 'test': "
                      "{'acc': 0.7}}\"\nb,{'seed': 1},{'val/acc': 0.82}\n,,{'val/acc': 0.9}\n"),
    ],
)  # fmt: skip
def test_runs_of_wandb_are_read_however_they_were_exported(tmp_path: Path, name: str, text: str):
    """Settings and last results of each run, nested ones by their path; what is no number is no result."""
    (tmp_path / name).write_text(text)
    found = read_wandb(tmp_path / name)
    assert [{"seed": "0", "opt.lr": "0.1"}, {"seed": "1"}, {}] == [run.params for run in found]
    assert [{"val/acc": 0.8, "test.acc": 0.7}, {"val/acc": 0.82}, {"val/acc": 0.9}] == [
        run.metrics for run in found
    ]


@pytest.mark.parametrize("text", ["", "[]", "{", "[1]", '[{"name": "a"}]', '[{"config": "x", "summary": 3}]'])
def test_an_export_that_is_none_is_told(tmp_path: Path, text: str):
    """Nothing that is no export of runs becomes a file of runs."""
    (tmp_path / "runs.json").write_text(text)
    with pytest.raises(ValueError, match="is no export of W&B's runs"):
        copy_runs(str(tmp_path / "runs.json"), tmp_path / "theirs.csv")
    assert not (tmp_path / "theirs.csv").exists()


def test_a_source_that_is_none_is_told(tmp_path: Path):
    """A database that is not there is not begun, and a target is a CSV file."""
    with pytest.raises(ValueError, match="no database is begun there"):
        copy_runs(f"sqlite:///{tmp_path}/absent.db#baselines", tmp_path / "theirs.csv")
    with pytest.raises(ValueError, match="URI#EXPERIMENT"):
        copy_runs("baselines", tmp_path / "theirs.csv")
    with pytest.raises(ValueError, match=r"ends in \.csv"):
        copy_runs("sqlite:///m.db#baselines", tmp_path / "theirs.txt")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.slow
def test_runs_of_an_mlflow_experiment_are_copied(tmp_path: Path):
    """What an experiment has logged stands in the file, in the order in which its runs began; twice it is the same."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/m.db")
    experiment = client.create_experiment("baselines")
    for seed in (1, 0):
        run = client.create_run(experiment, start_time=10 - seed, run_name=f"run {seed}")
        client.log_param(run.info.run_id, "seed", seed)
        client.log_metric(run.info.run_id, "acc", 0.5 + seed / 10)
        client.set_terminated(run.info.run_id)
    copied = copy_runs(f"sqlite:///{tmp_path}/m.db#baselines", tmp_path / "theirs.csv")
    before = (tmp_path / "theirs.csv").read_bytes()
    assert (2, "params.seed", ("metrics.acc",)) == (copied.num_runs, copied.seed_column, copied.metrics)
    assert ["1,0.6", "0,0.5"] == [line.split(",", 3)[3] for line in before.decode().splitlines()[1:]]
    copy_runs(f"sqlite:///{tmp_path}/m.db#baselines", tmp_path / "theirs.csv")
    assert before == (tmp_path / "theirs.csv").read_bytes()
    with pytest.raises(ValueError, match="did you mean 'baselines'"):
        copy_runs(f"sqlite:///{tmp_path}/m.db#baseline", tmp_path / "theirs.csv")
