"""A store on S3, on a server of the test's own: what it costs in requests, kills, and two sweeps at once."""

import os
import signal
import traceback
from collections import Counter

import pytest
import s3fs

from tablewright.orchestrator.attempts import epoch_log
from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.live_status import read_live
from tablewright.orchestrator.plans.planning import plan_as_recorded, plan_with_data
from tablewright.orchestrator.status import read_status
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.signs_of_life import AttemptSigns, SweepSign, announced
from tablewright.orchestrator.store.store import Store
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.run import EpochReport, Runtime
from tests.forks import forks
from tests.orchestrator.toy_sweep import ToySweep, a_study
from tests.waiting import PATIENCE_S, wait_for

RUNTIME = Runtime(None, "/cache")


class S3Sweep(ToySweep):
    """Runs studies on a store in a bucket."""

    def __init__(self, folder, bucket):
        super().__init__(folder)
        self.url = f"{bucket}/runs"

    def store(self):
        return Store(self.url)


@pytest.fixture
def sweep(tmp_path, s3_bucket):
    return S3Sweep(tmp_path, s3_bucket)


@pytest.fixture
def requests(monkeypatch):
    """Every request that this process sends to S3 from here on, counted by its kind."""
    sent = Counter()
    call = s3fs.S3FileSystem._call_s3

    async def counted(self, method, *arguments, **more):
        sent[method] += 1
        return await call(self, method, *arguments, **more)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    return sent


def of_rates(number):
    return a_study([Sweep("learning_rate", tuple(0.1 + 0.01 * place for place in range(number)))])


@pytest.mark.slow
def test_a_training_and_a_look_at_it_cost_few_requests(sweep, requests, monkeypatch):
    """A training of three epochs costs at most 25, its claim and its place in the plan among them; a status 2."""
    monkeypatch.setattr(epoch_log, "WRITE_EVERY_S", 0.0)  # each epoch is written, as where one lasts longer
    monkeypatch.setattr(epoch_log, "MAX_SHARE", 1e9)
    sweep(of_rates(2))
    costs = []
    for number in (8, 14, 20):  # a busy machine adds signs of life and second looks, and takes none away
        requests.clear()
        result, _ = sweep(of_rates(number))
        for_sweep = requests.total()
        assert result.is_complete
        requests.clear()
        sweep(of_rates(number))
        costs.append(for_sweep - requests.total())
        if costs[-1] <= 6 * 25 + 18:  # and what the sweep says of itself
            break
    assert min(costs) <= 6 * 25 + 18, costs
    requests.clear()
    seen = sweep.store().listed()
    plan = plan_as_recorded((of_rates(number),), seen, RUNTIME)
    assert ["done"] * number == [status.state for status in read_status(plan, seen)]
    assert requests.total() <= number * 2 + 5
    assert requests.keys() <= {"list_objects_v2", "get_object"}


def a_sweep_sign():
    return SweepSign(("toy_study",), "anna", "sweep.py toy", now(), now(), 4, 0, 0)


@pytest.mark.slow
def test_a_look_at_what_runs_costs_two_requests_a_training(sweep, requests):
    """Its claim and its epochs, beside one listing of the store and what the sweep says of itself."""
    store = sweep.store()
    plan = plan_with_data((of_rates(4),), store, RUNTIME)
    for identity, training in plan.trainings.items():
        signs = AttemptSigns(store.training(identity), training.label, "toy_study", RUNTIME, lambda: None)
        assert Claims(store).take(training_claim(identity), signs) is not None
        store.training(identity).write_epochs([EpochReport(1, 3, {}, 1.0)])
    with announced(store, a_sweep_sign):
        requests.clear()
        live = read_live(sweep.store().listed(), {"toy_study"}, plan.trainings)
    assert (4, 1) == (len(live.trainings), len(live.sweeps))
    assert requests["get_object"] <= 4 * 2 + 2


