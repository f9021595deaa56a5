"""The file of prices."""

import pytest

from tablewright.orchestrator.costs.prices import read_prices
from tablewright.orchestrator.store.holding import Holding

GOOD = """
currency = "EUR"
[per_gpu_hour]
"NVIDIA L4" = 0.8
"A100" = 3
"NVIDIA A100-SXM4-80GB" = 4
[per_cpu_hour]
"Xeon" = 0.05
"""


@pytest.mark.parametrize(
    ("device", "gpus", "expected"),
    [
        ("NVIDIA L4", 0.5, 0.8),
        ("NVIDIA A100-SXM4-40GB", 1.0, 6.0),
        ("NVIDIA A100-SXM4-80GB", 1.0, 8.0),
        ("NVIDIA L40S", 1.0, None),
        ("Intel(R) Xeon(R) Processor @ 2.10GHz", 0.0, 0.4),
        ("NVIDIA L4", 0.0, None),
        ("", 0.0, None),
    ],
)
def test_a_device_has_the_price_that_names_it_best(tmp_path, device, gpus, expected):
    """An L4 is no L40S, and the longer of two names is meant."""
    (tmp_path / "prices.toml").write_text(GOOD)
    holding = Holding(held_s=7200.0, cpus=4.0, gpus=gpus, device=device)
    assert expected == read_prices(tmp_path).of(holding)


def test_a_project_without_the_file_has_no_prices(tmp_path):
    """And none are invented."""
    assert read_prices(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("currency = USD", "cannot be read as TOML"),
        ('[per_gpu_hour]\n"L4" = 1', "currency is None"),
        ('currency = "USD"\nper_gpu_hour = 3', "per_gpu_hour is 3"),
        ('currency = "USD"\n[per_gpu_hour]\n"L4" = "0.8"', "'L4' is '0.8'"),
        ('currency = "USD"\n[per_gpu_hour]\n"L4" = -1', "'L4' is -1"),
        ('currency = "USD"\n[per_gpu_hour]\n"L4" = nan', "'L4' is nan"),
        ('currency = "USD"\n[per_gpu_hour]\n"L4" = true', "'L4' is True"),
        ('currency = "USD"\n[gpu]\n"L4" = 1', "'gpu' is none of"),
    ],
)
def test_a_fault_of_the_file_is_refused_with_its_place(tmp_path, text, named):
    """Rather than charged as nothing."""
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(ValueError, match=r"prices\.toml.*") as caught:
        read_prices(tmp_path)
    assert named in str(caught.value)
