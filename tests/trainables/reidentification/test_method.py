"""Re-identification methods as the orchestrator runs them, on a miniature data set."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.reid import ReidData
from tablewright.trainables.layers.backbone import BACKBONE
from tablewright.trainables.mdpr import MdprConfig, MdprNetworkConfig, paper_config
from tablewright.trainables.pictures.panel import Panel
from tablewright.trainables.reidentification import method as reidentification
from tablewright.trainables.reidentification.method import ReidTrainable
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training.optimisation import Optimisation
from tests.trainables.published_weights import prefixed, save, zeros_of
from tests.trainables.tiny_reid import (
    IMAGES_PER_PID,
    NUM_TRAIN_PIDS,
    Journal,
    LocalFolder,
    TinyConfig,
    TinyMethod,
    assert_equal_states,
    fit_through,
    save_tiny_stem,
    tiny_runtime,
    write_tiny_market,
)


@pytest.fixture
def runtime(tmp_path):
    return tiny_runtime(tmp_path)


def tiny_network(seed=0):
    torch.manual_seed(seed)
    return TinyMethod().build_network(TinyConfig(), NUM_TRAIN_PIDS, {})


def test_facts_describe_the_data_set_found(runtime):
    """Without published weights the facts are the data set's own."""
    facts = ReidTrainable(TinyMethod()).describe_data(TinyConfig(), runtime)
    assert ("market1501", "Market-1501", False) == (facts.name, facts.label, facts.is_demo)
    assert NUM_TRAIN_PIDS * IMAGES_PER_PID == facts.num_images["train"]


def test_a_process_trains_on_the_data_that_it_has_described(runtime, tmp_path):
    """Images that are added during a sweep change nothing in a running process; a later one finds other data."""
    method, config = ReidTrainable(TinyMethod()), TinyConfig()
    before = method.describe_data(config, runtime)
    folder = tmp_path / "data/Market-1501-v15.09.15/bounding_box_train"
    (folder / "0001_c1s1_000099_00.jpg").write_bytes((folder / "0001_c1s1_000000_00.jpg").read_bytes())
    assert before == method.describe_data(config, runtime)
    assert before.num_images["train"] == len(reidentification._find_dataset(config, runtime).splits["train"])
    reidentification._load_once.cache_clear()  # as in a new process
    assert before.fingerprint != method.describe_data(config, runtime).fingerprint


def test_starting_weights_are_part_of_the_fingerprint(runtime, tmp_path):
    """Other values in the weight file make another fingerprint, the same ones elsewhere the same one."""
    facts = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / folder).mkdir()
        method = TinyMethod({BACKBONE: save_tiny_stem(tmp_path / folder / "stem.pth", seed)})
        facts.append(ReidTrainable(method).describe_data(TinyConfig(), runtime))
    plain = ReidTrainable(TinyMethod()).describe_data(TinyConfig(), runtime)
    assert facts[0] == facts[1]
    assert 3 == len({plain.fingerprint, *(one.fingerprint for one in facts)})
    assert [(BACKBONE, "stem.pth")] == [(one.part, one.file) for one in facts[0].starting_weights]


def test_weights_that_fit_in_part_are_told_when_the_data_is_described(runtime, tmp_path):
    """A plan refuses a training that would start from mostly random weights."""
    file = save_tiny_stem(tmp_path / "stem.pth", seed=1)
    torch.save({"0.weight": torch.zeros(6, 3, 3, 3)}, file.path)
    method = TinyMethod({BACKBONE: file})
    with pytest.raises(
        ValueError, match=r"starting weights of backbone: .*stem\.pth does not fill tiny\. Missing"
    ):
        ReidTrainable(method).describe_data(TinyConfig(), runtime)


def test_missing_weights_are_told_when_the_data_is_described(runtime):
    """A plan refuses a training whose weight file is not there, and says where it looked."""
    config = paper_config("market1501")
    with pytest.raises(ValueError, match=r"weights/lup_moco_r101.pth, which is no file"):
        config.make_trainable().describe_data(config, runtime)


def test_what_the_published_recipe_leaves_fresh_is_told_when_the_data_is_described(tmp_path):
    """MDPR's IBN-a network starts from LUPerson's plain file, and a table says that its split norms are fresh."""
    runtime = tiny_runtime(tmp_path)
    content = {"state_dict": prefixed("module.encoder_q.", zeros_of("resnet101")), "arch": "resnet101"}
    save(tmp_path / "data/weights/lup_moco_r101.pth", content)
    config = paper_config("market1501")
    facts = config.make_trainable().describe_data(config, runtime)
    assert (
        "backbone starts from lup_moco_r101.pth, which has plain norms: the 30 norms that resnet101_ibn_a splits start "
        "fresh"
    ) == facts.warnings[-1]
    (weights,) = facts.starting_weights
    assert (BACKBONE, 210, 150) == (weights.part, len(weights.fresh), len(weights.unused))


