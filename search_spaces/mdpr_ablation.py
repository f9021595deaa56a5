"""Every ablation of MDPR (Market-1501 and DukeMTMC-reID), each as a table of its own.

Paper: MDPR, Tables V to IX and the figure on the diversity weight; tables are named by what they vary,
because the paper's own numbering of Table V and Fig. 11 is ambiguous.
Published: no value of these tables could be read, so that every published cell is blank; the main
comparison is in `mdpr_main`.
Seeds: 3407 is the code's; one more seed or two is our addition.
Cost: 17 trainings a data set and seed fill 42 cells; features at test and "inside MDPR" rows are views.
"""

from __future__ import annotations

from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Design, Factorial, Row, Sweep, rows_as_printed
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.study import Study
from tablewright.trainables.mdpr import Guidance, MdprConfig, demo_config, paper_config
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView

NUM_ATTENTIONS = "network.soft.attention.num_attentions"
GUIDANCE = "network.soft.attention.guidance"
REGULARISER_WEIGHT = "losses.diversity.regulariser_weight"
EMBEDDING_SIZE = "network.embedding_size"

HARD_ALONE: dict[str, Any] = {
    "network.soft": None,
    "network.fusion": False,
    "losses.distillation": None,
    "losses.diversity": None,
}
SOFT_ALONE: dict[str, Any] = {"network.hard": None, "network.fusion": False, "losses.distillation": None}

SEEDS = (3407, 3408, 3409)


def view(*embeddings: str) -> RetrievalView:
    """Single query, cosine, no flip, no re-ranking (the code's test settings)."""
    return RetrievalView(split="test", embeddings=embeddings)


def base_config(profile: Profile) -> MdprConfig:
    """The full method at the profile's scale; seeds are the studies'."""
    recipe = demo_config() if Profile(profile).is_demo else paper_config("market1501")
    return recipe.model_copy(update={"seed": 0})


def data_sets(profile: Profile) -> list[Dataset]:
    """The columns; both recipes of the paper are equal but for the data."""
    if Profile(profile).is_demo:
        return [Dataset("Demo pedestrians")]
    return [Dataset("Market-1501"), Dataset("DukeMTMC-reID", {"data.dataset": "dukemtmc"})]


def make_study(profile: Profile) -> Study:
    """Declare the seven tables."""
    base, datasets = base_config(profile), data_sets(profile)
    size = base.network.embedding_size

    def table(
        name: str,
        caption: str,
        rows: list[Design],
        *,
        stub_head: str = "",
        source: str = "",
        printed_in: tuple[str, dict[str, str]] | None = None,
        reference: str = "",
    ) -> Ablation:
        if printed_in is not None and not Profile(profile).is_demo:
            rows = [*rows_as_printed(rows, *printed_in)]
        return Ablation(
            name,
            caption,
            base,
            datasets,
            rows,
            view("all"),
            [MAP, RANK1],
            stub_head=stub_head,
            source=source,
            reference=reference,
        )

    tables = [
        table(
            "attention_number",
            "Number of attention maps M in the soft content branch",
            [Sweep(NUM_ATTENTIONS, (2, 4, 8))],
            stub_head="M",
            source="Table VI",
            printed_in=("mdpr_t6", {"2": "2 (default)", "4": "4", "8": "8"}),
        ),
        table(
            "attention_guidance",
            "Guidance of stage-4 attention by stage 5",
            [Row("without guidance", {GUIDANCE: None}), Row("with guidance", {GUIDANCE: Guidance()})],
            source="Table VII, Fig. 10",
            printed_in=(
                "mdpr_t7",
                {"without guidance": "without guidance", "with guidance": "with guidance (default)"},
            ),
        ),
        table(
            "diversity_weight",
            "Weight of the foreground regulariser; the grid is ours but for 0.1 and 0.001",
            [
                Sweep(REGULARISER_WEIGHT, (1.0, 0.1, 0.01, 0.001, 0.0001, 0.0), label="{value:g}"),
                Row("no diversity loss", {"losses.diversity": None}),
            ],
            stub_head="λ",
            source='"Fig. X"; the last row is a switch of the code only',
            printed_in=("mdpr_t10", {"0.1": "0.1", "0.001": "0.001 (default)"}),
        ),
        table(
            "embedding_size",
            "Width E of each embedding",
            [Sweep(EMBEDDING_SIZE, (size // 2, size, size * 3 // 2))],
            stub_head="E",
            source="Table V, Fig. 11",
            printed_in=("mdpr_t5", {"256": "256", "512": "512 (default)", "768": "768"}),
        ),
        table(
            "features_at_test",
            "Features of one trained network used at test",
            [
                Row("hard", view=view("hard")),
                Row("soft", view=view("soft")),
                Row("fused", view=view("fused")),
                Row("hard + soft", view=view("hard+soft")),
                Row("all", view=view("all")),
                *(
                    Row(
                        name.replace("_", " "),
                        view=view(name),
                        group="single features",
                        repeats="fused" if name == "fused" else "",
                    )
                    for name in base.embedding_widths()
                ),
            ],
            stub_head="features",
            source="Table VIII, first half; single features are our addition",
            printed_in=(
                "mdpr_t8",
                {
                    "hard": "hard features of MDPR",
                    "soft": "soft features of MDPR",
                    "fused": "fusion features of MDPR",
                    "all": "all features of MDPR (default)",
                },
            ),
        ),
        table(
            "branches_alone",
            "Branches trained alone and inside MDPR",
            [
                Row("trained alone", HARD_ALONE, view=view("hard"), group="hard content"),
                Row("inside MDPR", view=view("hard"), group="hard content"),
                Row("trained alone", SOFT_ALONE, view=view("soft"), group="soft content"),
                Row("inside MDPR", view=view("soft"), group="soft content"),
            ],
            stub_head="branch",
            source="Table VIII, second half",
            reference="inside MDPR",
            printed_in=(
                "mdpr_t8",
                {
                    "hard content / trained alone": "hard branch alone",
                    "soft content / trained alone": "soft branch alone",
                    "hard content / inside MDPR": "hard features of MDPR",
                    "soft content / inside MDPR": "soft features of MDPR",
                },
            ),
        ),
        table(
            "distillation_fusion",
            "Mutual distillation and fusion",
            [
                Factorial(
                    {
                        "distillation": {"off": {"losses.distillation": None}, "on": {}},
                        "fusion": {"off": {"network.fusion": False}, "on": {}},
                    },
                    views={"all": view("all"), "hard": view("hard"), "soft": view("soft")},
                )
            ],
            stub_head="features",
            source="Table IX; its layout is our reading of one sentence",
            printed_in=(
                "mdpr_t9",
                {
                    "distillation off, fusion off / all": "neither",
                    "distillation on, fusion off / all": "distillation only",
                    "distillation off, fusion on / all": "fusion only",
                    "distillation on, fusion on / all": "both (default)",
                },
            ),
        ),
    ]
    title = "MDPR: all ablations" + (" on the demo data" if Profile(profile).is_demo else "")
    return Study("mdpr_ablation", title, "MDPR", SEEDS, tables)
