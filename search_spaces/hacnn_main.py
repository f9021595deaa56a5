"""HA-CNN's main comparisons (Tables 2 to 4): its own row trained, the other methods' rows as printed.

Paper: HA-CNN (CVPR 2018): Market-1501 by single and by multiple query, DukeMTMC-reID by single query, CUHK03
in the 767/700 protocol with labelled and with detected boxes.
Seeds: not stated in the paper; three of ours.
Cost: 4 trainings a seed; multiple query is a view of the first.
"""

from __future__ import annotations

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, other_method_rows
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import Query, printed
from tablewright.orchestrator.declared.study import Study
from tablewright.search_spaces.hacnn_ablation import SEEDS, base_config, view
from tablewright.trainables.retrieval.view import MAP, RANK1


def make_study(profile: Profile) -> Study:
    """Declare a table a protocol; the demo has its own row alone, by single and by multiple query."""
    base, is_demo = base_config(profile), Profile(profile).is_demo

    def table(
        name: str, caption: str, number: int, datasets: list[Dataset], query: Query = "single"
    ) -> Ablation:
        table_id = f"hacnn_t{number}"
        # Some methods printed numbers by one kind of query only.
        others = [row for row in other_method_rows(table_id, query=query) if row.published]
        own = Row("HA-CNN").as_printed(printed(table_id, "HA-CNN", query=query))
        return Ablation(
            name,
            f"HA-CNN {caption}, {query} query",
            base,
            datasets,
            [own] if is_demo else [*others, own],
            view("all").model_copy(update={"query": query}),
            [RANK1, MAP],
            stub_head="method",
            source=f"Table {number}",
        )

    market = [Dataset("Demo pedestrians" if is_demo else "Market-1501")]
    where = "on the demo data" if is_demo else "beside other methods on Market-1501"
    tables = [
        table("market_single_query", where, 2, market),
        table("market_multiple_query", where, 2, market, "multiple"),
    ]
    if not is_demo:
        duke = [Dataset("DukeMTMC-reID", {"data.dataset": "dukemtmc"})]
        cuhk03 = [
            Dataset(f"CUHK03 {boxes}", {"data.dataset": f"cuhk03_{boxes}"})
            for boxes in ("labelled", "detected")
        ]
        tables += [
            table("duke", "beside other methods on DukeMTMC-reID", 3, duke),
            table("cuhk03", "beside other methods on CUHK03 in the 767/700 protocol", 4, cuhk03),
        ]
    title = "HA-CNN: main comparison" + (" on the demo data" if is_demo else "")
    return Study("hacnn_main", title, "HA-CNN", SEEDS, tables)