def test_unreadable_image_stops_the_training_before_it_starts(tmp_path):
    """Preparing decodes everything, and names what it cannot read."""
    write_tiny_market(tmp_path / "data")
    broken = next((tmp_path / "data").rglob("bounding_box_test/*.jpg"))
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(ValueError, match=broken.name):
        TinyConfig().make_trainable().prepare_data(TinyConfig(), tiny_runtime(tmp_path))


def test_prepared_data_needs_no_images_any_more(runtime):
    """After preparing, training and extraction read the cache alone."""
    config = TinyConfig()
    trainable = config.make_trainable()
    trainable.prepare_data(config, runtime)
    for path in Path(runtime.data_root).rglob("*.jpg"):
        path.write_bytes(bytes(path.stat().st_size))
    extraction = trainable.extract(config, runtime, tiny_network(), "test", [RetrievalView()])
    assert 3 * IMAGES_PER_PID == len(extraction.gallery.names)


def test_extraction_names_and_embeds_both_sides(runtime):
    """Rows follow the names; embeddings have their names, widths and float32; mirrors only where asked."""
    config = TinyConfig()
    trainable = config.make_trainable()
    extraction = trainable.extract(config, runtime, tiny_network(), "test", [RetrievalView()])
    query, gallery = extraction.query, extraction.gallery
    assert [7, 8, 9] == query.pids.tolist()
    assert [1, 1, 1] == query.camids.tolist()
    assert "query/0007_c1s1_000000_00.jpg" == query.names[0]
    assert config.embedding_widths() == {n: e.shape[1] for n, e in gallery.embeddings.items()}
    assert {(len(gallery.names), np.dtype(np.float32))} == {
        (len(e), e.dtype) for e in gallery.embeddings.values()
    }
    assert {} == gallery.flipped_embeddings


def test_flipped_embeddings_are_those_of_mirrored_images(runtime):
    """A network that sees the left half alone tells an image from its mirror, and finds the same in both."""
    config = TinyConfig()

    class LeftMinusRight(torch.nn.Module):
        def embed(self, images_BCHW):
            left, right = images_BCHW.chunk(2, dim=3)
            return {"global": (left - right).mean((2, 3))}

    extraction = config.make_trainable().extract(
        config, runtime, LeftMinusRight(), "test", [RetrievalView(flip=True)]
    )
    upright = extraction.gallery.embeddings["global"]
    assert np.abs(upright).max() > 0.5
    np.testing.assert_allclose(-upright, extraction.gallery.flipped_embeddings["global"], atol=1e-3)


def test_extraction_leaves_the_network_as_it_was(runtime):
    """Neither running statistics nor the mode change, and dropout is off meanwhile."""
    config, network = TinyConfig(), tiny_network().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first, again = (
        config.make_trainable().extract(config, runtime, network, "test", [RetrievalView()]) for _ in range(2)
    )
    assert_equal_states(before, network.state_dict())
    assert network.training
    np.testing.assert_array_equal(first.query.embeddings["global"], again.query.embeddings["global"])


def test_extraction_is_in_float32_whatever_surrounds_it(runtime):
    """Half precision that is switched on around it changes no bit."""
    config, network = TinyConfig(), tiny_network()
    trainable = config.make_trainable()
    expected = trainable.extract(config, runtime, network, "test", [RetrievalView()]).query.embeddings[
        "global"
    ]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = trainable.extract(config, runtime, network, "test", [RetrievalView()]).query.embeddings[
            "global"
        ]
    np.testing.assert_array_equal(expected, actual)


def test_validation_on_training_people_is_refused(runtime):
    """The val split of a data set without validation people needs a training that leaves them out."""
    config = TinyConfig()
    with pytest.raises(ValueError, match="train_without_val"):
        config.make_trainable().extract(config, runtime, tiny_network(), "val", [RetrievalView()])
    apart = TinyConfig(data=config.data.model_copy(update={"train_split": "train_without_val"}))
    extraction = apart.make_trainable().extract(apart, runtime, tiny_network(), "val", [RetrievalView()])
    assert {1, 2, 3, 4, 5, 6} > set(extraction.query.pids.tolist())


def test_loaded_network_embeds_as_the_trained_one(runtime, tmp_path):
    """The final checkpoint alone gives the same embeddings, and the caller's random numbers go on."""
    config, folder = TinyConfig(), LocalFolder(tmp_path / "checkpoints")
    trained = fit_through(config, runtime, folder, Journal())
    trainable = config.make_trainable()
    state = torch.random.get_rng_state()
    loaded = trainable.load(config, runtime, folder)
    assert torch.equal(state, torch.random.get_rng_state())
    expected, actual = (
        trainable.extract(config, runtime, network, "test", [RetrievalView()]).query.embeddings["global"]
        for network in (trained, loaded)
    )
    np.testing.assert_array_equal(expected, actual)


