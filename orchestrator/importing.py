"""`--import`: copies runs that others have logged into a CSV file, from which a study declares rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tablewright.orchestrator.declared.dataset import SEED
from tablewright.orchestrator.foreign_runs import METRICS, PARAMS, ForeignRun, read_wandb, runs_to_csv
from tablewright.trainables.value.secret import masked, without_credentials

WANDB_ENDINGS = (".json", ".jsonl", ".csv")


@dataclass(frozen=True)
class Copied:
    """What was copied.

    Attributes:
        path: of the file.
        num_runs: that it has.
        seed_column: column with their seeds, where there is one that is called so; else empty.
        metrics: columns with their results.
        source: where they come from, for `imported(source=…)`.
    """

    path: Path
    num_runs: int
    seed_column: str
    metrics: tuple[str, ...]
    source: str


def copy_runs(source: str, target: Path) -> Copied:
    """Copy the runs of an MLflow experiment, or of an export of W&B, into a CSV file.

    Args:
        source: `URI#EXPERIMENT` of MLflow, such as `sqlite:///mlflow.db#baselines`, or a file that W&B's runs were
            exported to.
        target: the file; one that is there is replaced.

    Raises:
        ValueError: there is no such source, or the target is none; says what to do.
        OSError: the file cannot be written.
    """
    if target.suffix != ".csv":
        raise ValueError(f"--import writes a CSV file, whose name ends in .csv; got {str(target)!r}")
    runs, said = _read(source)
    content = runs_to_csv(runs)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_file() or target.read_bytes() != content:
        target.write_bytes(content)
    metrics = sorted({f"{METRICS}.{name}" for run in runs for name in run.metrics})
    has_seeds = any(SEED in run.params for run in runs)
    return Copied(target, len(runs), f"{PARAMS}.{SEED}" if has_seeds else "", tuple(metrics), said)


def _read(source: str) -> tuple[list[ForeignRun], str]:
    path = Path(source).expanduser()
    if path.suffix in WANDB_ENDINGS and "#" not in source:
        return read_wandb(path), f"W&B, exported to {path.name}"
    uri, _, experiment = source.rpartition("#")
    if not uri or not experiment:
        raise ValueError(
            "--import takes its runs from MLflow, URI#EXPERIMENT such as sqlite:///mlflow.db#baselines, or from a file "
            f"with W&B's runs that ends in {', '.join(WANDB_ENDINGS)}; got {masked(source)!r}"
        )
    from tablewright.orchestrator.projections.mlflow_experiment import read_experiment

    runs = read_experiment(uri, experiment)
    if not runs:
        raise ValueError(f"the experiment {experiment!r} has no run, so that nothing is copied")
    return runs, f"MLflow experiment {experiment!r} at {without_credentials(uri)}"
