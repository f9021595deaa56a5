"""How a view measures, its embeddings left out: what must agree down a column."""

from __future__ import annotations

from orchestrator.study import Ablation, full_label
from trainables.contract import EvaluationView


def check_protocols(ablation: Ablation) -> None:
    """Refuse a table whose rows cannot be compared down a column.

    Rows may join different embeddings; everything else of how they are measured must agree.

    Raises:
        ValueError: names the rows of each protocol.
    """
    rows_of: dict[str, list[str]] = {}
    for row in ablation.printed_rows:
        rows_of.setdefault(describe_protocol(row.view or ablation.view), []).append(full_label(row))
    if len(rows_of) > 1:
        found = "\n".join(
            f"  - {protocol}: {', '.join(map(repr, labels))}" for protocol, labels in rows_of.items()
        )
        raise ValueError(
            f"Table {ablation.name!r} sets rows measured under different protocols in one column:\n{found}\n"
            "Only the embeddings may differ between rows; give each protocol an Ablation of its own."
        )


def describe_protocol(view: EvaluationView) -> str:
    """Say in words how a view measures, its embeddings left out."""
    reranking = view.reranking
    return ", ".join(
        [
            f"{view.query} query",
            f"{view.distance} distance",
            "flip averaging" if view.flip else "no flip averaging",
            "no re-ranking"
            if reranking is None
            else f"k-reciprocal re-ranking (k1 {reranking.k1}, k2 {reranking.k2}, "
            f"weight of the original distance {reranking.original_distance_weight:g})",
            f"{view.split} split",
        ]
    )