def test_measuring_joins_the_embeddings_a_view_names(runtime):
    """A group is spelt out by the config; a view of an absent embedding is refused."""
    config = TinyConfig()
    trainable = config.make_trainable()
    extraction = trainable.extract(config, runtime, tiny_network(), "test", [RetrievalView()])
    whole, part = (
        trainable.measure([(config, extraction)], RetrievalView(embeddings=names)).metrics
        for names in (("all",), ("global",))
    )
    assert whole == part  # the second embedding is the first one negated: distances only double
    with pytest.raises(ValueError, match="offers no embedding 'fused'"):
        trainable.measure([(config, extraction)], RetrievalView(embeddings=("fused",)))


@pytest.mark.slow
def test_trained_network_finds_the_people_it_never_saw(runtime, tmp_path):
    """The whole path learns colours: mean average precision rises clearly above the untrained network's."""
    optimisation = TinyConfig().optimisation.model_copy(update={"num_epochs": 12})
    config = TinyConfig(optimisation=optimisation)
    trainable = config.make_trainable()
    trained = fit_through(config, runtime, LocalFolder(tmp_path / "fit"), Journal())
    extraction = trainable.extract(config, runtime, trained, "test", [RetrievalView()])
    assert trainable.measure([(config, extraction)], RetrievalView()).metrics["map"] > 0.9


@pytest.mark.slow
def test_check_makes_a_step_without_data_or_weights():
    """A paper's configuration is checked on a machine that has neither its data, its weights nor a GPU."""
    config = MdprConfig(
        data=ReidData(dataset="market1501", num_ranks=2),
        network=MdprNetworkConfig(
            backbone=paper_config("market1501").network.backbone.model_copy(
                update={"architecture": "resnet18", "weights": "imagenet"}
            ),
            embedding_size=16,
        ),
        optimisation=Optimisation(),
    )
    config.make_trainable().check(config, Runtime(None, ""))


def test_check_raises_what_a_training_would_raise():
    """A fault of a method's losses is found without a training."""

    class Faulty(TinyMethod):
        def loss_terms(self, config, network, images_per_rank, labels_per_rank, epoch):
            yield {"identity": network(images_per_rank[0]) @ torch.ones(3)}

    with pytest.raises(RuntimeError, match="size mismatch"):
        ReidTrainable(Faulty()).check(TinyConfig(), Runtime(None, ""))


def test_gpu_that_is_not_there_is_named(runtime, tmp_path):
    """Asking for a GPU where torch sees none is an error, not a training on the CPU."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    config, on_gpu = TinyConfig(), dataclasses.replace(runtime, device="cuda")
    with pytest.raises(ValueError, match="torch sees no GPU"):
        config.make_trainable().fit(config, on_gpu, LocalFolder(tmp_path), Journal().hooks())


def test_a_training_is_illustrated_from_its_extraction(runtime):
    """A method without panels gives retrieval strips alone, with the same bytes each time."""
    trainable, config = ReidTrainable(TinyMethod()), TinyConfig()
    network = tiny_network()
    extraction = trainable.extract(config, runtime, network, "test", [RetrievalView()])
    pictures = [trainable.illustrate(config, runtime, network, extraction) for _ in range(2)]
    assert ["retrieval"] == list(pictures[0])
    assert pictures[0] == pictures[1]
    assert pictures[0]["retrieval"].startswith(b"\x89PNG")


def test_what_a_method_shows_is_drawn_of_test_images(runtime):
    """A method with panels is given a few queries as they are embedded, and its picture is kept."""
    seen = []

    class ShowingMethod(TinyMethod):
        def panels(self, config, network, images_BCHW):
            seen.append((tuple(images_BCHW.shape), images_BCHW.dtype, network.training))
            return [Panel("map", heat_BHW=images_BCHW[:, 0])]

    trainable, config = ReidTrainable(ShowingMethod()), TinyConfig()
    network = tiny_network().train()
    extraction = trainable.extract(config, runtime, network, "test", [RetrievalView()])
    pictures = trainable.illustrate(config, runtime, network, extraction)
    assert ["attention", "retrieval"] == sorted(pictures)
    assert [((3, 3, 32, 16), torch.float32, False)] == seen  # the tiny set has three queries


def test_a_batch_that_cannot_be_filled_is_told_before_anything_trains(runtime):
    """A batch of more identities than there are to train on is found while the data are prepared."""
    config = TinyConfig()
    config = config.model_copy(update={"data": config.data.model_copy(update={"num_identities": 64})})
    with pytest.raises(ValueError, match="a batch has 64 identities and the training split only 6"):
        config.make_trainable().prepare_data(config, runtime)
