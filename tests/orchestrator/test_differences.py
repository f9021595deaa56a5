"""In what two recorded trainings differ, read from a store alone."""

import json

import pytest

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.differences import compare_trainings
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.training_records import FailureRecord
from tests.orchestrator.toy_sweep import ToySweep, a_study
from tests.toy_method import ToyConfig


@pytest.fixture
def sweep(tmp_path):
    return ToySweep(tmp_path)


def trainings(result):
    """Training id by label."""
    return {item.label: identity for identity, item in result.plan.trainings.items()}


def told(found, group):
    return {item.name: item.text for item in {**found.causes, **found.outcome}[group]}


def rewrite(store, identity, **fields):
    """Replace fields of a record, and leave others out where None is given for them."""
    folder = store.training(identity)
    record = folder.record()
    folder.write_record(record.model_copy(update=fields))


@pytest.mark.slow
def test_a_config_is_compared_by_dotted_paths_and_its_seed_apart(sweep):
    """Of nested fields each is named; what is equal is said to be."""
    rows = [Row("full"), Row("unguided", {"network.attention.guidance": False, "learning_rate": 0.2})]
    result, _ = sweep(a_study(rows, seeds=(0, 1)))
    full, unguided = (
        next(identity for label, identity in trainings(result).items() if name in label and "seed 0" in label)
        for name in ("full", "unguided")
    )
    found = compare_trainings(sweep.store(), full[:8], unguided[:8])
    assert {"network.attention.guidance": "true → false", "learning_rate": "0.1 → 0.2"} == told(
        found, "config"
    )
    assert "Equal: seed, code, data, environment." == found.conclusion
    other_seed = next(
        identity for label, identity in trainings(result).items() if "full" in label and "seed 1" in label
    )
    found = compare_trainings(sweep.store(), full, other_seed)
    assert ({}, {"seed": "0 → 1"}) == (told(found, "config"), told(found, "seed"))


@pytest.mark.slow
def test_a_component_that_is_off_and_a_field_that_one_record_lacks_are_told(sweep):
    """A field that was added to the method since is absent, not null."""
    result, _ = sweep(a_study([Row("full"), Row("without", {"network.attention": None})]))
    full, without = result.plan.trainings
    store = sweep.store()
    config = store.training(full).record().config
    rewrite(store, full, config={name: value for name, value in config.items() if name != "epochs"})
    found = told(compare_trainings(store, full, without), "config")
    assert {'{"guidance": true, "num_attentions": 2} → null', "absent → 3"} == {*found.values()}
    assert {"network.attention", "epochs"} == {*found}


@pytest.mark.slow
def test_code_data_and_environment_are_compared(sweep):
    """Definitions by name, versions of packages, digests in eight digits."""
    result, _ = sweep(a_study([Row("one"), Row("two", {"learning_rate": 0.2})]))
    one, two = result.plan.trainings
    store = sweep.store()
    recorded = store.training(one).record()
    rewrite(
        store,
        two,
        method_version="ab" * 32,
        source={"a.py: new": "1", "a.py: same": "1", "a.py: other": "2"},
        git_commit="c" * 40,
        versions={**recorded.versions, "torch": "9", "scikit-learn": "1.5"},
        environment={"processor": "abacus"},
        data=recorded.data.model_copy(update={"fingerprint": "e" * 64, "num_images": {"train": 9}}),
    )
    rewrite(store, one, source={"a.py: gone": "1", "a.py: same": "1", "a.py: other": "1"})
    found = compare_trainings(store, one, two)
    code = told(found, "code")
    assert ("new", "removed", "changed") == tuple(code[f"a.py: {name}"] for name in ("new", "gone", "other"))
    assert "a.py: same" not in code
    assert "1 → abababab" == code["version"]
    assert {"fingerprint": "ffffffff → eeeeeeee", "images.train": "10 → 9"} == told(found, "data")
    environment = told(found, "environment")
    assert f"{recorded.versions['torch']} → 9" == environment["version of torch"]
    assert "absent → 1.5" == environment["version of scikit-learn"]
    assert environment["processor"].endswith(" → abacus")


@pytest.mark.slow
def test_every_metric_of_a_common_view_is_told(sweep):
    """With the difference; and what one alone was measured by."""
    result, _ = sweep(a_study([Row("one"), Row("two", {"learning_rate": 0.2})]))
    one, two = result.plan.trainings
    found = told(compare_trainings(sweep.store(), one, two), "metrics")
    assert {"test: map", "test: rank1", "test: rank5", "test: rank10", "test: minp"} == {*found}
    values = [
        next(iter(json.loads(path.read_text())["metrics"].values()))
        for identity in (one, two)
        for path in (sweep.folder / "trainings" / identity / "measurements").iterdir()
    ]
    assert f"{values[0]:.6g} → {values[1]:.6g} ({values[1] - values[0]:+.3g})" == found["test: map"]
    for path in (sweep.folder / "trainings" / two / "measurements").iterdir():
        path.unlink()
    found = told(compare_trainings(sweep.store(), one, two), "metrics")
    assert ["test"] == [*found]
    assert "the first alone was measured by this view" in found["test"]


