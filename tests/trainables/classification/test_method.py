"""Classification methods as the orchestrator runs them, on a miniature data set."""

import tracemalloc

import numpy as np
import pytest
import torch

from tablewright.trainables.classification.method import ROWS_AT_ONCE, ClassificationTrainable, measure_top1
from tablewright.trainables.classification.view import TOP1, ClassificationExtraction, ClassificationView
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.fine_grained import FineGrainedData
from tablewright.trainables.layers.backbone import BACKBONE
from tablewright.trainables.pictures.panel import Panel
from tablewright.trainables.training.optimisation import Optimisation
from tests.trainables.tiny_classification import TinyClassifier, TinyClassifierConfig, tiny_runtime
from tests.trainables.tiny_reid import Journal, LocalFolder, assert_equal_states, fit_through, save_tiny_stem

STEPS = 9


@pytest.fixture
def runtime(tmp_path):
    return tiny_runtime(tmp_path)


def tiny_network(seed=0):
    torch.manual_seed(seed)
    return TinyClassifier().build_network(TinyClassifierConfig(), 3, {})


def test_facts_describe_the_data_set_found(runtime):
    """Without published weights the facts are the data set's own."""
    facts = ClassificationTrainable(TinyClassifier()).describe_data(TinyClassifierConfig(), runtime)
    assert ("cub200", "CUB-200-2011", False) == (facts.name, facts.label, facts.is_demo)
    assert {"train": 7, "test": 3} == dict(facts.num_images)
    assert "CUB-200-2011 has 3 classes, published are 200" in facts.warnings


def test_starting_weights_are_part_of_the_fingerprint(runtime, tmp_path):
    """Other values in the weight file make another fingerprint, the same ones elsewhere the same one."""
    config, facts = TinyClassifierConfig(), []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / folder).mkdir()
        method = TinyClassifier({BACKBONE: save_tiny_stem(tmp_path / folder / "stem.pth", seed)})
        facts.append(ClassificationTrainable(method).describe_data(config, runtime))
    plain = ClassificationTrainable(TinyClassifier()).describe_data(config, runtime)
    assert facts[0] == facts[1]
    assert 3 == len({plain.fingerprint, *(one.fingerprint for one in facts)})
    assert [(BACKBONE, "stem.pth")] == [(one.part, one.file) for one in facts[0].starting_weights]


def test_weights_that_fit_in_part_are_told_when_the_data_is_described(runtime, tmp_path):
    """A plan refuses a training that would start from mostly random weights."""
    file = save_tiny_stem(tmp_path / "stem.pth", seed=1)
    torch.save({"0.weight": torch.zeros(6, 3, 3, 3)}, file.path)
    trainable = ClassificationTrainable(TinyClassifier({BACKBONE: file}))
    with pytest.raises(
        ValueError, match=r"starting weights of backbone: .*stem\.pth does not fill tiny\. Missing"
    ):
        trainable.describe_data(TinyClassifierConfig(), runtime)


def test_unreadable_images_stop_the_training_before_it_starts(runtime, tmp_path):
    """Preparing decodes everything, the test split too, and names what it cannot read."""
    broken = next((tmp_path / "data").rglob("Sooty_Albatross_0050_796352.jpg"))
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(ValueError, match=broken.name):
        TinyClassifierConfig().make_trainable().prepare_data(TinyClassifierConfig(), runtime)


@pytest.mark.parametrize("stops", [(2,), (4, 5), (9,)])
@pytest.mark.slow
def test_an_interrupted_training_ends_in_the_same_weights(runtime, tmp_path, stops):
    """Wherever it stopped, weights and epoch metrics are those of an undisturbed one, bit by bit."""
    config, whole, parts = TinyClassifierConfig(), Journal(), Journal(*stops)
    expected = fit_through(config, runtime, LocalFolder(tmp_path / "whole"), whole)
    actual = fit_through(config, runtime, LocalFolder(tmp_path / "parts"), parts)
    assert_equal_states(expected.state_dict(), actual.state_dict())
    assert whole.metrics() == parts.metrics()
    assert STEPS == whole.num_asked


def test_extraction_classifies_every_image_by_every_head(runtime):
    """Names, labels and float32 logits follow the split's order; mirrors only where asked."""
    config = TinyClassifierConfig()
    extraction = config.make_trainable().extract(
        config, runtime, tiny_network(), "test", [ClassificationView(logits=("master", "part"))]
    )
    assert [0, 1, 2] == extraction.labels.tolist()
    assert "images/002.Laysan_Albatross/Laysan_Albatross_0049_918.jpg" == extraction.names[1]
    assert {"master": (3, 3), "part": (3, 3)} == {h: array.shape for h, array in extraction.logits.items()}
    assert {np.dtype(np.float32)} == {array.dtype for array in extraction.logits.values()}
    assert {} == extraction.flipped_logits


