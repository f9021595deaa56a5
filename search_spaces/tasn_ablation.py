"""Every ablation of TASN (Tables 2 to 4 and 8), selection of parts, and sweeps of what the paper fixes.

Paper: TASN (CVPR 2019), CUB-200-2011 and Stanford Cars, top-1 accuracy.
Table 2 trains the part-net alone; in a test its channel is the mean of all. "Master-net" is without details and
without distillation, "ResNet-50" and "Baseline" without attention at all.
Factors that the paper names and has no table of: the marginal, two details a step, T, λ. Not here: the number of
attention's channels, which is the width of ResNet-18's last stage; self-attention, see `published.yaml`.
Seeds: not stated in the paper; three of ours.
Cost: see `--plan`; the full network is trained once for all tables.
"""

from __future__ import annotations

from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import Printed, printed
from tablewright.orchestrator.declared.size_table import SizeRow, SizeTable
from tablewright.orchestrator.declared.study import Study
from tablewright.trainables.classification.view import TOP1, ClassificationView
from tablewright.trainables.layers.trilinear import TRILINEAR_FORMS
from tablewright.trainables.tasn import TasnConfig, VggBackbone, demo_config, paper_config

SEEDS = (0, 1, 2)

INPUT, SAMPLER, FORM = "network.input_px", "network.sampler", "network.attention.form"
SELECTION, NUM_DETAILS = "network.part_selection", "network.num_details"
MARGINAL, STRUCTURE = "network.marginal", "network.structure"
TEMPERATURE, WEIGHT = "losses.distillation.temperature", "losses.distillation.weight"

MASTER_ALONE: dict[str, Any] = {"network.part": False, "losses.distillation": None}
PART_ALONE: dict[str, Any] = {"network.master": False, "losses.distillation": None}
PLAIN: dict[str, Any] = {"network.attention": None, **MASTER_ALONE}
BIRDS_SCHEDULE = "by CUB-200-2011's schedule, as none is published for this data set"
"""What the caption of a table on another data set says."""
VGG19: dict[str, Any] = {"network.backbone": VggBackbone(weights="imagenet")}

MASTER = ClassificationView(logits=("master",))
PART = ClassificationView(logits=("part",))


def base_config(profile: Profile) -> TasnConfig:
    """The full method at the profile's scale."""
    return demo_config() if Profile(profile).is_demo else paper_config("cub200")


def data_set(profile: Profile, label: str = "CUB-200-2011", **changes: Any) -> Dataset:
    """Give a data set of the paper, or the generated one in its place."""
    return Dataset("Demo details") if Profile(profile).is_demo else Dataset(label, changes)


def cars(profile: Profile) -> Dataset:
    """Stanford Cars, on which the paper's component table has a VGG-19."""
    if Profile(profile).is_demo:
        return Dataset("Demo details")
    return Dataset("Stanford Cars", {"data.dataset": "cars196", **VGG19})


