"""Tables of parameters and compute: counted, with the paper's values beside them."""

from __future__ import annotations

from orchestrator.study import SizeRow, SizeTable
from reports.cell import TableCell
from reports.table import Column, RowGroup, Table, TableRow
from trainables.contract import DEPTH, FLOPS, INFERENCE_PARAMETERS, PARAMETERS, SIZE_METRICS, Metric

SPANNER = "counted"
_MILLION, _BILLION = 1e6, 1e9


def build_size_table(study: str, declared: SizeTable) -> Table:
    """Count the networks of a table's rows.

    Args:
        study: name of the study.
        declared: the declaration.
    """
    columns = tuple(
        Column(SPANNER, metric, any(metric.name in row.published for row in declared.rows))
        for metric in SIZE_METRICS
    )
    rows = tuple(_row(row) for row in declared.rows)
    return Table(
        study=study,
        name=declared.name,
        caption=declared.caption,
        stub_head="network",
        columns=columns,
        groups=(RowGroup("", rows),),
        source_notes=tuple(_notes(declared)),
    )


def _row(row: SizeRow) -> TableRow:
    counted: dict[str, float] = {}
    if row.config is not None:
        size = row.config.make_trainable().size(row.config)
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
        significance=None,
        rank=None,
        training_ids=(),
    )


def _notes(declared: SizeTable) -> list[str]:
    notes = [
        "Counted on the network itself: parameters with the classifiers of training; those that inference "
        "reads; the floating-point operations (two a multiply-add) of the convolutions and linear layers for "
        "one image at inference; as depth the most of these layers that follow one another."
    ]
    if any(row.published for row in declared.rows):
        notes.append(
            f"Columns headed “paper” repeat {declared.source}; behind the paper's value stands ours − paper. "
            "How the paper counted is not stated."
        )
    return notes