@pytest.mark.slow
def test_records_of_methods_that_are_not_loaded_are_compared(sweep):
    """Their views are known by their fields, and nothing of their study is imported."""
    result, _ = sweep(a_study([Row("one"), Row("two", {"learning_rate": 0.2})]))
    one, two = result.plan.trainings
    for path in sweep.folder.glob("trainings/*/measurements/*.json"):
        content = json.loads(path.read_text())
        view = {"kind": "of a lost module", "split": "test", "crops": 10}
        kept = {name: value for name, value in content.items() if name not in ("sha256", "items_sha256")}
        path.write_text(json.dumps({**kept, "view": view}))
    for identity in (one, two):
        rewrite(sweep.store(), identity, method="lost", study="lost")
    found = told(compare_trainings(sweep.store(), one, two), "metrics")
    assert "test: map" in found


@pytest.mark.slow
def test_one_training_equals_itself(sweep):
    """And it is said that it is one."""
    result, _ = sweep(a_study([Row("one")]))
    (one,) = result.plan.trainings
    found = compare_trainings(sweep.store(), one[:6], one[:9])
    assert "Both are one training." == found.conclusion
    assert [()] * 5 == [*found.causes.values()]
    assert all(text.endswith("in both") for text in told(found, "metrics").values())


@pytest.mark.slow
def test_a_training_without_a_record_is_told_by_its_state(sweep):
    """What failed has its message; there is nothing to compare yet."""
    result, _ = sweep(a_study([Row("good"), Row("bad", {"fails_at_epoch": 2})]))
    good, bad = (item.training.training_id for item in result.statuses)
    found = compare_trainings(sweep.store(), good, bad)
    assert "failed, without a record: RuntimeError: loss is nan at epoch 2" in found.second.in_words
    assert "width: bad" in found.second.in_words
    assert {} == found.causes
    assert "once both have a record" in found.conclusion


@pytest.mark.slow
def test_a_beginning_must_be_that_of_one_training(sweep):
    """Unknown and ambiguous ones are told at once, with what was meant."""
    result, _ = sweep(a_study([Row("one")]))
    (one,) = result.plan.trainings
    store = sweep.store()
    alike = one[:20] + "0" * 44
    store.training(alike).write_failure(
        FailureRecord(training_id=alike, label="a twin", message="", traceback="", host="", failed_at=now())
    )
    misspelt = one[:5] + "zz" + one[7:9]
    with pytest.raises(ValueError, match="2 trainings begin with") as refused:
        compare_trainings(store, one[:8], misspelt)
    text = str(refused.value)
    assert (True, True) == ("a twin" in text, "width: one" in text)
    assert f"begins with {misspelt!r}. The nearest: {one[:12]}" in text
    with pytest.raises(ValueError, match="an id is empty"):
        compare_trainings(store, one, " ")


@pytest.mark.slow
def test_records_of_version_1_are_compared(sweep):
    """They lack checksums, fingerprints of splits and the kinds of views."""
    result, _ = sweep(a_study([Row("one"), Row("two", {"learning_rate": 0.2})], base=ToyConfig()))
    one, two = result.plan.trainings
    later = ("sha256", "files", "environment", "warnings", "source")
    path = sweep.folder / "trainings" / one / "record.json"
    content = {name: value for name, value in json.loads(path.read_text()).items() if name not in later}
    content["data"] = {
        name: content["data"][name] for name in ("name", "label", "fingerprint", "is_demo", "num_images")
    }
    path.write_text(json.dumps(content))
    for measured in (path.parent / "measurements").iterdir():
        content = json.loads(measured.read_text())
        later = ("sha256", "items_sha256", "table_sha256", "measured_on", "items", "num_measured", "left_out")
        kept = {name: value for name, value in content.items() if name not in later}
        kept["view"].pop("kind")
        measured.write_text(json.dumps(kept))
    found = compare_trainings(sweep.store(), one, two)
    assert {"learning_rate": "0.1 → 0.2"} == told(found, "config")
    assert "test: map" in told(found, "metrics")


@pytest.mark.slow
def test_machine_command_and_uncommitted_changes_are_told(sweep):
    """A diff is named by its file in the store, which says more than two commits do."""
    result, _ = sweep(a_study([Row("one"), Row("two", {"learning_rate": 0.2})]))
    one, two = result.plan.trainings
    store = sweep.store()
    for identity, name in ((one, "a"), (two, "b")):
        machine = {"gpus": f"GPU {name}", "processor": "the same"}
        rewrite(store, identity, machine=machine, command_line=f"sweep.py {name}", diff_sha256=name * 64)
    found = compare_trainings(store, one, two)
    assert "GPU a → GPU b" == told(found, "environment")["gpus"]
    assert "processor" not in told(found, "environment")
    assert "sweep.py a → sweep.py b" == told(found, "progress")["command"]
    both = told(found, "code")["uncommitted changes"]
    assert all(f"provenance/{name * 64}.diff" in both for name in "ab")
    rewrite(store, one, diff_sha256="")
    alone = told(compare_trainings(store, one, two), "code")["uncommitted changes"]
    assert f"the second alone had some: provenance/{'b' * 64}.diff in the store" == alone
