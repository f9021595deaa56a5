"""MGN's main comparisons (Tables 3 to 5): its own rows trained, the other methods' rows as printed.

Paper: MGN (ACM MM 2018). Tables 3 to 5 of arXiv v1 and Tables 2 to 4 of the later version have the same own rows
beside other methods; both are here. Single and multiple query, with and without re-ranking (RK), are tables of their
own, because one column holds one protocol.
Not stated: the constants of re-ranking; those of Zhong et al., CVPR 2017, are used.
Seeds: not stated in the paper; three of ours.
Cost: 4 trainings a seed; multiple query and re-ranking are views of the one on Market-1501.
"""

from __future__ import annotations

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, other_method_rows
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import Query, printed
from tablewright.orchestrator.declared.study import Study
from tablewright.search_spaces.mgn_ablation import SEEDS, base_config, data_sets, view
from tablewright.trainables.retrieval.view import MAP, RANK1, Reranking, RetrievalView

RERANKED = " (RK)"
"""What the paper adds to the name of a method that re-ranks."""

DUKE = [Dataset("DukeMTMC-reID", {"data.dataset": "dukemtmc"})]
CUHK03 = [
    Dataset(f"CUHK03 {boxes}", {"data.dataset": f"cuhk03_{boxes}"}) for boxes in ("labelled", "detected")
]


def compared_rows(table_id: str, query: Query, suffix: str) -> list[Row]:
    """Give the methods of a printed table that re-rank, or those that do not, with numbers by a kind of query."""
    return [
        row
        for row in other_method_rows(table_id, query=query)
        if row.published and row.label.endswith(RERANKED) == bool(suffix)
    ]


def protocol(query: Query, suffix: str) -> RetrievalView:
    """Give the view of a kind of query, re-ranked where the suffix says so."""
    return view("all").model_copy(update={"query": query, "reranking": Reranking() if suffix else None})


def make_study(profile: Profile) -> Study:
    """Declare a table a protocol, data set and version of the paper; the demo has its own row by each protocol."""
    base, is_demo = base_config(profile), Profile(profile).is_demo

    def table(
        name: str,
        where: str,
        table_id: str,
        datasets: list[Dataset],
        query: Query = "single",
        suffix: str = "",
    ) -> Ablation:
        own = Row(f"MGN{suffix}").as_printed(printed(table_id, f"MGN{suffix}", query=query))
        reranked = ", re-ranked" if suffix else ""
        return Ablation(
            name,
            f"MGN {where}, {query} query{reranked}",
            base,
            datasets,
            [own] if is_demo else [*compared_rows(table_id, query, suffix), own],
            protocol(query, suffix),
            [RANK1, MAP],
            stub_head="method",
            source=f"Table {table_id[-1]} of {'arXiv v1' if '_v1_' in table_id else 'the later version'}",
        )

    def market_tables(version: str, table_id: str) -> list[Ablation]:
        where = "on the demo data" if is_demo else f"beside the methods of {version} on Market-1501"
        stem = "market_later" if version == "the later version" else "market"
        queries: tuple[Query, ...] = ("single", "multiple")
        return [
            table(
                f"{stem}_{query}_query{'_reranked' if suffix else ''}",
                where,
                table_id,
                data_sets(profile),
                query,
                suffix,
            )
            for suffix in ("", RERANKED)
            for query in queries
        ]

    tables = market_tables("arXiv v1", "mgn_v1_t3")
    if not is_demo:
        tables += [
            *market_tables("the later version", "mgn_mm_t2"),
            table("duke", "beside the methods of arXiv v1 on DukeMTMC-reID", "mgn_v1_t4", DUKE),
            table(
                "duke_later", "beside the methods of the later version on DukeMTMC-reID", "mgn_mm_t3", DUKE
            ),
            table("cuhk03", "beside the methods of arXiv v1 on CUHK03, 767/700", "mgn_v1_t5", CUHK03),
            table(
                "cuhk03_later",
                "beside the methods of the later version on CUHK03, 767/700",
                "mgn_mm_t4",
                CUHK03,
            ),
        ]
    title = "MGN: main comparison" + (" on the demo data" if is_demo else "")
    return Study("mgn_main", title, "MGN", SEEDS, tables)
