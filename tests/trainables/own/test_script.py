"""A script as a method: run, ended, tried before, and known by the code that it is made of."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psutil
import pytest

from tablewright.orchestrator.attempts.training_output import kept_output
from tablewright.orchestrator.attempts.trial import run_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.declared.search import Objective
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.run import FINAL_CHECKPOINT, FitHooks, Runtime, TrainingStopped
from tablewright.trainables.own import script as script_of_own
from tablewright.trainables.own import script_folder, script_process
from tablewright.trainables.own.script_folder import OutFolder, opened_out
from tablewright.trainables.own.script_process import ScriptFailed
from tablewright.trainables.own.script_results import ScriptResults
from tablewright.trainables.value.refusal import Refusal
from tests.waiting import wait_for

TOP1 = Metric("top1", "Top-1")


# -- running one ----------------------------------------------------------------------------------

STUDY = """
import tablewright as tw

@tw.script({command!r}, metrics=[{metrics}], data=tw.Data("None"), {more})
class {name}(tw.Config):
    {fields}
"""

PARSED = """
import argparse, json, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--seed", type=int)
parser.add_argument("--out", type=pathlib.Path)
parser.add_argument("--resume", type=pathlib.Path)
given = parser.parse_args()
"""
WRITES = '(given.out / "metrics.json").write_text(json.dumps({"top1": given.lr}))\n'
NAMES = count()


@pytest.fixture
def project(tmp_path):
    """Writes a script and its study below a path with blanks, and gives its config's class."""
    folder = tmp_path / "a b"
    folder.mkdir()

    def write(
        body=WRITES,
        *,
        command="python train.py {flags} --seed {seed} --out {out}",
        more="",
        fields="lr: float = 0.5",
        metrics="tw.Metric('top1', 'Top-1')",
    ):
        (folder / "train.py").write_text(PARSED + textwrap.dedent(body))
        name = f"Script{next(NAMES)}"
        (folder / f"{name}.py").write_text(
            STUDY.format(command=command, more=more, name=name, fields=fields, metrics=metrics)
        )
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return getattr(module, name)

    return write


@pytest.fixture
def training(tmp_path):
    """A folder of one training in a store."""
    return Store(str(tmp_path / "a b/runs")).training("0" * 64)


def fit(config, training, *, until=lambda: False, reports=None, cache_dir="", every_s=1e9):
    """Run it, told to stop once a condition holds."""
    runtime = Runtime(None, str(cache_dir), checkpoint_every_s=every_s)
    with kept_output(training, str(cache_dir), 0) as output:
        hooks = FitHooks(
            lambda report, _: None if reports is None else reports.append(report), until, printed=output.write
        )
        return config.make_trainable().fit(config, runtime, training.checkpoints, hooks)


def out_of(training):
    """`{out}` of a training in a local store."""
    return Path(training.checkpoints.beside.url) / "out"


def test_a_line_of_progress_serves_a_search_with_what_it_has(project):
    """A metric that it has not, or not as a number that can be compared, is passed over."""
    trainable, view = project()().make_trainable(), project().view("val")
    for value, text in ((0.5, '{"val_top1": 0.5}'), (0.5, '{"val": {"top1": 0.5}, "loss": NaN}')):
        assert value == trainable.value_told(ScriptResults(json.loads(text)), view, TOP1)
    for text in (
        '{"loss": 1}',
        '{"val_top1": NaN}',
        '{"val_top1": "0.5"}',
        '{"top1": 0.5}',
        '{"val_top1": 1e999}',
    ):
        assert trainable.value_told(ScriptResults(json.loads(text)), view, TOP1) is None


