"""Tables of parameters and compute: counted, with the paper's values beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from tablewright.orchestrator.declared.size_table import SizeRow, SizeTable
from tablewright.orchestrator.declared.study import Study
from tablewright.reports.table.cell import TableCell
from tablewright.reports.table.table import Column, RowGroup, Table, TableRow
from tablewright.trainables.contract.method import CountsSize, TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.size import (
    DEPTH,
    FLOPS,
    INFERENCE_PARAMETERS,
    PARAMETERS,
    SIZE_METRICS,
    NetworkSize,
)

SPANNER = "counted"
DEMO_SCALE_NOTICE = "demo scale, not the paper's network"
_MILLION, _BILLION = 1e6, 1e9


def build_size_table(study: Study, declared: SizeTable, demo_datasets: Collection[str]) -> Table:
    """Count the networks of a table's rows.

    A config for demo data has a network of the demo's scale: the paper's values have no place beside it,
    nor have those of other methods where no other network is counted.

    Args:
        study: that declares the table.
        declared: the declaration.
        demo_datasets: names, as configs have them, of the data sets that are not comparable with a paper.
    """
    small = [
        row for row in declared.rows if row.config is not None and row.config.dataset_name() in demo_datasets
    ]
    counted = [row for row in declared.rows if row.config is not None]
    is_demo = counted == small
    shown = [replace(row, published={}) if row in small else row for row in declared.rows]
    if is_demo:
        shown = [row for row in shown if row.config is not None]
    sizes = {row.label: _size_of(row.config) for row in shown if row.config is not None}
    columns = tuple(
        Column(SPANNER, metric, any(metric.name in row.published for row in shown)) for metric in SIZE_METRICS
    )
    return Table(
        study=study.name,
        name=declared.name,
        caption=f"{declared.caption} ({DEMO_SCALE_NOTICE})" if is_demo else declared.caption,
        stub_head="network",
        columns=columns,
        groups=(RowGroup("", tuple(_row(row, sizes.get(row.label)) for row in shown)),),
        source_notes=(*_notes(study, declared, shown, [] if is_demo else small), *_class_notes(sizes)),
    )


def _size_of(config: TrainingConfig) -> NetworkSize:
    trainable = config.make_trainable()
    assert isinstance(trainable, CountsSize)  # the study was refused otherwise
    return trainable.size(config)


def _row(row: SizeRow, size: NetworkSize | None) -> TableRow:
    counted: dict[str, float] = {}
    if size is not None:
        counted = {
            PARAMETERS.name: size.parameters / _MILLION,
            INFERENCE_PARAMETERS.name: size.inference_parameters / _MILLION,
            FLOPS.name: 2 * size.multiply_adds / _BILLION,
            DEPTH.name: size.depth,
        }
    return TableRow(row.label, tuple(_cell(row, counted.get(metric.name), metric) for metric in SIZE_METRICS))


def _cell(row: SizeRow, value: float | None, metric: Metric) -> TableCell:
    return TableCell(
        state="printed" if value is None else "done",
        mean=value,
        deviation=None,
        interval=None,
        rerun_interval=None,
        n=1,
        n_expected=1,
        published=row.published.get(metric.name),
        agrees_with_paper=None,
        training_ids=(),
    )


def _class_notes(sizes: Mapping[str, NetworkSize]) -> Iterator[str]:
    """Say which classifiers are as wide as those of another data set than the row's own."""
    labels_of: dict[str, list[str]] = {}
    for label, size in sizes.items():
        if size.classes_from:
            labels_of.setdefault(size.classes_from, []).append(f"“{label}”")
    for classes_from, labels in labels_of.items():
        yield (
            f"Of the data set of {', '.join(labels)} no number of classes is published: the classifiers are counted "
            f"for {classes_from}."
        )


def _notes(
    study: Study, declared: SizeTable, shown: Sequence[SizeRow], small: Sequence[SizeRow]
) -> list[str]:
    notes = [
        "Counted on the network itself: parameters with the classifiers of training; those that inference "
        "reads; the floating-point operations (two a multiply-add) of the convolutions and linear layers for "
        "one image at inference; as depth the most of these layers that follow one another."
    ]
    if small:
        labels = ", ".join(f"“{row.label}”" for row in small)
        notes.append(f"Not the paper's network but one of the demo's scale: {labels}.")
    if any(row.published for row in shown):
        notes.append(
            f"Columns headed “paper” repeat {study.source}, {declared.source}; behind the paper's value "
            "stands ours − paper. How the paper counted is not stated."
        )
    return notes
