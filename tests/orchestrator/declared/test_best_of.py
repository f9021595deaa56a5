"""What a search has found, as the base of another study: kept on purpose, refused in words where it does not fit."""

import json

import pytest

from tablewright.orchestrator.declared.best_of import best_of
from tablewright.orchestrator.declared.found_config import FoundConfig, keep_found, place_of
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.project.project import Project, leave_project
from tablewright.orchestrator.project.study_loading import load_study
from tests.toy_method import ToyConfig

FOUND = FoundConfig(
    study="searching",
    search="rate",
    profile=None,
    search_id="a" * 64,
    method="toy",
    version=1,
    params={"learning_rate": 0.375, "network.embedding_size": 8, "network.attention.guidance": False},
    metric="map",
    value=0.8,
    declared_value=0.6,
    training_id="b" * 64,
    trained_at=None,
    num_trials={"complete": 4, "pruned": 2},
    num_epochs=14,
)
SEARCHING = '''"""Searches."""
from tablewright.orchestrator.declared.study import Study
from tests.orchestrator.toy_sweep import a_search
from tests.toy_method import ToyConfig


def make_study({parameter}):
    return Study("searching", "S", "mine", (0,), searches=[a_search(base=ToyConfig(epochs=5, seed=7))])
'''
TUNED = '''"""Starts from what was found."""
import tablewright as tw
from tests.orchestrator.toy_sweep import TEST
from tests.toy_method import ToyConfig
from tablewright.trainables.retrieval.view import MAP


def make_study({parameter}):
    base = {base}
    rows = [tw.Row("tuned"), tw.Row("wide", {{"network.embedding_size": 16}})]
    table = tw.Ablation("width", "Width", base, [tw.Dataset("Toy")], rows, TEST, [MAP])
    return tw.Study("tuned", "T", "mine", (0, 1), [table])
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a study that searches and one that starts from what it found."""
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield Project(tmp_path)
    leave_project()


def write(folder, *, parameter="", base='tw.best_of("searching", "rate")'):
    (folder / "search_spaces").mkdir(exist_ok=True)
    (folder / "search_spaces/searching.py").write_text(SEARCHING.format(parameter=parameter))
    (folder / "search_spaces/tuned.py").write_text(TUNED.format(parameter=parameter, base=base))


def test_a_study_starts_from_what_was_found(project):
    """Its base is the searched config with the values that were found, and without the search's own seed."""
    path = keep_found(FOUND, project.studies_folder)
    assert project.folder / "search_spaces/found/searching.rate.json" == path
    study = load_study("tuned", "demo", project)
    base = study.ablations[0].base
    assert (0.375, 8, False, 5, 0) == (
        base.learning_rate,
        base.network.embedding_size,
        base.network.attention.guidance,
        base.epochs,
        base.seed,
    )
    (found,) = study.starts_from
    assert found.is_in(base)
    assert not found.is_in(ToyConfig())
    assert ("searching", "rate", "1", 4, 0.8) == (
        found.study,
        found.search,
        found.version,
        found.num_complete,
        found.value,
    )


def test_each_profile_starts_from_what_was_found_in_it(project):
    """A study is declared for a profile, and so is what it starts from."""
    write(project.folder, parameter="profile")
    for profile, rate in ((Profile.DEMO, 0.3), (Profile.PAPER, 0.4)):
        found = FOUND.model_copy(update={"profile": profile, "params": {"learning_rate": rate}})
        assert f"{profile}/searching.rate.json" in str(keep_found(found, project.studies_folder))
    rates = [load_study("tuned", profile, project).ablations[0].base.learning_rate for profile in Profile]
    assert [0.3, 0.4] == rates
    assert 0.4 == best_of("searching", "rate", ToyConfig(), profile="paper").learning_rate
    with pytest.raises(ValueError, match=r"nothing says which is meant.*profile='demo' or profile='paper'"):
        best_of("searching", "rate", ToyConfig())


def test_what_is_kept_again_is_the_same_file(project):
    """Equal results give equal bytes, which can be read back, and a file under Git that does not change."""
    path = keep_found(FOUND, project.studies_folder)
    before = path.stat().st_mtime_ns
    assert path == keep_found(FOUND, project.studies_folder)
    assert before == path.stat().st_mtime_ns
    assert FoundConfig.model_validate_json(path.read_bytes()) == FOUND


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "mdpr"}, r"is of the method 'mdpr', and the base of 'toy'"),
        ({"params": {"learning_rat": 0.3}}, r"does not fit .*any more:\n.*did you mean learning_rate"),
        ({"params": {"network.attention.guidance": 3}}, r"guidance: True or False is needed; got 3"),
        (
            {"params": {"epochs": 2.5, "learning_rate": "a"}},
            r"learning_rate: a finite number .*\n.*epochs: a whole number",
        ),
        ({"search": "other"}, r"holds what searching/other has found"),
        ({"num_trials": None}, r"found/searching\.rate\.json: FoundConfig is refused:\n.*num_trials"),
        ({"colour": "red"}, r"no such field"),
        ({"params": {"learning_rate": [1]}}, r"(?s)FoundConfig is refused.*params"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_words(project, changes, message):
    """Another method's, another search's, a path that is gone, a value out of what the config allows, a broken file."""
    path = project.studies_folder / place_of("searching", "rate", None)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**json.loads(FOUND.content()), **changes}))
    with pytest.raises(ValueError, match=message):
        best_of("searching", "rate", ToyConfig())
    with pytest.raises(ValueError, match=r"search_spaces/tuned\.py:9: best_of\('searching', 'rate'\)"):
        load_study("tuned", "demo", project)


@pytest.mark.parametrize("content", ["", "{", '{"study": "searching",', "[]", "\0"])
def test_a_file_that_is_cut_off_is_refused_in_words(project, content):
    """Whatever is left of it, it is named with what to do."""
    path = keep_found(FOUND, project.studies_folder)
    path.write_text(content)
    with pytest.raises(ValueError, match=r"(?s)searching\.rate\.json: .*get it back from Git") as caught:
        best_of("searching", "rate", ToyConfig())
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ('tw.best_of("searching", "rate")', r"searching\.rate\.json is not there.*--keep-found"),
        ('tw.best_of("tuned", "rate", ToyConfig())', r"tuned\.rate\.json is not there"),
        ('tw.best_of("../searching", "rate")', r"the names of a study and of a search of it; .*file name"),
        ("tw.best_of(tw.Study, None)", r"the names of a study .*got the class Study.*got None"),
        ('tw.best_of("searching", "rate", profile="dem")', r"a profile is one of .*did you mean 'demo'"),
    ],
)
def test_what_was_not_kept_is_refused_with_the_commands_that_keep_it(project, base, message):
    """A search that has no best yet, or whose best nobody has kept, is no silent default."""
    write(project.folder, base=base)
    with pytest.raises(ValueError, match=message):
        load_study("tuned", "demo", project)


@pytest.mark.parametrize(
    ("found", "base", "message"),
    [
        ({"study": "tuned"}, 'tw.best_of("tuned", "rate")', r"tuned is being declared itself.*give it"),
        (
            {"search": "rat"},
            'tw.best_of("searching", "rat")',
            r"no search 'rat' any more; did you mean 'rate'",
        ),
        ({"study": "gone"}, 'tw.best_of("gone", "rate")', r"(?s)cannot be built.*no study 'gone'"),
        ({}, 'tw.best_of("searching", "rate", "demo")', r"base is a config.*got 'demo'; .*profile=…"),
    ],
)
def test_a_base_that_cannot_be_found_is_asked_for(project, found, base, message):
    """A study that asks for itself, a search or a study that is gone: the base must be given then."""
    keep_found(FOUND.model_copy(update=found), project.studies_folder)
    write(project.folder, base=base)
    with pytest.raises(ValueError, match=message):
        load_study("tuned", "demo", project)


def test_a_study_without_anything_found_says_nothing_of_it(project):
    """What another study has asked for is not said of this one."""
    keep_found(FOUND, project.studies_folder)
    load_study("tuned", "demo", project)
    assert () == load_study("searching", "demo", project).starts_from