def make_study(profile: Profile) -> Study:
    """Declare the tables; the demo profile has fewer levels and a smaller scale."""
    base, is_demo = base_config(profile), Profile(profile).is_demo
    backbone = "MobileNetV2" if is_demo else "ResNet-50"

    def table(
        name: str,
        caption: str,
        rows: list[Any],
        stub_head: str,
        source: str = "",
        datasets: list[Dataset] | None = None,
        view: ClassificationView = MASTER,
        reference: str = "",
    ) -> Ablation:
        columns = datasets or [data_set(profile)]
        if not source:
            caption += "; our addition, not in the paper"
        return Ablation(
            name,
            caption,
            base,
            columns,
            rows,
            view,
            [TOP1],
            stub_head=stub_head,
            source=source,
            reference=reference,
        )

    def of_sampler(row: str) -> Printed:
        columns = ("accuracy_master_net", "master-net"), ("accuracy_tasn", "TASN")
        return printed("tasn_t3", row, columns={printed_as: (label, "top1") for printed_as, label in columns})

    def of_resolution(row: str) -> Printed:
        return printed(
            "tasn_t4",
            row,
            columns={f"accuracy_{side}": (f"{side} px", "top1") for side in (224, 280, 336, 392)},
        )

    forms = [
        Row(form, {**PART_ALONE, FORM: form}).as_printed(printed("tasn_t2", form)) for form in TRILINEAR_FORMS
    ]
    resolutions = [
        Dataset(f"{side} px", {INPUT: side}) for side in ((48, 64) if is_demo else (224, 280, 336, 392))
    ]
    baseline = "Baseline" if not is_demo else f"Baseline ({backbone})"
    tables = [
        table(
            "attention_forms",
            "Form of attention, by the part-net alone; N is a softmax",
            forms,
            "attention",
            "Table 2",
            view=PART,
            reference=base.network.attention.form,
        ),
        table(
            "samplers",
            "Sampler, without details (master-net) and with them (TASN)",
            [
                Row(backbone, PLAIN).as_printed(of_sampler("ResNet-50")),
                Row("uniform in a box", {SAMPLER: "crop"}).as_printed(of_sampler("uniformed sampler")),
                Row("SSN", {SAMPLER: "saliency"}).as_printed(of_sampler("sampler in SSN")),
                Row("by marginals (ours)").as_printed(of_sampler("our sampler")),
            ],
            "sampler",
            "Table 3",
            datasets=[Dataset("master-net", MASTER_ALONE), Dataset("TASN")],
        ),
        table(
            "resolution",
            "Side of the image that the networks see",
            [
                Row(backbone, PLAIN).as_printed(of_resolution("ResNet-50")),
                Row("master-net", MASTER_ALONE).as_printed(of_resolution("master-net")),
                Row("TASN").as_printed(of_resolution("TASN")),
            ],
            "network",
            "Table 4",
            datasets=resolutions,
        ),
        table(
            "part_selection",
            "Channel that samples the detail in training",
            [
                Row("random").as_printed(printed("tasn_text", "Random attention selection (default)")),
                Row("ranked", {SELECTION: "ranked"}).as_printed(
                    printed("tasn_text", "Ranking attention selection")
                ),
                Row("two random ones a step", {NUM_DETAILS: 2}).as_printed(
                    printed("tasn_text", "Two parts per iteration")
                ),
            ],
            "selection",
            "Sec. 4.2",
        ),
        table(
            "components",
            "Attention sampling and distillation" + ("" if is_demo else f" (VGG-19), {BIRDS_SCHEDULE}"),
            [
                Row(baseline, PLAIN).as_printed(printed("tasn_t8", "Baseline")),
                Row("master-net", MASTER_ALONE).as_printed(printed("tasn_t8", "master-net")),
                Row("TASN").as_printed(printed("tasn_t8", "TASN")),
                Row("TASN ensemble x2", ensemble=_sides(base, 2)).as_printed(
                    printed("tasn_t8", "TASN ensemble x2")
                ),
                *(
                    [
                        Row("TASN ensemble x3", ensemble=_sides(base, 3)).as_printed(
                            printed("tasn_t8", "TASN ensemble x3")
                        )
                    ]
                    if not is_demo
                    else []
                ),
            ],
            "network",
            "Table 8",
            datasets=[cars(profile)],
        ),
    ]
    if not is_demo:
        tables += [
            table(
                "marginals",
                "How the map that samples the whole, and a detail's, become rows and columns",
                [
                    Row("maximum"),
                    Row("sum", {MARGINAL: "sum"}),
                    Row("maximum, the whole's map squared (official code)", {STRUCTURE: "squared"}),
                ],
                "marginal",
            ),
            table("temperature", "Temperature T of distillation", [Sweep(TEMPERATURE, (1, 5, 10, 20))], "T"),
            table("distillation_weight", "Weight λ of distillation", [Sweep(WEIGHT, (0.5, 1, 2, 4))], "λ"),
            table("tau", "Factor τ of X before it is spread over places",
                  [Sweep("network.attention.tau", (1, 2, 7))], "τ"),
            table(
                "backbones",
                "Backbone of part-net and master-net",
                [
                    Row("ResNet-50"),
                    Row("ResNet-101", {"network.backbone.architecture": "resnet101"}),
                    Row("VGG-19", VGG19),
                ],
                "backbone",
            ),
        ]  # fmt: skip
    title = "TASN: all ablations" + (" on the demo data" if is_demo else "")
    sizes = SizeTable(
        "size", "Size of the networks", [SizeRow("TASN", base), SizeRow(backbone, _plain(base))]
    )
    why = "the paper, too, takes its method apart on CUB-200-2011 alone"
    return Study("tasn_ablation", title, "TASN", SEEDS, tables, sizes=[sizes], accepts={"one_dataset": why})


def _sides(base: TasnConfig, num_members: int) -> list[dict[str, Any]]:
    """Vary the sampled image's side: the paper does not say what its ensembles differ in."""
    side = base.network.input_px
    sides = [side, side * 3 // 4, side * 5 // 4] if side < 100 else [side, side + 56, side + 112]
    return [{INPUT: member} for member in sides[:num_members]]


def _plain(base: TasnConfig) -> TasnConfig:
    network = base.network.model_copy(update={"attention": None, "part": False})
    losses = base.losses.model_copy(update={"distillation": None})
    return base.model_copy(update={"network": network, "losses": losses})
