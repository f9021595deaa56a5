"""A method of one's own whose code changes: nothing is mixed unless it was accepted, rows and searches alike."""

import importlib.util
import itertools
import json
import sys

import pytest

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.acceptance import accept_changed_defaults
from tablewright.orchestrator.plans.planning import plan_as_recorded, plan_with_data
from tablewright.orchestrator.plans.source_changes import (
    find_source_changes,
    tell_changes_under_one_version,
    tell_source_changes,
)
from tablewright.orchestrator.store.accepted_change import AcceptedChange
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.verify import verify_store
from tablewright.reports.frame import read_cells
from tablewright.trainables.contract.run import Runtime
from tests.orchestrator.toy_sweep import StopAfter, ToySweep, a_search, a_study
from tests.toy_method import ToyConfig, ToyTrainable


class CodedConfig(ToyConfig):
    """The toy method as one that has code of its own."""

    METHOD = "coded"
    VERSION = "1" * 64

    def make_trainable(self):
        return Coded()


class Coded(ToyTrainable):
    """Other code takes other steps."""

    def definitions(self):
        return {"coded.py: fit": CodedConfig.VERSION, "coded.py: Net": "the same"}

    def project_folder(self):
        return "/"

    def fit(self, config, runtime, checkpoints, hooks):
        return super().fit(
            config.model_copy(update={"own_noise": int(CodedConfig.VERSION[0])}), runtime, checkpoints, hooks
        )


@pytest.fixture
def sweep(tmp_path):
    return ToySweep(tmp_path)


@pytest.fixture
def code(monkeypatch):
    """Changes the method's code."""
    return lambda number: monkeypatch.setattr(CodedConfig, "VERSION", str(number) * 64)


def a_coded_search():
    return Study("s", "S", "nowhere", (5,), searches=[a_search(base=CodedConfig())])


def plan_of(sweep, study):
    return plan_with_data([study], sweep.store(), Runtime(None, str(sweep.folder / "cache")))


def accept(sweep, study, reason="moves nothing"):
    store = sweep.store()
    plan = plan_as_recorded([study], store, Runtime(None, str(sweep.folder / "cache")))
    return accept_changed_defaults(plan, store, reason)


def suggestions(sweep):
    """Training ids by search, in the order of the suggestions."""
    store = sweep.store()
    return {
        identity: [trial.training_id for trial in store.search_trials(identity)]
        for identity in store.search_ids()
    }


def versions(sweep, ids):
    return [sweep.store().training(identity).record().method_version[0] for identity in ids]


@pytest.mark.slow
def test_a_search_of_changed_code_begins_anew(sweep, code):
    """It is told what is left behind; no suggestion, no value and no training of the old code is in it."""
    study = a_coded_search()
    sweep(study)
    (before,) = suggestions(sweep).values()
    code(2)
    plan = plan_of(sweep, study)
    (state,) = plan.searches.values()
    assert "0 of 6 trials made; it begins anew, as 6 were made by other code of its method" == str(state)
    (told,) = tell_source_changes(find_source_changes(plan, sweep.store()))
    # Six suggestions, and the declared config with the study's seed.
    assert told.startswith(
        "coded: its code was changed since 7 recorded trainings of these configs: coded.py: fit."
    )
    result, _ = sweep(study)
    after = next(ids for ids in suggestions(sweep).values() if ids != before)
    assert (6, set()) == (len(after), {*before} & {*after})
    assert ["2"] * 6 == versions(sweep, after)
    assert {"2"} == {*versions(sweep, [cell.training_id for cell in result.plan.cells])}
    assert "finished with 6 trials" == str(next(iter(plan_of(sweep, study).searches.values())))
    assert [] == find_source_changes(plan_of(sweep, study), sweep.store())


