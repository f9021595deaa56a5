"""What the command line says of costs, before trainings, while some are left, and once a cap is reached."""

import pytest

from tests.test_sweep_reading import words
from tests.toy_studies import write_project
from tests.warm_command import run_warm

pytestmark = pytest.mark.slow

PRICES = 'currency = "EUR"\n[per_cpu_hour]\n"{processor}" = 3600.0\n'


def test_a_capped_sweep_says_what_it_took_and_what_is_left(tmp_path):
    """By an agent: one training is made, the rest waits for more hours; in its page, and by the file of prices."""
    write_project(
        tmp_path, rows='[Sweep("learning_rate", (0.1, 0.2, 0.3))]', base="epoch_s=0.05", seeds="(0,)"
    )
    agent = ("toy", "--agent", "--gpus-per-training", "0", "--tracking-uri", "none")
    code, printed = run_warm(tmp_path, *agent, "--max-cpu-hours", "0.00003")
    assert (1, True) == (
        code,
        "are spent, so that nothing more was begun: 1 done, 2 to train" in words(printed),
    )
    (page_file,) = (tmp_path / "runs/costs").rglob("toy.md")
    page = page_file.read_text(encoding="utf-8")
    assert "| 1 training |" in page
    device = page.partition("| by device |")[2].splitlines()[2].split("|")[1].strip()
    (tmp_path / "prices.toml").write_text(PRICES.format(processor=device), encoding="utf-8")
    code, printed = run_warm(tmp_path, "toy", "--status", "--max-concurrent", "2")
    said = words(printed)
    assert 0 == code
    assert "EUR" in said
    assert "Forecast of 2 trainings left" in said
    assert "with 2 at a time" in said


def test_faults_of_prices_and_caps_are_told_before_anything_trains(tmp_path):
    """Each with its rule; no store is begun."""
    write_project(tmp_path)
    (tmp_path / "prices.toml").write_text('currency = "EUR"\n[per_gpu_hour]\n"L4" = -1\n', encoding="utf-8")
    code, printed = run_warm(tmp_path, "toy", "--agent")
    assert (2, True) == (code, "'L4' is -1" in words(printed))
    code, printed = run_warm(tmp_path, "toy", "--max-gpu-hours", "-3")
    assert (2, True) == (code, "--max-gpu-hours is -3; it is a number of hours above 0" in words(printed))
    assert not (tmp_path / "runs").exists()
