"""What holds of the networks of all five papers: how they start, what a step does to them, what they measure by."""

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from tablewright.orchestrator.declared.changes import apply_changes
from tablewright.trainables import hacnn, mancs, mdpr, mgn, tasn
from tablewright.trainables.classification.view import ClassificationView
from tablewright.trainables.layers.backbone import Backbone
from tablewright.trainables.retrieval.view import RetrievalView
from tests.trainables.network_probe import NetworkProbe, losses_of_steps
from tests.trainables.tiny_reid import assert_equal_states

MOBILENET = Backbone(architecture="mobilenet_v2_short")
LABELS = [0, 0, 3, 3]


@dataclass(frozen=True)
class Case:
    """A paper at a size for tests.

    Attributes:
        module: that declares its recipes.
        probe: builds and runs it.
        config: whole, but narrow.
        lr: by which Adam learns a batch in eight steps.
    """

    module: Any
    probe: NetworkProbe
    config: Any
    lr: float

    def measured_by(self, network, images_BCHW):
        """Give the embeddings, or the logits, that a measurement is made of."""
        measure = network.classify if hasattr(network, "classify") else network.embed
        with torch.no_grad():
            return measure(images_BCHW)


def case_of(module, method, size_px, lr, changes):
    """Take the demo's recipe, and change it."""
    return Case(
        module, NetworkProbe(method, LABELS, size_px), apply_changes(module.demo_config(), changes), lr
    )


