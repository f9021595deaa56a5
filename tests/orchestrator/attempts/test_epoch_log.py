"""What a training reports is in the store before a checkpoint that counts it, and whole at its end."""

from tablewright.orchestrator.attempts import epoch_log
from tablewright.orchestrator.attempts.epoch_log import EpochLog
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import EpochReport


def report(epoch, loss=0.5):
    return EpochReport(epoch, 3, {"loss": loss}, 1.0)


def test_a_checkpoint_is_written_after_the_reports_that_it_counts(tmp_path, monkeypatch):
    """However seldom the file is written; at the end nothing is missing, and an epoch that was repeated stands once."""
    monkeypatch.setattr(epoch_log, "WRITE_EVERY_S", 3600.0)
    folder = Store(str(tmp_path)).training("a" * 64)
    log = EpochLog(folder, [])
    seen = []
    with log.kept_before(folder.checkpoints) as checkpoints:
        for epoch in (1, 2):
            log.add(report(epoch))
        seen.append([one.epoch for one in folder.epochs()])
        with checkpoints.open_to_write("resume.pt") as file:
            seen.append([one.epoch for one in folder.epochs()])
            file.write(b"state")
        log.add(report(2, loss=0.4))
        log.add(report(3))
        seen.append([one.epoch for one in folder.epochs()])
    seen.append([one.epoch for one in folder.epochs()])
    assert [[1], [1, 2], [1, 2], [1, 2, 3]] == seen
    assert [0.5, 0.4, 0.5] == [one.metrics["loss"] for one in folder.epochs()]


def test_a_training_that_goes_on_writes_the_file_of_one_that_nobody_stopped(tmp_path):
    """To the last byte."""
    whole, resumed = (Store(str(tmp_path)).training(digit * 64) for digit in "ab")
    with (log := EpochLog(whole, [])).kept_before(whole.checkpoints):
        for epoch in (1, 2, 3):
            log.add(report(epoch))
    log = EpochLog(resumed, [])
    for epoch in (1, 2):
        log.add(report(epoch))
    log.write()
    with (log := EpochLog(resumed, resumed.epochs())).kept_before(resumed.checkpoints):
        for epoch in (2, 3):
            log.add(report(epoch))
    assert whole.folder.read("epochs.parquet") == resumed.folder.read("epochs.parquet")
