"""The verbs that read, run as a user runs them on a store that was filled in this process; no Ray is started."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.inline_backend import InlineBackend
from tablewright.orchestrator.run import run_sweep
from tablewright.orchestrator.store.store import Store
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.run import Runtime
from tests.toy_studies import ROOT, run, write_project
from tests.warm_command import run_warm

ROWS = '[Sweep("learning_rate", (0.1, 0.2))]'


def fill(folder):
    """Sweep the project's study here, and write its tables."""
    path = folder / "search_spaces/toy.py"
    spec = importlib.util.spec_from_file_location("toy_study", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    store = Store(str(folder / "runs"))
    result = run_sweep(
        [replace(module.make_study(Profile.DEMO), profile=Profile.DEMO)],
        store=store,
        runtime=Runtime(None, str(folder / "cache")),
        backend=InlineBackend(),
        search_storage=f"sqlite:///{folder}/optuna.db",
        listeners=lambda plan, statuses: [],
    )
    assert result.is_complete
    write_tables(result.plan, store)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A project whose store is filled; each test has a copy."""
    folder = tmp_path_factory.mktemp("filled")
    write_project(folder, rows=ROWS)
    fill(folder)
    return folder


@pytest.fixture
def project(filled, tmp_path):
    return shutil.copytree(filled, tmp_path / "project")


def table(folder, name="rates.md"):
    return (folder / "runs/tables/demo/toy" / name).read_text(encoding="utf-8")


def words(printed):
    return " ".join(printed.split())


@pytest.mark.slow
def test_a_paper_profile_is_read_without_its_data(project):
    """Tables and states need no data root; planning a sweep does."""
    for verb in ("--report", "--status", "--verify"):
        code, printed = run_warm(project, "toy", verb, "--profile", "paper")
        assert "needs the published data sets" not in printed
        assert 0 == code, printed
        assert (verb == "--report") == ("audit of toy: " in printed)
    assert 2 == run_warm(project, "toy", "--plan", "--profile", "paper")[0]


@pytest.mark.slow
def test_a_full_table_is_never_replaced_by_an_emptier_one_without_a_word(project):
    """A row that means another training now is told with what changed; the report keeps the files."""
    before = table(project)
    write_project(project, rows=ROWS, base="epochs=4")
    code, printed = run_warm(project, "toy", "--report")
    assert 1 == code
    assert (
        "toy/rates: 8 of 8 values that were in it are not there now: the config was changed since: epochs was 3, is 4"
        in words(printed)
    )
    assert (
        "its files are kept as they were; run the study without --report to fill it, or undo the change"
        in words(printed)
    )
    assert before == table(project)


@pytest.mark.slow
def test_a_store_that_cannot_be_written_to_is_read(project):
    """The tables are printed; which file could not be written is told, and the exit code says so."""
    shutil.rmtree(project / "runs/tables")
    (project / "runs/tables").write_text("no folder", encoding="utf-8")  # refuses root, too, unlike rights
    code, printed = run_warm(project, "toy", "--report")
    assert 1 == code
    assert "toy/rates: Learning rates" in words(printed)
    assert "not every file of the tables was written: cannot write" in words(printed), printed[-600:]
    assert 0 == run_warm(project, "toy", "--status")[0]


@pytest.mark.slow
def test_a_report_of_which_nothing_has_changed_says_the_same(project):
    """It is kept in the store and said again; a table file that is gone, or an edited study, is noticed."""
    said = run_warm(project, "toy", "--report")
    while not (
        project / "runs/reports"
    ).is_dir():  # what was recorded less than two seconds ago is not trusted
        said = run_warm(project, "toy", "--report")
    assert said == run_warm(project, "toy", "--report")
    before = table(project)
    (project / "runs/tables/demo/toy/rates.md").unlink()
    assert said == run_warm(project, "toy", "--report")
    assert before == table(project)
    study = project / "search_spaces/toy.py"
    study.write_text(study.read_text().replace("Learning rates", "Rates of learning"))
    assert "toy/rates: Rates of learning" in words(run_warm(project, "toy", "--report")[1])


@pytest.mark.slow
def test_a_table_that_was_written_for_fewer_seeds_says_what_it_had(project):
    """Asking for one seed writes a table of one seed; that there were more is told, and so is the way back."""
    code, printed = run_warm(project, "toy", "--report", "--seeds", "1")
    assert 0 == code
    assert (
        "toy/rates: 4 of 8 values that were in it (of seed 0) were not asked for now; its files were written without "
        "them; ask for them again (--seeds, --datasets) to have them back." in words(printed)
    )
    code, printed = run_warm(project, "toy", "--report")
    assert (0, False) == (code, "were not asked for now" in printed)


@pytest.mark.slow
def test_a_plan_says_what_its_seeds_can_find_and_what_further_ones_would_cost(tmp_path):
    """By a declared deviation before anything has trained; without one it says what is missing."""
    write_project(tmp_path, rows=ROWS, seeds="UntilDecided(3, 10)", more='deviation={"map": 0.01}')
    code, printed = run_warm(tmp_path, "toy", "--plan")
    assert 0 == code, printed
    assert "6 cells from 6 trainings" in words(printed)
    assert "at most 20 cells from 20 trainings." in words(printed)
    # Of two rows it is the paired t-test: 4.62 and 1.41 by the noncentral t distribution.
    assert "toy/rates: 3 seeds find 4.6 mAP, 10 find 1.4 (Toy), by the declared deviation." in words(printed)
    write_project(tmp_path, rows=ROWS, seeds="(0, 1, 2)")
    printed = run_warm(tmp_path, "toy", "--plan")[1]
    assert "How small a difference can be found is unknown for rates: no row has two seeds" in words(printed)


@pytest.mark.slow
def test_a_table_alone_is_named_behind_a_slash(project):
    """STUDY/TABLE writes that table and leaves the others' files; a misspelt one is told with those there are."""
    assert 0 == run_warm(project, "toy/rates", "--report")[0]
    code, printed = run_warm(project, "toy/rats", "--plan")
    assert 2 == code
    assert "toy has no table 'rats'; did you mean 'rates'? It has rates; write toy/TABLE" in words(printed)


@pytest.mark.slow
def test_damaged_files_are_listed_all_at_once(project):
    """--verify reads the whole store and names each with what it held; the exit code says so."""
    code, printed = run_warm(project, "--verify")
    assert (0, True) == (code, "4 trainings (4 finished), 4 measurements and 0 suggestions" in words(printed))
    one, two, *_ = sorted((project / "runs/trainings").iterdir())
    (one / "record.json").write_text("{", encoding="utf-8")
    (two / "epochs.parquet").write_bytes(b"PAR1")
    code, printed = run_warm(project, "--verify")
    assert 1 == code
    for phrase in (
        f"{one.name}/record.json is no JSON",
        f"{two.name}/epochs.parquet is no Parquet",
        "2 faults",
    ):
        assert phrase in words(printed)
    code, printed = run_warm(project, "toy", "--report")
    assert 1 == code
    assert "refused: in the store, trainings/" in words(printed)
    assert "| 0.2 |" in table(project)


@pytest.mark.slow
def test_a_record_edited_by_hand_is_no_number_of_a_table(project):
    """A measurement with another value than was measured is refused by its file."""
    (path, *_) = sorted((project / "runs/trainings").glob("*/measurements/*.json"))
    content = json.loads(path.read_text(encoding="utf-8"))
    content["metrics"]["map"] = 0.999
    path.write_text(json.dumps(content), encoding="utf-8")
    code, printed = run_warm(project, "toy", "--report")
    assert 1 == code
    assert "99.9" not in table(project)
    assert "was changed after it was written" in words(printed)


@pytest.mark.slow
def test_what_is_printed_needs_nobody_who_reads_on(project):
    """A pipe that is closed early ends nothing with an error."""
    command = f"{sys.executable} sweep.py toy --report | head -1"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (ended.returncode, ended.stderr)


@pytest.mark.slow
def test_a_terminal_of_ascii_gets_plain_signs_and_a_file_gets_marks(project):
    """Where output is no terminal, what is set in bold there is marked by signs."""
    code, printed = run(project, "toy", "--report", PYTHONIOENCODING="ascii", COLUMNS="80")
    assert 0 == code
    assert printed.isascii()
    assert "+-" in printed


@pytest.mark.slow
def test_accepting_without_a_change_is_refused(project):
    """There is nothing to be accepted, and nothing is written."""
    code, printed = run_warm(project, "toy", "--report", "--accept", "no reason")
    assert 2 == code
    assert "no record of these studies was made under another default" in words(printed)
    assert not (project / "runs/accepted").exists()
    code, printed = run_warm(project, "toy", "--plan", "--accept", "no reason")
    assert (2, True) == (code, "--accept is for a run or a --report" in words(printed))


@pytest.mark.slow
def test_two_trainings_are_compared_without_their_study(project):
    """--diff needs no study, stands alone, and takes the beginnings of ids."""
    found = sorted((project / "runs/trainings").iterdir())
    records = [json.loads((path / "record.json").read_text()) for path in found]
    one = records[0]
    other = next(
        item for item in records if item["config"]["learning_rate"] != one["config"]["learning_rate"]
    )
    ids = one["training_id"][:8], other["training_id"][:8]
    (project / "search_spaces/toy.py").unlink()
    code, printed = run_warm(project, "--diff", *ids)
    assert 0 == code, printed
    rates = f"{one['config']['learning_rate']} → {other['config']['learning_rate']}"
    assert f"learning_rate {rates}" in words(printed)
    assert "test: map" in printed
    code, printed = run_warm(project, "--diff", "zzzz", ids[0])
    assert (2, True) == (code, "none of the 4 trainings in" in words(printed)), printed
    code, printed = run_warm(project, "--verify", "--diff", *ids)
    assert (2, True) == (code, "--verify and --diff are given together" in words(printed))
    code, printed = run_warm(project, "toy", "--diff", *ids)
    assert (2, True) == (code, "takes no study; leave toy out" in words(printed))


@pytest.mark.slow
def test_mirror_fills_both_databases_from_the_records(project):
    """The study's tables are attached too."""
    code, printed = run_warm(project, "toy", "--mirror")
    assert 0 == code, printed
    assert "mlflow.db: 4 recorded trainings, 4 of them written." in words(printed)
    assert "optuna.db: 4 trials written." in words(printed)
    assert list((project / "runs/mlartifacts").rglob("rates.md"))


@pytest.mark.slow
def test_what_no_study_needs_is_shown_and_then_removed(project):
    """--gc looks alone, --yes removes, --trainings takes whole ones; the report after it is the report before."""
    before = table(project)
    write_project(project, rows='[Sweep("learning_rate", (0.1,))]')
    cache = ("--cache-dir", str(project / "cache"))  # which other projects on this machine do not share
    images = project / "cache/images" / f"16x8-{'0' * 24}.npy"
    images.parent.mkdir(parents=True)
    images.touch()
    code, printed = run_warm(project, "--gc", *cache)
    assert 0 == code, printed
    assert "final checkpoints of trainings that no study names (their numbers stay) 2 0.0" in words(printed)
    assert "would be removed; nothing was. Give --yes too" in words(printed)
    assert "used within 30 days, stay, as another project" in words(printed)
    assert 4 == len(list(project.glob("runs/trainings/*/checkpoint/final.pt")))
    code, printed = run_warm(project, "all", "--gc", "--yes", *cache)
    assert (0, True) == (code, "Removed 2 files, 0.0 MB" in words(printed)), printed
    assert images.exists()
    assert 2 == len(list(project.glob("runs/trainings/*/checkpoint/final.pt")))
    write_project(project, rows=ROWS)
    assert 0 == run_warm(project, "toy", "--report")[0]
    assert before == table(project)
    code, printed = run_warm(project, "--gc", "--images", "--yes", *cache)
    assert (0, False) == (code, images.exists()), printed


@pytest.mark.slow
def test_what_is_needed_must_be_known_before_anything_is_removed(project):
    """A study that cannot be built refuses all, with its line; so do options that hide a part of the studies."""
    (project / "search_spaces/broken.py").write_text("1 / 0\n", encoding="utf-8")
    code, printed = run_warm(project, "--gc", "--yes", "--trainings")
    assert 2 == code
    assert "nothing is removed: search_spaces/broken.py:1: ZeroDivisionError" in words(printed)
    for arguments, phrase in (
        (("toy", "--gc", "--seeds", "1"), "leave toy, --seeds out"),
        (("toy", "--yes"), "--yes belongs to --gc"),
        (("--gc", "--verify"), "--verify and --gc are given together"),
    ):
        code, printed = run_warm(project, *arguments)
        assert (2, True) == (code, phrase in words(printed)), printed
    assert 4 == len(list(project.glob("runs/trainings/*/checkpoint/final.pt")))


@pytest.mark.slow
def test_the_verbs_of_one_training_say_what_they_do_and_what_they_refuse(project):
    """Its log is printed; what is done is not cancelled; what does not go together, or is not there, is told."""
    record = next((project / "runs/trainings").iterdir())
    (record / "output.txt").write_text("loss is 0.25 [b]now[/b]\n", encoding="utf-8")
    code, printed = run_warm(project, "--log", record.name[:8])
    assert (0, True, True) == (code, "loss is 0.25 [b]now[/b]\n" in printed, "done: begun at" in printed)
    code, printed = run_warm(project, "toy", "--cancel", "rates: 0.1 [Toy] seed 0", "--cancel", "rates: 0.7")
    assert 2 == code
    assert "no training has an id or a label that begins with 'rates: 0.7'" in words(printed)
    code, printed = run_warm(project, "--cancel", "rates: 0.1 [Toy] seed 0")  # no study: all of the project
    assert (2, True) == (code, "is trained, and its record stands" in words(printed))
    code, printed = run_warm(project, "toy", "--cancel", record.name, "--plan")
    assert (2, True) == (code, "--plan and --cancel are given together" in words(printed))