@pytest.mark.slow
def test_what_it_leaves_is_measured_and_kept(project, training):
    """Its folder and what it printed stay; measuring again needs neither."""
    config = project("print('hello', given.seed)\n" + WRITES)(seed=4, lr=0.25)
    results = fit(config, training)
    trainable, view = config.make_trainable(), type(config).view()
    assert 0.25 == trainable.measure([(config, results)], view).metrics["top1"]
    assert "hello 4\n" == (out_of(training).parent / "output.txt").read_text()
    (out_of(training) / "metrics.json").unlink()
    again = trainable.load(config, Runtime(None, ""), training.checkpoints)
    assert results == again
    assert ["checkpoint", "out", "output.txt"] == sorted(
        path.name for path in out_of(training).parent.iterdir()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            "raise ValueError('lr is bad')",
            r"ended with exit code 1: ValueError: lr is bad\nBefore that:\nTraceback",
        ),
        ("sys.exit(3)", "ended with exit code 3, and printed nothing"),
        ("os.kill(os.getpid(), 11)", r"was ended by signal 11 \(SIGSEGV\)"),
        ("os.kill(os.getpid(), 9)", r"was ended by signal 9 \(SIGKILL\), as a machine does that runs out"),
    ],
)
def test_a_failure_is_told_in_its_last_words(project, training, body, fault):
    """How it ended first, then what it said of it."""
    with pytest.raises(ScriptFailed, match=fault):
        fit(project(body)(), training)
    assert not training.checkpoints.exists(FINAL_CHECKPOINT)


@pytest.mark.slow
def test_a_message_repeats_nothing_and_holds_no_control_characters(project, training):
    """The last line stands at its top alone; what a terminal would act on is shown as code writes it."""
    body = "os.write(1, b'\\x1b]0;title\\x07\\xff\\x00 tab\\tends\\nboom\\n'); sys.exit(7)"
    with pytest.raises(ScriptFailed) as failed:
        fit(project(body)(), training)
    first, *rest = str(failed.value).split("\n")
    assert first.endswith("ended with exit code 7: boom")
    assert ["Before that:", "\\x1b]0;title\\x07\\xff\\x00 tab\tends"] == rest


@pytest.mark.slow
def test_results_that_cannot_be_used_are_no_training(project, training):
    """Nothing is kept of a script that ended well without its metrics, so that the next run tries it again."""
    with pytest.raises(ValueError, match=r"left no metrics\.json in \{out\}; there is nothing"):
        fit(project("")(), training)
    with pytest.raises(ValueError, match="'top1' of the test split"):
        fit(project(WRITES.replace("top1", "other"))(), training)
    for written in ('{"top1": NaN}', '{"val_top1": 0.5}', '{"top1": 94.2}', '{"top1": 0.5, "val_top1": NaN}'):
        with pytest.raises(ValueError, match="top1"):
            fit(project(f"(given.out / 'metrics.json').write_text({written!r})")(), training)
        assert not training.checkpoints.exists(FINAL_CHECKPOINT)


