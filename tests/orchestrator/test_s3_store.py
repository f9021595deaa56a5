"""A store on S3, on a server of the test's own: what it costs in requests, kills, and two sweeps at once."""

from collections import Counter

import pytest
import s3fs

from tablewright.orchestrator import epoch_log
from tablewright.orchestrator.design import Sweep
from tablewright.orchestrator.records import Store
from tablewright.orchestrator.run import plan_as_recorded
from tablewright.orchestrator.status import read_status
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.run import Runtime
from tests.object_store import s3_bucket, s3_server  # noqa: F401
from tests.orchestrator.toy_sweep import ToySweep, a_study

RUNTIME = Runtime(None, "/cache")


class S3Sweep(ToySweep):
    """Runs studies on a store in a bucket."""

    def __init__(self, folder, bucket):
        super().__init__(folder)
        self.url = f"{bucket}/runs"

    def store(self):
        return Store(self.url)


@pytest.fixture
def sweep(tmp_path, s3_bucket):  # noqa: F811
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
    requests.clear()
    result, _ = sweep(of_rates(8))
    for_sweep = requests.total()
    assert result.is_complete
    requests.clear()
    sweep(of_rates(8))
    for_nothing = requests.total()
    assert for_sweep - for_nothing <= 6 * 25
    requests.clear()
    seen = sweep.store().listed()
    plan = plan_as_recorded((of_rates(8),), seen, RUNTIME)
    assert ["done"] * 8 == [status.state for status in read_status(plan, seen)]
    assert requests.total() <= 8 * 2 + 5
    assert requests.keys() <= {"list_objects_v2", "get_object"}


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