def test_extraction_is_in_float32_whatever_surrounds_it(runtime):
    """Half precision that is switched on around it changes no bit."""
    config, network = TinyClassifierConfig(), tiny_network()
    trainable = config.make_trainable()
    expected = trainable.extract(config, runtime, network, "test", [ClassificationView()]).logits["master"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = trainable.extract(config, runtime, network, "test", [ClassificationView()]).logits["master"]
    np.testing.assert_array_equal(expected, actual)


def test_heads_that_no_view_names_are_not_kept(runtime):
    """Of the heads that are asked, the same logits as with all of them; an absent head is named."""
    config, network = TinyClassifierConfig(), tiny_network()
    extract = config.make_trainable().extract
    both = [ClassificationView(flip=True), ClassificationView(logits=("part",))]
    whole = extract(config, runtime, network, "test", both)
    one = extract(config, runtime, network, "test", [ClassificationView(flip=True)])
    assert [("master",), ("master",)] == [tuple(one.logits), tuple(one.flipped_logits)]
    np.testing.assert_array_equal(whole.logits["master"], one.logits["master"])
    np.testing.assert_array_equal(whole.flipped_logits["master"], one.flipped_logits["master"])
    with pytest.raises(
        ValueError, match="asks the heads whole, which the network has not; it has master, part"
    ):
        extract(config, runtime, network, "test", [ClassificationView(logits=("whole",))])


def test_flipped_logits_are_those_of_mirrored_images(runtime):
    """A network that compares left and right finds the opposite in the mirror images."""
    config = TinyClassifierConfig()

    class LeftMinusRight(torch.nn.Module):
        def classify(self, images_BCHW):
            left, right = images_BCHW.chunk(2, dim=3)
            return {"master": (left - right).mean((2, 3))}

    extraction = config.make_trainable().extract(
        config, runtime, LeftMinusRight(), "test", [ClassificationView(flip=True)]
    )
    assert np.abs(extraction.logits["master"]).max() > 0.5
    np.testing.assert_allclose(-extraction.logits["master"], extraction.flipped_logits["master"], atol=1e-3)


def test_extraction_leaves_the_network_as_it_was(runtime):
    """Neither running statistics nor the mode change, and dropout is off meanwhile."""
    config, network = TinyClassifierConfig(), tiny_network().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first, again = (
        config.make_trainable().extract(config, runtime, network, "test", [ClassificationView()])
        for _ in range(2)
    )
    assert_equal_states(before, network.state_dict())
    assert network.training
    np.testing.assert_array_equal(first.logits["master"], again.logits["master"])


def test_validation_on_training_images_is_refused(runtime):
    """The val split of a real data set needs a training that leaves its images out."""
    config = TinyClassifierConfig()
    with pytest.raises(ValueError, match="train_without_val"):
        config.make_trainable().extract(config, runtime, tiny_network(), "val", [ClassificationView()])
    apart = TinyClassifierConfig(data=config.data.model_copy(update={"train_split": "train_without_val"}))
    extraction = apart.make_trainable().extract(apart, runtime, tiny_network(), "val", [ClassificationView()])
    assert [0, 1, 2] == extraction.labels.tolist()


@pytest.mark.slow
def test_loaded_network_classifies_as_the_trained_one(runtime, tmp_path):
    """The final checkpoint alone gives the same logits, and the caller's random numbers go on."""
    config, folder = TinyClassifierConfig(), LocalFolder(tmp_path / "checkpoints")
    trained = fit_through(config, runtime, folder, Journal())
    trainable = config.make_trainable()
    state = torch.random.get_rng_state()
    loaded = trainable.load(config, runtime, folder)
    assert torch.equal(state, torch.random.get_rng_state())
    expected, actual = (
        trainable.extract(config, runtime, network, "test", [ClassificationView()]).logits["master"]
        for network in (trained, loaded)
    )
    np.testing.assert_array_equal(expected, actual)


def an_extraction(**changes):
    heads = {
        "master": [[2.0, 1.0, 0.0], [0.0, 3.0, 0.0], [1.0, 1.0, 0.0]],
        "part": [[0.0, 9.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]],
    }
    logits = {head: np.array(rows, np.float32) for head, rows in (heads | changes).items()}
    mirrored = {"master": np.array([[0, 0, 9], [0, 3, 0], [0, 3, 0]], np.float32)}
    return ClassificationExtraction("test", ("a", "b", "c"), np.array([0, 1, 1]), logits, mirrored)


def test_top1_is_the_share_of_images_given_their_class():
    """Counted by hand; of equal classes the first is predicted; each image has its row."""
    result = measure_top1([an_extraction()], ClassificationView())
    assert {"top1": pytest.approx(2 / 3)} == result.metrics
    rows = {name: column.tolist() for name, column in result.per_query.items()}
    assert {
        "name": ["a", "b", "c"],
        "label": [0, 1, 1],
        "predicted": [0, 1, 0],
        "is_correct": [True, True, False],
    } == rows
    view = ClassificationView()
    assert [1.0, 1.0, 0.0] == view.item_scores(TOP1, result.per_query).tolist()
    assert view.cluster_column in result.per_query


def test_heads_and_mirror_images_are_averaged_as_probabilities():
    """A sure head outvotes an unsure one; one head's large logits do not, beyond being sure."""
    both = ClassificationView(logits=("master", "part"))
    assert [1, 1, 0] == measure_top1([an_extraction()], both).per_query["predicted"].tolist()
    flipped = ClassificationView(flip=True)
    assert [2, 1, 1] == measure_top1([an_extraction()], flipped).per_query["predicted"].tolist()
    huge = an_extraction(part=[[0.0, 900.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert [1, 1, 0] == measure_top1([huge], both).per_query["predicted"].tolist()


def test_rows_are_measured_in_chunks_of_bounded_memory():
    """Chunks give the predictions of the whole at once, and take less memory than the logits of a head."""
    num_images, num_classes = 12 * ROWS_AT_ONCE + 5, 100
    rng = np.random.default_rng(0)
    logits = {
        head: rng.normal(size=(num_images, num_classes)).astype(np.float32) for head in ("master", "part")
    }
    labels = rng.integers(num_classes, size=num_images)
    names = tuple(map(str, range(num_images)))
    extraction = ClassificationExtraction("test", names, labels, logits)
    tracemalloc.start()
    result = measure_top1([extraction], ClassificationView(logits=("master", "part")))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < logits["master"].nbytes
    whole_NI = sum(torch.from_numpy(array).double().softmax(1).numpy() for array in logits.values())
    np.testing.assert_array_equal(whole_NI.argmax(1), result.per_query["predicted"])


def test_an_ensemble_averages_its_members_on_the_same_images():
    """Members outvote each other as heads do; members that saw different images are refused."""
    sure = an_extraction(master=[[0.0, 0.0, 5.0], [0.0, 0.0, 0.1], [0.0, 1.0, 0.0]])
    result = measure_top1([an_extraction(), sure], ClassificationView())
    assert [2, 1, 1] == result.per_query["predicted"].tolist()
    other = ClassificationExtraction("test", ("a", "b", "d"), sure.labels, sure.logits)
    with pytest.raises(ValueError, match="they saw different ones in 'test'"):
        measure_top1([sure, other], ClassificationView())


def test_attention_is_drawn_where_the_method_shows_it(runtime):
    """A method with panels gives a PNG, one without gives none."""

    class Showing(TinyClassifier):
        def panels(self, config, network, images_BCHW):
            return [Panel("red", heat_BHW=images_BCHW[:, 0])]

    config = TinyClassifierConfig()
    drawn = []
    for method in (TinyClassifier(), Showing()):
        trainable, network = ClassificationTrainable(method), tiny_network()
        extraction = trainable.extract(config, runtime, network, "test", [ClassificationView()])
        drawn.append(trainable.illustrate(config, runtime, network, extraction))
    assert {} == drawn[0]
    assert {"attention": b"\x89PNG"} == {name: content[:4] for name, content in drawn[1].items()}


def test_missing_heads_and_broken_logits_are_told():
    """A view names a head that the network has, and numbers that are numbers."""
    with pytest.raises(ValueError, match="no logits 'part' of mirror images; there are master"):
        measure_top1([an_extraction()], ClassificationView(logits=("part",), flip=True))
    broken = an_extraction(master=[[0.0, np.nan, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, np.inf]])
    with pytest.raises(ValueError, match="logits 'master' of 2 of 3 images are not finite"):
        measure_top1([broken], ClassificationView())


@pytest.mark.slow
def test_a_check_makes_one_step_without_any_data():
    """A misfit of network and config is found on small random images."""
    config = TinyClassifierConfig(
        data=FineGrainedData(dataset="cub200"), optimisation=Optimisation(precision="fp16")
    )
    sizes = []

    class Watching(TinyClassifier):
        def loss_terms(self, config, network, images_per_rank, labels_per_rank, epoch):
            sizes.append((config.optimisation.precision, *images_per_rank[0].shape))
            return super().loss_terms(config, network, images_per_rank, labels_per_rank, epoch)

    ClassificationTrainable(Watching()).check(config, Runtime(None, ""))
    assert [("fp32", 4, 3, 64, 64)] == sizes

    class Broken(TinyClassifier):
        def build_network(self, config, num_classes, weights):
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        ClassificationTrainable(Broken()).check(config, Runtime(None, ""))