CHECKPOINTED = """
last, first = given.out / "last.txt", 1
if given.resume:
    first = int(given.resume.read_text()) + 1
for epoch in range(first, 5):
    with (given.out / "p.jsonl").open("a") as file:
        print(json.dumps({"epoch": epoch, "val_top1": epoch / 10}), file=file)
    last.write_text(str(epoch))
    while epoch == 2 and not (given.out.parent / "go on").exists():
        time.sleep(0.01)
print("from", first)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("resume", "goes_on_at"),
    [("'--resume {out}/last.txt'", 3), ("'--resume={out}/last.txt'", 3), ("None", 1)],
)
def test_a_stopped_training_goes_on_or_begins_again(project, training, resume, goes_on_at):
    """By the words that it is told with, from a file that is there; each epoch is told once of those that it trains."""
    config = project(CHECKPOINTED + WRITES, more=f"progress_file='p.jsonl', resume={resume}")()
    reports, again = [], []
    with pytest.raises(TrainingStopped):
        fit(config, training, until=lambda: len(reports) == 2, reports=reports)
    (out_of(training).parent / "go on").touch()
    fit(config, training, reports=again)
    assert [1, 2] == [report.epoch for report in reports]
    assert list(range(goes_on_at, 5)) == [report.epoch for report in again]
    output = (out_of(training).parent / "output.txt").read_text()
    assert output.endswith(f"from {goes_on_at}\n")
    assert "KeyboardInterrupt" in output  # of the first attempt, whose output stays


@pytest.mark.slow
def test_one_that_looks_into_its_folder_by_itself_finds_it_as_it_was(project, training):
    """`resume=""` empties nothing and adds no word."""
    body = "(given.out / 'n').open('a').write('x')\nassert (given.out / 'n').stat().st_size > 1, 'first'\n"
    config = project(body + WRITES, more="resume=''")()
    with pytest.raises(ScriptFailed, match="AssertionError: first"):
        fit(config, training)
    fit(config, training)


@pytest.mark.slow
def test_an_empty_folder_is_no_beginning(project, training):
    """A script that is told to go on from its folder is not, until something is in it."""
    body = "assert not given.resume, 'told'\n" + WRITES + "sys.exit(3)"
    config = project(body, more="resume='--resume {out}'")()
    with pytest.raises(ScriptFailed, match="ended with exit code 3"):
        fit(config, training)
    with pytest.raises(ScriptFailed, match="AssertionError: told"):
        fit(config, training)


@pytest.mark.slow
def test_what_was_edited_while_it_ran_is_no_training(project, training):
    """Nothing is kept of it, not even what another attempt could go on from; a file in a folder is an edit too."""
    training.checkpoints.beside.local_path.parent.parent.parent.joinpath("conf").mkdir(parents=True)
    body = "import pathlib\npathlib.Path('conf/new.yaml').write_text('x')\n(given.out / 'last').touch()\n"
    config = project(body + WRITES, more="sources=['conf'], resume='--resume {out}/last'")
    with pytest.raises(ValueError, match=r"edited while it ran \(conf/new\.yaml\)"):
        fit(config(), training)
    assert not training.checkpoints.exists(FINAL_CHECKPOINT)
    assert [] == [*out_of(training).iterdir()]


@pytest.mark.slow
def test_lines_that_are_known_at_once_are_told_at_once(project, training):
    """However fast it writes; whoever ends the training is asked between them."""
    lines = "(given.out / 'p.jsonl').write_text('{}\\n' * 500)\n"
    config = project(lines + WRITES, more="progress_file='p.jsonl'")()
    told, num_written = [], []

    @contextmanager
    def together():
        yield
        num_written.append(len(told))

    hooks = FitHooks(lambda report, _: told.append(report.epoch), lambda: False, together)
    config.make_trainable().fit(config, Runtime(None, ""), training.checkpoints, hooks)
    assert list(range(1, 501)) == told
    assert {0, 500} >= {*num_written}
    training.checkpoints.remove(FINAL_CHECKPOINT)
    waits = lines + "while True: time.sleep(0.05)\n"
    config, told = project(waits, more="progress_file='p.jsonl'")(), []
    hooks = FitHooks(lambda report, _: told.append(report.epoch), lambda: len(told) == 3)
    with pytest.raises(TrainingStopped):
        config.make_trainable().fit(config, Runtime(None, ""), training.checkpoints, hooks)


def tried(config, store, *, is_watched=True):
    """The outcome of an attempt in a search that stops hopeless trials, and what it saw of each epoch."""
    data = config.make_trainable().describe_data(config, Runtime(None, ""))
    watch = Objective(TOP1, config.view("val")) if is_watched else None
    work, told = Work("0" * 64, config, data, {}, "a trial", "a study", watch), []
    outcome = run_trial(work, store, Runtime(None, ""), TrialHooks(told.append, lambda: False))
    return outcome, {progress.report.epoch: progress.watched for progress in told}


@pytest.mark.slow
@pytest.mark.filterwarnings("always::UserWarning")
def test_a_search_passes_over_epochs_that_tell_it_nothing(project, tmp_path):
    """Their curves are kept; what a search compares is what is there, and no line is too odd."""
    lines = [
        '{"loss": 1}',
        '{"val_top1": 0.2}',
        '{"val_top1": NaN}',
        "half {",
        '{"epoch": "4/5", "val_top1": 0.4}',
    ]
    body = f"(given.out / 'p.jsonl').write_text({chr(10).join([*lines, ''])!r})\n"
    store = Store(str(tmp_path / "runs"))
    outcome, watched = tried(project(body + WRITES, more="progress_file='p.jsonl'")(), store)
    assert "done" == outcome.state
    assert {1: None, 2: 0.2, 3: None, 4: 0.4} == watched
    assert [1, 2, 3, 4] == [report.epoch for report in store.training("0" * 64).epochs()]
    for part in ("no JSON objects", "val_top1 = nan", "epoch = '4/5'"):
        assert part in outcome.message


@pytest.mark.slow
@pytest.mark.filterwarnings("always::UserWarning")
def test_a_search_to_which_no_epoch_tells_anything_is_told_so(project, tmp_path):
    """At the end, as nothing was stopped; the training is kept."""
    body = "(given.out / 'p.jsonl').write_text('{\"loss\": 1}\\n' * 3)\n"
    config, store = project(body + WRITES, more="progress_file='p.jsonl'")(), Store(str(tmp_path / "runs"))
    outcome, _ = tried(config, store)
    assert "done" == outcome.state
    assert "tell val_top1 in some, or search without a pruner" in outcome.message
    outcome, watched = tried(config, store, is_watched=False)
    assert ("done", {}) == (outcome.state, watched)


LEAVES_CHILDREN = """
import signal, subprocess
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: None)
waits = [sys.executable, "-c", "import time; time.sleep(600)"]
# As the workers of torchrun, some in a session of their own, which no signal to a group reaches.
children = [subprocess.Popen(waits, start_new_session=apart) for apart in {False, sys.platform == "linux"}]
(given.out / "pids").write_text(" ".join(str(pid) for pid in [os.getpid(), *(child.pid for child in children)]))
(given.out / "ready").touch()
"""
STUBBORN = LEAVES_CHILDREN + "time.sleep(600)\n"


def are_gone(out):
    """Whether the script and its children have ended."""
    return not any(psutil.pid_exists(int(pid)) for pid in (out / "pids").read_text().split())


@pytest.mark.slow
def test_one_that_hears_no_signal_is_ended_with_all_that_it_started(project, training, monkeypatch):
    """SIGINT, SIGTERM, SIGKILL, each after a time of grace."""
    monkeypatch.setattr(script_process, "INTERRUPT_GRACE_S", 0.2)
    monkeypatch.setattr(script_process, "TERMINATE_GRACE_S", 0.2)
    out = out_of(training)
    with pytest.raises(TrainingStopped):
        fit(project(STUBBORN)(), training, until=(out / "ready").exists)
    wait_for(lambda: are_gone(out))


@pytest.mark.slow
def test_what_a_script_leaves_running_ends_with_it(project, training):
    """It could write into the folder of the next attempt."""
    fit(project(LEAVES_CHILDREN + WRITES)(), training)
    wait_for(lambda: are_gone(out_of(training)))


@pytest.mark.slow
def test_nothing_outlives_who_started_it(project, training):
    """Even where that is killed without a word: the next attempt has the folder for itself."""
    config, out = project(STUBBORN)(), out_of(training)
    worker = os.fork()
    if not worker:
        fit(config, training)
        os._exit(0)
    wait_for((out / "ready").exists)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    wait_for(lambda: are_gone(out))


@pytest.mark.slow
def test_two_attempts_do_not_share_a_folder(project, training):
    """The second waits for the first, and takes its results for its own."""
    body = "while not (given.out.parent / 'go on').exists(): time.sleep(0.01)\n(given.out / 'n').open('a').write('x')\n"
    config, found = project(body + WRITES)(), []
    both = [threading.Thread(target=lambda: found.append(fit(config, training))) for _ in range(2)]
    for one in both:
        one.start()
    wait_for(out_of(training).exists)
    time.sleep(0.3)  # long enough for a second script to have begun, were there one
    (out_of(training).parent / "go on").touch()
    for one in both:
        one.join()
    assert found[0] == found[1]
    assert "x" == (out_of(training) / "n").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody can look who has a file open")
def test_an_attempt_says_for_whom_it_waits(training, tmp_path, monkeypatch, caplog):
    """By its process, which somebody may have to end."""
    monkeypatch.setattr(script_folder, "TELL_AFTER_S", 0.0)
    monkeypatch.setattr(script_folder, "WAIT_POLL_S", 0.01)
    with opened_out(training.checkpoints, Runtime(None, ""), lambda: False) as out:
        held_on = subprocess.Popen(["sleep", "600"], pass_fds=[out.lock])
    try:
        with (
            pytest.raises(TrainingStopped),
            opened_out(training.checkpoints, Runtime(None, ""), lambda: bool(caplog.messages)),
        ):
            pass
        assert f"process {held_on.pid} of this machine" in caplog.text
    finally:
        held_on.kill()
        held_on.wait()


@pytest.mark.slow
def test_files_that_come_and_go_are_no_fault(tmp_path):
    """While a script writes and removes checkpoints, its folder is looked at."""
    out, rounds = OutFolder(tmp_path, 0, None), 300

    def write():
        for number in range(rounds):
            folder = tmp_path / f"checkpoint-{number}/weights"
            folder.mkdir(parents=True)
            (folder / "w").touch()
            shutil.rmtree(folder.parent)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        assert all(name.endswith("/w") for name in out.stamps())


@pytest.mark.slow
def test_one_that_hangs_is_ended(project, training):
    """It has neither printed nor changed a file for so long; a change of a file is a sign of life."""
    alive = "for n in range(9): (given.out / 'n').write_text(str(n)); time.sleep(0.3)\n"
    fit(project(alive + WRITES, more="silent_limit_s=2")(), training)
    training.checkpoints.remove(FINAL_CHECKPOINT)
    with pytest.raises(ScriptFailed, match=r"neither printed anything nor changed a file in \{out\} for 2 s"):
        fit(project("print('begun'); time.sleep(600)", more="silent_limit_s=2")(), training)


@pytest.mark.slow
def test_a_script_that_changes_while_a_sweep_runs_is_seen_to(project, training):
    """It is read anew; a comment is no change."""
    config = project()()
    train = Path(config.make_trainable().project_folder()) / "train.py"
    train.write_text(train.read_text() + "# a comment\n")
    assert config.make_trainable().definitions() == config.make_trainable().definitions_now()
    train.write_text(train.read_text() + "late = 1\n")
    trainable = config.make_trainable()
    assert ["train.py: late"] == [*trainable.definitions_now().keys() - trainable.definitions().keys()]


@pytest.mark.slow
def test_an_object_store_has_what_another_machine_needs(project, tmp_path):
    """The folder is brought there when a checkpoint is due and at the end, and fetched where it goes on."""
    training = Store("memory://scripts/runs").training("1" * 64)
    config = project(
        CHECKPOINTED + WRITES, more="progress_file='p.jsonl', resume='--resume {out}/last.txt'"
    )()
    reports, again, here, there = [], [], tmp_path / "here", tmp_path / "there"
    with pytest.raises(TrainingStopped):
        fit(config, training, until=lambda: len(reports) == 2, reports=reports, cache_dir=here, every_s=0)
    stored = training.checkpoints.beside / "out"
    assert {"last.txt", "p.jsonl"} <= {*stored.file_names()}
    digest = next((here / "scripts").iterdir()).name
    (there / "scripts" / digest).mkdir(parents=True)
    (there / "scripts" / digest / "go on").touch()
    fit(config, training, reports=again, cache_dir=there)
    assert [3, 4] == [report.epoch for report in again]
    assert {"last.txt", "p.jsonl", "metrics.json"} == {*stored.file_names()}


# -- trying it ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_flag_that_the_script_does_not_know_is_found_by_check(project):
    """With the one that was meant; one that it knows passes."""
    known = project()()
    known.make_trainable().check(known, Runtime(None, ""))
    other = project(fields="lr: float = 0.5\n    sed: int = 1")()
    with pytest.raises(ValueError, match="--help names no --sed; did you mean '--seed'"):
        other.make_trainable().check(other, Runtime(None, ""))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "more", "fault"),
    [
        (
            "python train.py {flags} {seed} --out {out}",
            "check='--dry'",
            "exit code 2: .*unrecognized arguments: ",
        ),
        ("not_a_program {flags} {seed} {out} train.py", "", "not_a_program could not be started"),
        ("not_a_program {config_json} {out} train.py", "", "not_a_program is not there"),
    ],
)
def test_a_command_that_cannot_be_run_is_found_by_check(project, command, more, fault):
    """A program that is not there, and one that refuses what it is given."""
    config = project(command=command, more=more)()
    with pytest.raises((ScriptFailed, ValueError), match=fault):
        config.make_trainable().check(config, Runtime(None, ""))


@pytest.mark.slow
def test_a_flag_that_stands_in_the_command_is_compared_too(project):
    """In `resume` as well; one of the launcher, or shortened as argparse allows, is no fault."""
    for command, more, fault in (
        ("python train.py {flags} --sede {seed} --out {out}", "", "no --sede; did you mean '--seed'"),
        ("python train.py --lr {lr} --sede {seed} --out {out}", "", "no --sede; did you mean '--seed'"),
        (
            "python train.py {flags} --seed {seed} --out {out}",
            "resume='--resmue {out}/a'",
            "no --resmue; did you mean",
        ),
        ("env -- python train.py {flags} --see {seed} --out {out}", "", None),
    ):
        config = project(command=command, more=more)()
        if fault is None:
            config.make_trainable().check(config, Runtime(None, ""))
            continue
        with pytest.raises(ValueError, match=fault):
            config.make_trainable().check(config, Runtime(None, ""))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("pathlib.Path(out, 'w').touch()", r"wrote into \{out\}"),
        ("import shutil; shutil.rmtree(out)", r"wrote into \{out\}"),
        ("print('done')", "named no flag"),
        ("time.sleep(600)", "had not ended after 1 s"),
    ],
)
def test_a_script_that_trains_whatever_it_is_asked_is_told(project, monkeypatch, body, what):
    """It trains into a folder that is nobody's, and its check needs other words."""
    monkeypatch.setattr(script_of_own, "HELP_LIMIT_S", 1.0)
    config = project()
    train = Path(config().make_trainable().project_folder()) / "train.py"
    train.write_text(f"import pathlib, sys, time\nout = sys.argv[-1]\nassert out.endswith('/out')\n{body}\n")
    with pytest.raises(ValueError, match=rf"did not answer --help: it {what}.* give check="):
        config().make_trainable().check(config(), Runtime(None, ""))