CASES = {
    "mdpr": case_of(
        mdpr, mdpr.Mdpr(), (64, 32), 1e-3, {"network.backbone": MOBILENET, "network.embedding_size": 8}
    ),
    "mgn": case_of(
        mgn,
        mgn.Mgn(),
        (96, 32),
        1e-3,
        {"network.backbone": MOBILENET, "network.reduction_size": 8},
    ),
    "hacnn": case_of(
        hacnn,
        hacnn.Hacnn(),
        (64, 32),
        5e-3,
        {
            "network.widths": (16, 32, 48),
            "network.embedding_size": 24,
            "network.soft_channel": hacnn.SoftChannel(),
        },
    ),
    "mancs": case_of(
        mancs,
        mancs.Mancs(),
        (64, 32),
        1e-3,
        {
            "network.backbone": MOBILENET.model_copy(update={"last_stride": 2}),
            "losses.rank.curriculum": None,
        },
    ),
    "tasn": case_of(
        tasn,
        tasn.Tasn(),
        (64, 64),
        3e-3,
        {
            "network.backbone": Backbone(architecture="mobilenet_v2", last_stride=2),
            "network.attention.backbone": Backbone(architecture="mobilenet_v2"),
            "network.part_selection": "ranked",
        },
    ),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """One of the five."""
    return CASES[request.param]


@pytest.fixture(scope="module")
def network(case):
    """A network in inference, with the statistics of a batch; tests leave it as it is."""
    built = case.probe.build(case.config)
    with torch.no_grad():
        built.train()(case.probe.images(seed=9))
    return built.eval()


@pytest.fixture(scope="module")
def stepped(case):
    """A network and what one step gave: its loss terms, and gradients."""
    built = case.probe.build(case.config)
    terms = case.probe.terms_of(case.config, built)
    sum(terms.values()).backward()
    return built, terms


def test_a_network_follows_from_its_seed(case):
    """One seed gives the same weights in each process, another one others."""
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(case.probe.method.build_network(case.config, 5, {}).state_dict())
    assert_equal_states(states[0], states[1])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


@pytest.mark.slow
def test_saved_weights_measure_as_before(case, network):
    """What a checkpoint holds is all that a measurement depends on."""
    other = case.probe.build(case.config, seed=1).eval()
    other.load_state_dict(copy.deepcopy(network.state_dict()))
    expected = case.measured_by(network, case.probe.images())
    assert_equal_states(expected, case.measured_by(other, case.probe.images()))


def test_what_is_measured_has_the_declared_names_and_widths(case, network):
    """In the declared order; and finite, with a row for each image."""
    config = case.config
    declared = (
        config.embedding_widths() if hasattr(config, "embedding_widths") else dict.fromkeys(config.heads(), 5)
    )
    measured = case.measured_by(network, case.probe.images())
    assert list(declared.items()) == [(name, value.shape[1]) for name, value in measured.items()]
    assert all(len(LABELS) == len(value) and value.isfinite().all() for value in measured.values())


@pytest.mark.slow
def test_images_stay_as_they_are_and_each_is_measured_alone(case, network):
    """A second pass, as flip averaging makes, gives the same; the others of a batch do not matter."""
    images_BCHW = case.probe.images()
    first, second = case.measured_by(network, images_BCHW), case.measured_by(network, images_BCHW)
    assert torch.equal(case.probe.images(), images_BCHW)
    assert_equal_states(first, second)
    for name, alone_1D in case.measured_by(network, images_BCHW[:1]).items():
        torch.testing.assert_close(first[name][:1], alone_1D, atol=1e-5, rtol=1e-4)


def test_nothing_of_what_training_alone_needs_is_measured_by(case, network):
    """Without it, the same comes out."""
    if not hasattr(network, "drop_training_parts"):
        return
    deployed = copy.deepcopy(network)
    deployed.drop_training_parts()
    assert len(deployed.state_dict()) < len(network.state_dict())
    images_BCHW = case.probe.images()
    assert_equal_states(case.measured_by(network, images_BCHW), case.measured_by(deployed, images_BCHW))


@pytest.mark.slow
def test_a_step_trains_every_parameter(stepped):
    """Loss terms are finite scalars, and no part is built that their sum does not move."""
    network, terms = stepped
    assert all(term.shape == () and term.isfinite() for term in terms.values())
    idle = [
        name for name, weight in network.named_parameters() if weight.requires_grad and weight.grad is None
    ]
    assert [] == idle


def test_a_step_sees_its_images_and_changes_none(case, stepped):
    """Other images give another loss; those that were given stay."""
    _, terms = stepped
    images_BCHW = case.probe.images(seed=3)
    network = case.probe.build(case.config).train()
    (others,) = case.probe.method.loss_terms(case.config, network, [images_BCHW], [case.probe.labels_B], 0)
    assert terms.keys() == others.keys()
    assert any(not torch.equal(terms[name], others[name]) for name in terms)
    assert torch.equal(case.probe.images(seed=3), images_BCHW)


def test_ranks_share_a_step_evenly(case, stepped):
    """Two ranks of equal batches yield their terms one after the other, each half of one rank's alone."""
    _, terms = stepped
    network, images_BCHW, labels_B = case.probe.build(case.config), case.probe.images(), case.probe.labels_B
    ranks = list(
        case.probe.method.loss_terms(case.config, network.train(), [images_BCHW] * 2, [labels_B] * 2, 0)
    )
    assert 2 == len(ranks)
    for name, term in terms.items():
        for rank in ranks:
            torch.testing.assert_close(term / 2, rank[name], atol=1e-6, rtol=1e-4)


def test_half_precision_gives_losses_in_float32(case, stepped):
    """Under autocast the terms are float32, and those of float32 but for rounding."""
    _, terms = stepped
    network = case.probe.build(case.config)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halves = case.probe.terms_of(case.config, network)
    assert {torch.float32} == {term.dtype for term in halves.values()}
    expected, actual = (sum(some.values()).item() for some in (terms, halves))
    assert expected == pytest.approx(actual, rel=0.25)


@pytest.mark.slow
def test_a_few_steps_on_one_batch_lower_the_loss(case):
    """The whole network learns the labels of a batch it sees again and again."""
    network, labels_B = case.probe.build(case.config), case.probe.labels_B
    losses = losses_of_steps(
        case.probe.method, case.config, network, case.probe.images(), labels_B, lr=case.lr, num_steps=8
    )
    assert losses[-1] < 0.7 * losses[0], losses


@pytest.mark.parametrize("name", CASES)
def test_a_config_survives_json(name):
    """A config read back from its record is equal."""
    case = CASES[name]
    dataset = "cub200" if name == "tasn" else "dukemtmc"
    for config in (case.config, case.module.paper_config(dataset), case.module.demo_config()):
        assert config == type(config).model_validate_json(config.model_dump_json())


@pytest.mark.parametrize("name", CASES)
def test_validating_on_what_is_trained_on_is_refused(name):
    """A view of the val split needs a training that leaves it out, and the message says how."""
    view = ClassificationView(split="val") if name == "tasn" else RetrievalView(split="val")
    config = CASES[name].module.paper_config("cub200" if name == "tasn" else "market1501")
    with pytest.raises(ValueError, match=r"Set data\.train_split to 'train_without_val'"):
        config.check_view(view)
    apply_changes(config, {"data.train_split": "train_without_val"}).check_view(view)