def contents(store):
    return {name: store.root.read(name) for name in store.root.file_names()}


@pytest.mark.slow
def test_running_again_writes_nothing_to_a_bucket(sweep, requests):
    """A complete study is read and left as it is."""
    result, _ = sweep(of_rates(2))
    write_tables(result.plan, sweep.store())
    before = contents(sweep.store())
    requests.clear()
    result, events = sweep(of_rates(2))
    write_tables(result.plan, sweep.store())
    assert ([], before) == (events.started, contents(sweep.store()))
    assert requests.keys() <= {"list_objects_v2", "get_object"}


def sweep_in_process(folder, bucket, study, variables, ends):
    os.environ.update(variables)  # of the bucket: the process that this is forked from has others
    try:
        result, events = S3Sweep(folder, bucket)(study)
    except Exception:
        ends.put((traceback.format_exc(), []))
        raise
    ends.put((result.is_complete, [work.training_id for work in events.started]))


def tables_of(study, store):
    """What a report of the records alone writes, by name."""
    plan = plan_as_recorded((study,), store, RUNTIME)
    write_tables(plan, store)
    folder = store.root / "tables/toy_study"
    return {name: folder.read(name) for name in folder.file_names() if name.endswith((".md", ".tex"))}


@pytest.mark.slow
def test_a_killed_sweep_and_two_that_go_on_at_once_come_to_what_one_does(sweep, tmp_path, s3_bucket):
    """The two share what is left; tables and curves are those of a folder that saw no kill."""
    gate = tmp_path / "gate"
    rows = [Row("held", {"waits_for": str(gate)})]
    rows += [Row(f"{place}", {"learning_rate": 0.2 + 0.01 * place, "epoch_s": 0.1}) for place in range(4)]
    study = a_study(rows)
    ends, variables = forks.Queue(), dict(os.environ)
    driver = forks.Process(target=sweep_in_process, args=(tmp_path, s3_bucket, study, variables, ends))
    driver.start()
    held = next(iter(plan_as_recorded((study,), sweep.store(), RUNTIME).trainings))
    wait_for(lambda: sweep.store().training(held).checkpoints.exists("resume.pt"))
    os.kill(driver.pid, signal.SIGKILL)
    driver.join()
    assert [1] == [report.epoch for report in sweep.store().training(held).epochs()]
    gate.touch()
    others = [
        forks.Process(target=sweep_in_process, args=(tmp_path / name, s3_bucket, study, variables, ends))
        for name in ("one", "two")
    ]
    for other in others:
        (tmp_path / f"{'one' if other is others[0] else 'two'}").mkdir()
        other.start()
    ended = [ends.get(timeout=PATIENCE_S) for _ in others]  # a traceback in place of the truth
    for other in others:
        other.join()
    assert 2 <= sweep.store().training(held).record().attempts
    assert [True, True] == [is_complete for is_complete, _ in ended]
    undisturbed = ToySweep(tmp_path / "undisturbed")
    (tmp_path / "undisturbed").mkdir()
    result, _ = undisturbed(study)
    started = Counter(identity for _, ids in ended for identity in ids)
    assert result.plan.trainings.keys() == started.keys()
    assert started.total() == len(started)
    stores = sweep.store(), undisturbed.store()
    assert tables_of(study, stores[1]) == tables_of(study, stores[0])
    for identity in result.plan.trainings:
        curves = [store.training(identity).folder.read("epochs.parquet") for store in stores]
        assert curves[1] == curves[0]
    assert [] == (stores[0].root / "claims").names()


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_told(s3_bucket):
    """By its name, before anything is planned; one that is there and empty is a new store."""
    assert not Store(f"{s3_bucket}/runs").is_there
    with pytest.raises(
        ValueError, match=r"^--store is .*s3://nobody-has/runs.*no bucket nobody-has; make it"
    ):
        Store("s3://nobody-has/runs")
