"""What a row has that was trained elsewhere: its runs, and the file that they were read from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tablewright.trainables.contract.method import Seed
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.text import Text


@dataclass(frozen=True)
class ImportedRun(Declaration):
    """One run that was made elsewhere.

    Attributes:
        seed: of the run; None where nobody knows.
        values: data set label -> metric name -> value: a fraction, or in the metric's own unit.
    """

    seed: Seed | None
    values: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Imported(Declaration):
    """The runs of one row.

    Attributes:
        runs: by seed, or in the order of the file.
        file: that they were read from.
        sha256: of the whole file.
        source: whose they are and where they come from, as it was declared.
        in_percent: metrics whose values stood in percent.
    """

    runs: Sequence[ImportedRun]
    file: Text
    sha256: str
    source: Text = ""
    in_percent: Sequence[str] = ()

    def values_of(self, dataset: str, metric: str) -> list[tuple[int | None, float]]:
        """Give seed and value of each run that has one."""
        return [
            (run.seed, run.values[dataset][metric])
            for run in self.runs
            if metric in run.values.get(dataset, {})
        ]

    def with_datasets(self, labels: Collection[str]) -> Imported:
        """Give the runs without what they have of other data sets."""
        runs = [
            replace(run, values={label: run.values[label] for label in run.values if label in labels})
            for run in self.runs
        ]
        return replace(self, runs=runs)

    def faults_in(self, datasets: Sequence[str], metrics: Mapping[str, Metric]) -> Iterator[str]:
        """Say what has no place in a table of these columns, or is no fraction where one is needed."""
        for label in dict.fromkeys(label for run in self.runs for label in run.values):
            if label not in datasets:
                yield f"imported values on {label!r}; this table has the data sets {', '.join(datasets)}"
        names = [name for run in self.runs for values in run.values.values() for name in values]
        for name in dict.fromkeys(names):
            if name not in metrics:
                yield f"imported values of {name!r}, which is no metric of this table; it has {', '.join(metrics)}"
            elif not metrics[name].is_fraction and name in self.in_percent:
                yield f"imported {name} is said to be in percent, and is no fraction; leave it out of percent=[…]"
            elif metrics[name].is_fraction:
                yield from self._fraction_faults(name)

    def _fraction_faults(self, name: str) -> Iterator[str]:
        values = [
            of_dataset[name] for run in self.runs for of_dataset in run.values.values() if name in of_dataset
        ]
        wrong = [value for value in values if not 0 <= value <= 1]
        if wrong and name in self.in_percent:
            yield f"imported {name} {100 * wrong[0]:g} is no percentage from 0 to 100"
        elif wrong:
            yield (
                f"imported {name} {wrong[0]:g} is not a fraction, from 0 to 1 (wrong in {len(wrong)} of {len(values)} "
                "runs); if its column is in percent, name it in percent=[…]"
            )
