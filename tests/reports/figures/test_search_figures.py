"""What stands below and beside the table of a search: parameters, ends of trials, figures, and the found config."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tablewright.command.keep_found import keep_what_was_found
from tablewright.command.sweep_end import artifacts_of
from tablewright.orchestrator.declared.budget import Budget
from tablewright.orchestrator.declared.found_config import FoundConfig
from tablewright.orchestrator.declared.pruners import Halving
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.project.project import Project, leave_project
from tablewright.orchestrator.project.study_loading import load_study
from tablewright.orchestrator.searches.search_result import SearchResult
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.training_folder import PNG
from tablewright.reports.exports.parquet import WORDS
from tablewright.reports.figures.canvas import DPI, PAGE_WIDTH_IN
from tablewright.reports.figures.search_figures import pages_of, search_figures
from tablewright.reports.notes.search_note import parameter_table, search_notes
from tablewright.reports.table_files import WrittenTables, write_tables
from tablewright.reports.terminal import to_terminal
from tablewright.trainables.contract.run import Runtime
from tests.orchestrator.searched import a_trial, result_of
from tests.orchestrator.toy_sweep import ToySweep
from tests.toy_method import ToyConfig

RATE, SIZE = "learning_rate", "network.embedding_size"
GUIDANCE, NUM = "network.attention.guidance", "network.attention.num_attentions"
SPACE = {
    RATE: FloatRange(0.001, 1.0, log=True),
    SIZE: IntRange(2, 16, 2),
    GUIDANCE: Choice((True, False)),
    NUM: When(GUIDANCE, (False,), IntRange(1, 4)),
}
STUDY = '''"""Searches."""
from tablewright.orchestrator.declared.ranges import FloatRange, IntRange
from tablewright.orchestrator.declared.study import Study
from tests.orchestrator.toy_sweep import a_search
from tests.toy_method import ToyConfig


def make_study(profile):
    space = {"learning_rate": FloatRange(0.05, 0.45, log=True), "network.embedding_size": IntRange(2, 8)}
    search = a_search(space=space, num_trials=4, base=ToyConfig(epochs=2))
    return Study("searching", "S", "mine", (0,), searches=[search])
'''
TUNED = '''"""Starts from what was found."""
import tablewright as tw
from tests.orchestrator.toy_sweep import TEST
from tablewright.trainables.retrieval.view import MAP


def make_study(profile):
    rows = [tw.Row("tuned"), tw.Row("wide", {"network.embedding_size": 16})]
    table = tw.Ablation("width", "Width", tw.best_of("searching", "rate"), [tw.Dataset("Toy")], rows, TEST, [MAP])
    return tw.Study("tuned", "T", "mine", (0,), [table])
'''


def searched(num_trials: int = 12, **changes: object) -> SearchResult:
    """A search of random trials, a third of them stopped, one refused."""
    rng = np.random.default_rng(0)
    trials = [a_trial(0, {RATE: 0.1, SIZE: 4, GUIDANCE: True}, 0.5, training="00")]
    for number in range(1, num_trials):
        params = {RATE: math.exp(rng.uniform(math.log(0.001), 0)), SIZE: 2 * int(rng.integers(1, 9))}
        params[GUIDANCE] = bool(rng.integers(2))
        params |= {} if params[GUIDANCE] else {NUM: int(rng.integers(1, 5))}
        value = 0.9 - 0.05 * math.log(params[RATE] / 0.05) ** 2
        seen = {1: value / 3, 2: value / 2}
        if number % 3 == 2:
            trials.append(
                a_trial(number, params, state="pruned", training=f"{number:02x}", intermediate_values=seen)
            )
        elif number == 7:
            trials.append(a_trial(number, params, state="fail", training=""))
        else:
            trials.append(a_trial(number, params, value, training=f"{number:02x}", intermediate_values=seen))
    return result_of(trials, space=SPACE, base=ToyConfig(epochs=6), **changes)


def test_the_parameters_found_stand_beside_the_declared_ones():
    """With short names, ranges and sensible digits; what was not searched has a dash."""
    best = a_trial(1, {RATE: 0.0312345, SIZE: 8, GUIDANCE: False, NUM: 3}, 0.8)
    table = parameter_table(result_of([best], space=SPACE))
    assert ("parameter", "range", "declared", "found") == table.heads
    assert [
        ("learning_rate", "0.001 to 1, log", "0.1", "0.0312"),
        ("embedding_size", "2 to 16, step 2", "4", "8"),
        ("guidance", "yes, no", "yes", "no"),
        ("num_attentions", "1 to 4; where guidance is no", "–", "3"),
    ] == list(table.rows)
    assert ("parameter", "range", "declared") == parameter_table(result_of([], space=SPACE)).heads


def test_the_note_says_how_trials_ended_and_what_was_saved():
    """Numbers of trials by their end, the best beside the declared config, epochs trained and saved."""
    trials = [
        a_trial(0, {RATE: 0.1}, 0.5),
        a_trial(1, {RATE: 0.2}, state="pruned", intermediate_values={1: 0.1, 2: 0.2}),
        a_trial(2, {RATE: 0.3}, 0.7),
        a_trial(3, {RATE: 0.3}, 0.7, training="2"),
        a_trial(4, {RATE: 0.4}, state="fail", training=""),
    ]
    assert [
        "Search: 5 trials: 2 complete, 1 answered by a training that was recorded already, 1 pruned, 1 refused without "
        "a training.",
        "Best in mAP on val: trial 2, 70.0; the declared config has 50.0.",
        "Epochs trained while searching: 14; all these trials to their end would have taken 24 (42 % saved: 4 left by "
        "trials that were stopped early and 6 of trainings that were recorded already).",
        "Its trials were suggested by Gp(num_startup_trials=10).",
    ] == list(search_notes(result_of(trials, base=ToyConfig(epochs=6))))
    plain = list(search_notes(result_of(trials[:1], num_trials=3)))
    assert "Best in mAP on val so far: the declared config itself, 50.0." == plain[1]
    assert "Epochs trained while searching: 3, each trial to its end." == plain[2]
    assert [] == list(search_notes(result_of([])))
    by_budget = next(
        search_notes(result_of(trials[:2], num_trials=9, budget=Budget(epochs=3), base=ToyConfig(epochs=6)))
    )
    assert "Search: 2 trials: 1 complete, 1 pruned; budget of 3 epochs spent after 2 trials." == by_budget


@pytest.mark.slow
def test_a_search_has_its_figures():
    """History, importances, slices, coordinates, and with a pruner rungs: each a PNG as wide as a page, and a PDF."""
    figures, warnings = search_figures(searched(pruner=Halving(first_epoch=2, promotes=False)))
    kinds = ["history", "importance", "slices", "coordinates", "rungs"]
    assert ([f"search-{kind}" for kind in kinds], []) == ([figure.name for figure in figures], warnings)
    for figure in figures:
        assert figure.png.startswith(PNG[:8])
        assert round(PAGE_WIDTH_IN * DPI) == int.from_bytes(figure.png[16:20])
        assert figure.pdf.startswith(b"%PDF")
    assert "fANOVA cannot tell of num_attentions" in figures[1].caption


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trials", "names"),
    [
        ([], []),
        ([a_trial(0, {RATE: 0.1}, state="running")], []),
        (
            [
                a_trial(n, {RATE: 0.1 + n / 99}, state="pruned", intermediate_values={1: -3.0})
                for n in range(3)
            ],
            ["search-history", "search-slices"],
        ),
        ([a_trial(n, {RATE: 0.1 + n / 99}, 0.0) for n in range(5)], ["search-history", "search-slices"]),
    ],
)
def test_a_figure_that_would_show_nothing_is_a_sentence(trials, names):
    """A search that has just begun, stopped everything, or found no difference is drawn as far as it says something."""
    figures, warnings = search_figures(result_of(trials, num_trials=9))
    assert names == [figure.name for figure in figures]
    assert bool(names) == any("Importances are not drawn" in warning for warning in warnings)


@pytest.mark.parametrize(("num_parameters", "lengths"), [(1, [1]), (12, [12]), (13, [6, 7]), (26, [9, 8, 9])])
def test_many_parameters_are_shared_out_over_figures(num_parameters: int, lengths: list[int]):
    """Evenly, so that each figure fits a page and none shows a single one."""
    paths = [f"width_{number}" for number in range(num_parameters)]
    pages = list(pages_of(paths, 12))
    assert lengths == [len(page) for page in pages]
    assert paths == [path for page in pages for path in page]


@pytest.mark.slow
def test_what_a_search_found_is_written_kept_and_begun_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its table names the parameters in every format, a file has them, and another study starts from that file."""
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces/searching.py").write_text(STUDY)
    (tmp_path / "search_spaces/tuned.py").write_text(TUNED)
    monkeypatch.chdir(tmp_path)
    project, sweep = Project(tmp_path), ToySweep(tmp_path)
    study = load_study("searching", "demo", project)
    result, _ = sweep(study)
    (written,) = write_tables(result.plan, sweep.store()).tables
    found = FoundConfig.model_validate_json(Path(written.urls["found.json"]).read_bytes())
    assert (result.plan.searches["searching", "rate"].best, "demo", 4) == (
        found.params,
        found.profile,
        sum(
            found.num_trials[outcome] for outcome in ("complete", "answered")
        ),  # the declared row was trained first
    )
    assert found.value > found.declared_value > 0
    text = f"{found.params[RATE]:.3f}".rstrip("0")
    console = Console(width=120)
    with console.capture() as shown:
        console.print(to_terminal(written.table))
    for content in (
        *(Path(written.urls[ending]).read_text() for ending in ("tex", "md", "html")),
        shown.get(),
    ):
        assert re.search(rf"0\.05 to 0\.45, log\W.*0\.1\W.*{re.escape(text)}", content, re.DOTALL)
    words = json.loads(pq.read_schema(written.urls["parquet"]).metadata[WORDS.encode()])
    assert text == words["parameters"][0]["found"]
    page = Path(written.urls["html"]).read_text()
    links = re.findall(' href="([^"#]+)"', page)
    assert "rate.found.json" in links
    assert 'data-file="figures/rate/search-history.png"' in page
    assert all((Path(written.urls["html"]).parent / link).is_file() for link in links if "index" not in link)
    in_mlflow = artifacts_of(WrittenTables((written,), ()), sweep.store())
    assert {"rate.found.json", "figures/rate/search-history.png", "figures/rate/search-history.pdf"} <= {
        path.removeprefix("demo/searching/") for path in in_mlflow
    }

    settings = Settings(("searching",), reads_records_alone=True, project=project)
    code = keep_what_was_found(settings, settings.load_studies())
    kept = tmp_path / "search_spaces/found/demo/searching.rate.json"
    assert (0, found.content()) == (code, kept.read_bytes())
    tuned = load_study("tuned", "demo", project)
    assert found.params[RATE] == tuned.ablations[0].base.learning_rate
    plan = plan_as_recorded([tuned], sweep.store(), Runtime(None, str(tmp_path / "cache")))
    (table,) = write_tables(plan, sweep.store(), writes=False).tables
    said = next(note for note in table.table.source_notes if note.startswith("The base has"))
    assert (
        f"searching/rate ({found.search_id[:8]}) has found for toy version 1: the best of 4 complete" in said
    )
    assert f"mAP {100 * found.value:.1f} on val" in said
    leave_project()