@pytest.mark.slow
def test_a_search_whose_changed_code_is_accepted_goes_on(sweep, code):
    """What was suggested and measured stays; further suggestions are made by the code as it is; and back again."""
    study = a_coded_search()
    sweep(study, backend=StopAfter(9))
    ((identity, before),) = suggestions(sweep).items()
    done = [one for one in before if sweep.store().training(one).is_done()]
    code(2)
    assert 1 == len(accept(sweep, study))
    result, _ = sweep(study)
    assert result.is_complete
    assert [identity] == [*suggestions(sweep)]
    after = suggestions(sweep)[identity]
    assert (6, done) == (len(after), after[: len(done)])
    assert ["1"] * len(done) + ["2"] * (6 - len(done)) == versions(sweep, after)
    assert () == verify_store(sweep.store(), result.plan).faults
    code(1)  # changed back: what was accepted as equal is equal in both directions
    plan = plan_of(sweep, study)
    assert "finished with 6 trials" == str(next(iter(plan.searches.values())))
    _, events = sweep(study)
    assert [] == events.started


@pytest.mark.slow
def test_a_search_alone_has_its_changed_code_accepted(sweep, code):
    """Also where no row of a table is recorded under the old code."""
    study = a_coded_search()
    sweep(study, backend=StopAfter(30))
    for identity in sweep.store().training_ids():
        path = sweep.folder / "trainings" / identity / "record.json"
        if path.exists() and json.loads(path.read_text())["config"]["seed"] == 5:
            path.unlink()
    code(2)
    (change,) = accept(sweep, study)
    assert ("1" * 64, "2" * 64) == (change.recorded, change.planned)
    (state,) = plan_of(sweep, study).searches.values()
    assert (6, ()) == (state.num_made, state.by_other_code)


@pytest.mark.slow
def test_what_was_accepted_step_by_step_is_accepted(sweep, code):
    """Code 1 for 2 and 2 for 3 is 1 for 3; every reason stands below the table. What was not is trained again."""
    study = a_study([Row("one")], base=CodedConfig())
    sweep(study)
    for number in (1, 2):
        sweep.store().write_accepted_change(
            AcceptedChange(
                method="coded",
                version=str(number + 1) * 64,
                path="(code)",
                recorded=str(number) * 64,
                planned=str(number + 1) * 64,
                reason=f"reason {number}",
                accepted_by="somebody",
                accepted_at=now(),
            )
        )
    code(3)
    plan = plan_of(sweep, study)
    frame = read_cells(plan, sweep.store())
    assert {"done"} == {*frame["state"]}
    assert (True, True) == tuple(f"reason {number}" in frame.loc[0, "accepted"] for number in (1, 2))
    code(4)
    plan = plan_of(sweep, study)
    assert {"missing"} == {*read_cells(plan, sweep.store())["state"]}
    assert 1 == len(find_source_changes(plan, sweep.store()))


HERS = """
from tests.toy_method import ToyConfig, ToyTrainable


class Trainable(ToyTrainable):
    def fit(self, config, runtime, checkpoints, hooks):
        factor = BODY
        return super().fit(config, runtime, checkpoints, hooks)


class Hers(ToyConfig):
    METHOD = "hers"
    VERSION = NUMBER

    def make_trainable(self):
        return Trainable()
"""


@pytest.mark.slow
def test_a_network_outside_this_program_whose_version_was_not_raised_is_told(sweep, tmp_path, monkeypatch):
    """Which definitions, and since how many trainings; comments are no change, and a raised VERSION trains again."""
    numbers = itertools.count()

    def study(body, version=1):
        (tmp_path / "hers.py").write_text(HERS.replace("BODY", body).replace("NUMBER", str(version)))
        spec = importlib.util.spec_from_file_location(f"hers_{next(numbers)}", tmp_path / "hers.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return a_study([Row("one"), Row("two", {"learning_rate": 0.3})], base=module.Hers())

    sweep(study("1"))
    assert [] == tell_changes_under_one_version(plan_of(sweep, study("1  # a comment")), sweep.store())
    (told,) = tell_changes_under_one_version(plan_of(sweep, study("2")), sweep.store())
    assert told.startswith(
        "hers: its code was changed since 2 recorded trainings of these configs, and its VERSION was"
    )
    assert "hers.py: Trainable. They are shown as they are" in told
    raised = plan_of(sweep, study("2", version=2))
    assert [] == tell_changes_under_one_version(raised, sweep.store())
    assert not any(sweep.store().training(identity).is_done() for identity in raised.trainings)