# -- what it is made of ---------------------------------------------------------------------------


def definitions(config):
    """Its code, by name."""
    return dict(config().make_trainable().definitions())


def test_its_code_is_what_the_command_names_and_what_that_imports(project, tmp_path):
    """Of Python what it defines, and what it does where it is run; of other files their content."""
    folder = tmp_path / "a b"
    (folder / "lib").mkdir()
    (folder / "conf/__pycache__").mkdir(parents=True)
    (folder / "lib/nets.py").write_text("from lib import deep\n")
    (folder / "lib/deep.py").write_text("def build(): return 1\n")
    (folder / "conf/a.yaml").write_text("x: 1\n")
    (folder / "conf/__pycache__/a.pyc").write_text("x")
    body = "import lib.nets\nif __name__ == '__main__':\n    print(1)\n"

    def changed(change):
        before = definitions(project(body, more="sources=['conf']"))
        change()
        after = definitions(project(body, more="sources=['conf']"))
        return {
            name
            for name in {*before, *after}
            if before.get(name) != after.get(name) and "command" not in name
        }

    assert set() == changed(lambda: (folder / "conf/__pycache__/a.pyc").write_text("y"))
    assert set() == changed(lambda: (folder / "lib/deep.py").write_text("def build(): return 1  # one\n"))
    assert {"lib/deep.py: build"} == changed(
        lambda: (folder / "lib/deep.py").write_text("def build(): return 2\n")
    )
    assert {"conf/a.yaml"} == changed(lambda: (folder / "conf/a.yaml").write_text("x: 2\n"))
    before = definitions(project(body))
    after = definitions(project(body.replace("print(1)", "print(2)")))
    assert before["train.py: (what runs when it is run)"] != after["train.py: (what runs when it is run)"]


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("python train.py --config base.yaml {flags} {seed} {out}", {"train.py", "base.yaml"}),
        ("python train.py --config=conf/a.json {flags} {seed} {out}", {"train.py", "conf/a.json"}),
        ("torchrun -n 2 train.py cfg=base.yaml {flags} {seed} {out}", {"train.py", "base.yaml"}),
        (
            "bash run.sh {out} {seed} {flags}",
            {"run.sh", "sub/more.sh", "base.yaml", "pkg/go.py", "pkg/__init__.py"},
        ),
        ("sh -c 'python train.py \"$@\"' x {out} {seed} {flags}", {"train.py"}),
        ("python -m pkg.go {out} {seed} {flags}", {"pkg/go.py", "pkg/__init__.py"}),
        ("python train.py ../outside.txt /etc/passwd {out} {seed} {flags}", {"train.py"}),
    ],
)
def test_files_that_a_command_names_count(project, tmp_path, command, named):
    """Whatever their ending, of shell scripts what they name too; no file outside the project does."""
    folder = tmp_path / "a b"
    (tmp_path / "outside.txt").touch()
    for name, text in (
        ("base.yaml", "x: 1"),
        ("conf/a.json", "{}"),
        ("run.sh", 'set -e\nbash "$(dirname "$0")/sub/more.sh" --config=base.yaml > log.txt'),
        ("sub/more.sh", 'OMP_NUM_THREADS=1 python -m pkg.go "$@" | tee log; bash run.sh'),
        ("pkg/go.py", "x = 1"),
        ("pkg/__init__.py", "y = 1"),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    found = {
        name.partition(": ")[0] for name in definitions(project(command=command)) if "command of" not in name
    }
    assert named == {*found}


@pytest.mark.parametrize("more", ["", "sources=['base.yaml']"])
@pytest.mark.parametrize("command", ["python trian.py", "torchrun -n 1 trian.py", "python -u ./trian.py"])
def test_a_program_that_is_not_there_is_named(project, tmp_path, command, more):
    """With the nearest, whatever else is declared."""
    (tmp_path / "a b/base.yaml").touch()
    with pytest.raises(Refusal, match=r"trian\.py is not there; did you mean 'train\.py'"):
        project(command=f"{command} {{flags}} {{seed}} {{out}}", more=more)


def test_a_source_that_is_gone_is_no_fault_of_the_machine(project, tmp_path):
    """Another machine would not have it either."""
    (tmp_path / "a b/base.yaml").touch()
    config = project(more="sources=['base.yaml']")
    (tmp_path / "a b/base.yaml").unlink()
    with pytest.raises(ValueError, match=r"base\.yaml cannot be read"):
        config().make_trainable().definitions_now()


def test_the_command_is_a_part_of_it(project):
    """Other words train otherwise."""
    first, other = project(), project(command="python train.py {flags} --seed {seed} --out={out}")
    (one,), (two,) = (
        {value for name, value in definitions(kind).items() if "command" in name} for kind in (first, other)
    )
    assert one != two
    assert first.VERSION != other.VERSION


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("sources=['absent']", "absent is not there"),
        ("sources=['.']", "'.' is all of"),
        ("sources=['broken.py']", r"broken\.py:1 cannot be parsed"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(project, tmp_path, more, fault):
    """When the study is read."""
    (tmp_path / "a b/broken.py").write_text("def (\n")
    with pytest.raises(Refusal, match=fault):
        project(more=more)
