"""The training loop: what it repeats exactly, what it refuses, what it reports and when it writes."""

import dataclasses

import pytest
import torch

from tablewright.orchestrator.identity import training_id
from tablewright.trainables.contract.run import (
    FINAL_CHECKPOINT,
    RESUME_CHECKPOINT,
    FitHooks,
    Runtime,
    TrainingStopped,
)
from tablewright.trainables.data.reid import ReidData
from tablewright.trainables.mdpr import Backbone, MdprConfig, MdprNetworkConfig
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training.fitting import load_network
from tablewright.trainables.training.loss_meter import LossMeter
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.training.step import backpropagate
from tests.trainables.tiny_reid import (
    IMAGES_PER_PID,
    NUM_TRAIN_PIDS,
    Journal,
    LocalFolder,
    PatientJournal,
    TinyConfig,
    TinyMethod,
    assert_equal_states,
    fit_through,
    tiny_runtime,
    wait_for_checkpoint,
)

STEPS_PER_EPOCH = NUM_TRAIN_PIDS * IMAGES_PER_PID // 4
NUM_STEPS = 3 * STEPS_PER_EPOCH


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return tiny_runtime(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def undisturbed(runtime, tmp_path_factory):
    """The weights and metrics of a training that nothing interrupted."""
    journal = Journal()
    network = fit_through(TinyConfig(), runtime, LocalFolder(tmp_path_factory.mktemp("fit")), journal)
    return network.state_dict(), journal.metrics()


@pytest.mark.parametrize(
    "stops",
    [(1,), (3,), (STEPS_PER_EPOCH + 1,), (2, STEPS_PER_EPOCH + 4, NUM_STEPS), tuple(range(1, NUM_STEPS + 1))],
    ids=["before the first step", "in the first epoch", "between epochs", "three times", "at every step"],
)
def test_interrupted_training_ends_in_the_weights_of_an_undisturbed_one(
    stops, undisturbed, runtime, tmp_path
):
    """Weights and epoch metrics are equal to the last bit wherever a training was stopped."""
    journal = Journal(*stops)
    network = fit_through(TinyConfig(), runtime, LocalFolder(tmp_path), journal)
    assert_equal_states(undisturbed[0], network.state_dict())
    assert undisturbed[1] == journal.metrics()


def test_interrupted_training_with_ranks_is_equal_too(runtime, tmp_path):
    """Several ranks a step do not change that."""
    data = TinyConfig().data.model_copy(update={"num_ranks": 2})
    config = TinyConfig(data=data)
    whole, parted = (
        fit_through(config, runtime, LocalFolder(tmp_path / str(len(stops))), Journal(*stops))
        for stops in ((), (2, 5))
    )
    assert_equal_states(whole.state_dict(), parted.state_dict())


@pytest.mark.slow
def test_interrupted_mdpr_training_is_equal_too(runtime, tmp_path):
    """MDPR on ResNet-18, stopped in an epoch and between two, ends in the same bits."""
    config = MdprConfig(
        data=ReidData(dataset="market1501", height_px=64, width_px=32, num_identities=6, num_instances=2),
        network=MdprNetworkConfig(backbone=Backbone(architecture="resnet18"), embedding_size=8),
        optimisation=Optimisation(num_epochs=2, warmup_steps=2, precision="fp32"),
    )
    journals = Journal(), Journal(2, 3)
    whole, parted = (
        fit_through(config, runtime, LocalFolder(tmp_path / str(index)), journal)
        for index, journal in enumerate(journals)
    )
    assert_equal_states(whole.state_dict(), parted.state_dict())
    assert journals[0].metrics() == journals[1].metrics()


def test_crash_repeats_at_most_what_followed_the_last_checkpoint(undisturbed, runtime, tmp_path):
    """With a checkpoint before every step, a crash before step 10 costs step 9 alone, and repeats equal bits."""
    config, folder = TinyConfig(), LocalFolder(tmp_path)
    always = dataclasses.replace(runtime, checkpoint_every_s=0.0)
    asked = 0

    def crash():
        nonlocal asked
        asked += 1
        wait_for_checkpoint()
        if asked == 10:
            raise MemoryError
        return False

    with pytest.raises(MemoryError):
        config.make_trainable().fit(config, always, folder, FitHooks(should_stop=crash))
    journal = Journal()
    network = fit_through(config, runtime, folder, journal)
    assert_equal_states(undisturbed[0], network.state_dict())
    assert {epoch: undisturbed[1][epoch] for epoch in (2, 3)} == journal.metrics()
    assert NUM_STEPS - 8 == journal.num_asked


def test_trainings_in_one_process_do_not_influence_each_other(undisturbed, runtime, tmp_path):
    """Whatever ran before, and with however many threads, a training gives the same, and leaves no trace."""
    num_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.manual_seed(77)
        state = torch.random.get_rng_state()
        other = TinyConfig(seed=9)
        fit_through(other, runtime, LocalFolder(tmp_path / "other"), Journal())
        network = fit_through(TinyConfig(), runtime, LocalFolder(tmp_path / "again"), Journal())
        assert_equal_states(undisturbed[0], network.state_dict())
        assert torch.equal(state, torch.random.get_rng_state())
        assert 2 == torch.get_num_threads()
    finally:
        torch.set_num_threads(num_threads)


def test_seed_changes_the_weights(undisturbed, runtime, tmp_path):
    """Another seed is another training."""
    network = fit_through(TinyConfig(seed=1), runtime, LocalFolder(tmp_path), Journal())
    assert not torch.equal(undisturbed[0]["project.weight"], network.state_dict()["project.weight"])


def test_measuring_between_epochs_changes_nothing(undisturbed, runtime, tmp_path):
    """A hook that extracts embeddings after every epoch leaves weights as they would be without it."""
    config = TinyConfig()
    trainable = config.make_trainable()
    hooks = FitHooks(
        on_epoch=lambda report, network: trainable.extract(
            config, runtime, network, "test", [RetrievalView(flip=True)]
        )
    )
    network = trainable.fit(config, runtime, LocalFolder(tmp_path), hooks)
    assert_equal_states(undisturbed[0], network.state_dict())


def test_report_of_an_epoch_names_loss_terms_rate_and_speed(undisturbed, runtime, tmp_path):
    """An epoch reports the mean loss as the sum of its terms' means, the mean rate, and images a second."""
    journal = Journal()
    fit_through(TinyConfig(), runtime, LocalFolder(tmp_path), journal)
    report = journal.reports[1]
    assert (1, 3) == (report.epoch, report.num_epochs)
    assert {"loss", "loss/identity", "loss/triplet", "learning_rate", "images_per_s"} == set(report.metrics)
    terms = report.metrics["loss/identity"] + report.metrics["loss/triplet"]
    assert pytest.approx(terms) == report.metrics["loss"]
    assert pytest.approx(STEPS_PER_EPOCH * 4 / report.wall_s) == report.metrics["images_per_s"]
    rates = [1e-2 * factor for factor in (0.1, 0.4, 0.7, 1, 1, 1, 1)]
    assert pytest.approx(sum(rates) / STEPS_PER_EPOCH) == report.metrics["learning_rate"]
    assert pytest.approx(1e-4) == journal.reports[3].metrics["learning_rate"]


def test_training_learns(undisturbed):
    """The identity loss falls from one epoch to the next."""
    losses = [metrics["loss/identity"] for metrics in undisturbed[1].values()]
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.slow
def test_only_time_and_a_stop_make_it_write_before_the_end(runtime, tmp_path):
    """Three short epochs write the final file alone; with no time between them, every step keeps its state."""
    rare, often = LocalFolder(tmp_path / "rare"), LocalFolder(tmp_path / "often")
    fit_through(TinyConfig(), runtime, rare, Journal())
    assert (1, False) == (rare.num_written, rare.exists(RESUME_CHECKPOINT))
    always = dataclasses.replace(runtime, checkpoint_every_s=0.0)
    fit_through(TinyConfig(), always, often, PatientJournal())
    of_epochs = 2  # once the last one has ended, it is the final file's turn
    assert NUM_STEPS + of_epochs + 1 == often.num_written


def test_final_checkpoint_holds_the_weights_and_the_number_of_classes(runtime, tmp_path):
    """What is read back is what was trained."""
    folder = LocalFolder(tmp_path)
    network = fit_through(TinyConfig(), runtime, folder, Journal())
    read = load_network(TinyMethod(), TinyConfig(), folder, torch.device("cpu"))
    assert_equal_states(network.state_dict(), read.state_dict())
    assert NUM_TRAIN_PIDS == read.classify.out_features


def test_stop_wanted_at_the_end_of_an_epoch_keeps_that_epoch(undisturbed, runtime, tmp_path):
    """A hook that stops the training when an epoch is reported loses nothing."""
    config, folder = TinyConfig(), LocalFolder(tmp_path)

    def stop(report, network):
        raise TrainingStopped

    with pytest.raises(TrainingStopped):
        config.make_trainable().fit(config, runtime, folder, FitHooks(on_epoch=stop))
    journal = Journal()
    network = fit_through(config, runtime, folder, journal)
    assert [2, 3] == list(journal.reports)
    assert_equal_states(undisturbed[0], network.state_dict())


def test_checkpoint_of_another_config_is_refused(runtime, tmp_path):
    """A training does not go on from the weights of a different one."""
    folder = LocalFolder(tmp_path)
    with pytest.raises(TrainingStopped):
        TinyConfig().make_trainable().fit(TinyConfig(), runtime, folder, Journal(2).hooks())
    other = TinyConfig(loss_scale=2.0)
    with pytest.raises(ValueError, match=r"resume.pt was written by another training.* or delete the file"):
        other.make_trainable().fit(other, runtime, folder, Journal().hooks())


def test_a_new_field_at_its_default_keeps_checkpoints(undisturbed, runtime, tmp_path):
    """An interrupted training goes on under code that has grown an option, as its id says it may."""

    class GrownConfig(TinyConfig):
        new_option: bool = False

    folder = LocalFolder(tmp_path)
    with pytest.raises(TrainingStopped):
        TinyConfig().make_trainable().fit(TinyConfig(), runtime, folder, Journal(2).hooks())
    network = fit_through(GrownConfig(), runtime, folder, Journal())
    assert_equal_states(undisturbed[0], network.state_dict())
    assert training_id(TinyConfig(), "f" * 64) == training_id(GrownConfig(), "f" * 64)


def test_loss_that_is_not_finite_names_epoch_step_and_term(runtime, tmp_path):
    """A training whose loss overflows ends with an error, and writes no weights once it has."""
    config, folder = TinyConfig(loss_scale=1e300), LocalFolder(tmp_path)
    with pytest.raises(FloatingPointError, match=r"epoch 1, step 1 of it, term identity"):
        config.make_trainable().fit(config, runtime, folder, Journal().hooks())
    assert 0 == folder.num_written
    always = dataclasses.replace(runtime, checkpoint_every_s=0.0)
    with pytest.raises(FloatingPointError):
        config.make_trainable().fit(config, always, folder, PatientJournal().hooks())
    assert 1 == folder.num_written  # of the beginning


def test_meter_finds_the_first_step_that_went_wrong():
    """Terms are summed without looking; the step and term of the first fault are known afterwards."""
    meter = LossMeter(torch.device("cpu"))
    for value in (1.0, 2.0, float("nan"), 3.0):
        meter.add({"identity": torch.tensor(1.0), "triplet": torch.tensor(value)})
    with pytest.raises(FloatingPointError, match=r"epoch 7, step 3 of it, term triplet"):
        meter.check(epoch=7)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_without_gpu_is_refused_before_data_is_read(precision, tmp_path):
    """The error comes first, and says what to set."""
    config = TinyConfig(optimisation=Optimisation(precision=precision))
    nowhere = Runtime(str(tmp_path / "absent"), str(tmp_path / "cache"))
    for begin in (
        lambda: config.make_trainable().prepare_data(config, nowhere),
        lambda: config.make_trainable().fit(config, nowhere, LocalFolder(tmp_path), Journal().hooks()),
    ):
        with pytest.raises(ValueError, match=r"set optimisation.precision to 'fp32'"):
            begin()


def test_ranks_add_up_to_one_gradient():
    """Two ranks with the same images give the gradient and the terms of one."""
    config = TinyConfig()
    torch.manual_seed(0)
    network = TinyMethod().build_network(config, 2, {}).eval()
    images_BCHW = torch.rand(4, 3, 32, 16) * 255
    labels_B = torch.tensor([0, 0, 1, 1])
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    gradients, terms = [], []
    for num_ranks in (1, 2):
        network.zero_grad()
        ranks = [images_BCHW] * num_ranks, [labels_B] * num_ranks
        terms.append(backpropagate(TinyMethod(), config, network, scaler, *ranks, epoch=0))
        gradients.append(network.project.weight.grad.clone())
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(terms[0], terms[1])
    assert not any(term.requires_grad for term in terms[0].values())


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_half_precision_is_of_the_forward_pass_alone(precision, dtype):
    """Convolutions run in the precision named; weights and, once unscaled, gradients are near float32's."""
    torch.manual_seed(0)
    network = TinyMethod().build_network(TinyConfig(), 2, {}).eval()
    seen = []
    network.stem[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    images_BCHW, labels_B = torch.rand(4, 3, 32, 16) * 255, torch.tensor([0, 0, 1, 1])
    gradients = {}
    for name in ("fp32", precision):
        config = TinyConfig(optimisation=Optimisation(precision=name))
        scaler = torch.amp.GradScaler("cpu", init_scale=256.0, enabled=name == "fp16")
        optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
        optimizer.zero_grad()
        backpropagate(TinyMethod(), config, network, scaler, [images_BCHW], [labels_B], epoch=0)
        if scaler.is_enabled():
            scaler.unscale_(optimizer)
        gradients[name] = network.project.weight.grad.clone()
    assert [torch.float32, dtype] == seen
    torch.testing.assert_close(gradients["fp32"], gradients[precision], rtol=0.05, atol=0.01)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_training_on_a_gpu_stops_and_goes_on(precision, runtime, tmp_path):
    """Every precision trains on a GPU, through a stop, to finite weights."""
    config = TinyConfig(optimisation=TinyConfig().optimisation.model_copy(update={"precision": precision}))
    on_gpu = dataclasses.replace(runtime, device="cuda")
    folder, journal = LocalFolder(tmp_path), Journal(5)
    network = fit_through(config, on_gpu, folder, journal)
    assert [1, 2, 3] == list(journal.reports)
    assert all(value.isfinite().all() for value in network.state_dict().values())
    assert folder.exists(FINAL_CHECKPOINT)
