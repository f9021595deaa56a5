"""Running again what is complete leaves the store as it is, to the last byte and date."""

import hashlib

import pytest

from tablewright.orchestrator.declared.design import Sweep
from tablewright.reports.table_files import write_tables
from tests.orchestrator.toy_sweep import ToySweep, a_search, a_study


def state_of(folder):
    """Every file and folder with its content and its dates."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            path.stat().st_ino,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else sorted(path.iterdir()),
        )
        for path in [folder, *folder.rglob("*")]
    }


@pytest.mark.slow
def test_running_again_after_completion_writes_nothing(tmp_path):
    """Records, tables, figures, pages and what is known of the data keep their dates; nothing comes, nothing goes."""
    sweep = ToySweep(tmp_path)
    study = a_study([Sweep("learning_rate", (0.1, 0.2))], searches=[a_search(num_trials=3)], seeds=(0, 1))
    result, _ = sweep(study)
    assert result.is_complete
    write_tables(result.plan, sweep.store())
    before = state_of(sweep.folder)
    result, events = sweep(study)
    write_tables(result.plan, sweep.store())
    assert ([], before) == (events.started, state_of(sweep.folder))


@pytest.mark.slow
def test_a_table_that_has_changed_is_written_and_its_neighbours_are_not(tmp_path):
    """What is compared is the content: a file that somebody edited is made right again."""
    sweep = ToySweep(tmp_path)
    result, _ = sweep(a_study([Sweep("learning_rate", (0.1, 0.2))]))
    write_tables(result.plan, sweep.store())
    before = state_of(sweep.folder)
    (sweep.folder / "tables/toy_study/width.md").write_text("by hand", encoding="utf-8")
    write_tables(result.plan, sweep.store())
    after = state_of(sweep.folder)
    assert {"tables/toy_study", "tables/toy_study/width.md"} == {
        name for name in after if after[name] != before[name]
    }
    assert before["tables/toy_study/width.md"][2] == after["tables/toy_study/width.md"][2]
