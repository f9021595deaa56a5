"""float32 is float32 inside, and as the process had it after, under the old names of its settings and the new."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, os, sys
import torch
from tablewright.trainables.training.determinism import reproducible

LEVELS = [("generic", "all"), ("cuda", "all"), ("mkldnn", "all")]
OPERATIONS = [(backend, name) for backend, _ in LEVELS[1:] for name in ("matmul", "conv", "rnn")]
get, put = torch._C._get_fp32_precision_getter, torch._C._set_fp32_precision_setter
OLD_NAMES = {
    "cudnn.allow_tf32": lambda: torch.backends.cudnn.allow_tf32,
    "cuda.matmul.allow_tf32": lambda: torch.backends.cuda.matmul.allow_tf32,
    "matmul_precision": torch.get_float32_matmul_precision,
}

def settings():
    found = {".".join(setting): get(*setting) for setting in LEVELS + OPERATIONS}
    for name, read in OLD_NAMES.items():
        try:
            found[name] = read()
        except RuntimeError:
            found[name] = "mixed"
    return found

def answers():  # of each operation to what is set above it, now and later
    found = [settings()]
    for level, precision in ((("cuda", "all"), "ieee"), (("mkldnn", "all"), "bf16"), (("generic", "all"), "tf32")):
        put(*level, precision)
        found.append(settings())
        put(*level, "none")
        found.append(settings())
    return found

def hold(depth):
    try:
        with reproducible(torch.device("cpu")):
            inside.append(settings())
            if depth:
                hold(depth - 1)
                inside.append(settings())
            raise FloatingPointError
    except FloatingPointError:
        pass

def in_a_process_of_its_own(run):
    reading, writing = os.pipe()
    if os.fork() == 0:
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump(run(), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        found = json.load(pipe)
    os.wait()
    return found

def try_out(mixture, is_held):
    exec(mixture)
    if is_held:
        hold(0)
        hold(1)
    return inside, answers()

inside = []
found = {}
for mixture in json.loads(sys.argv[1]):
    held, after = in_a_process_of_its_own(lambda: try_out(mixture, True))
    _, undisturbed = in_a_process_of_its_own(lambda: try_out(mixture, False))
    found[mixture] = [held, after, undisturbed]
json.dump(found, sys.stdout)
"""
MIXTURES = [
    "torch.backends.cudnn.allow_tf32 = True",
    "torch.backends.cudnn.allow_tf32 = False; torch.backends.cuda.matmul.allow_tf32 = True",
    "torch.set_float32_matmul_precision('medium'); torch.backends.cudnn.allow_tf32 = True",
    "torch.set_float32_matmul_precision('high'); torch.backends.cuda.matmul.fp32_precision = 'none'; "
    "torch.backends.cudnn.allow_tf32 = False; torch.backends.cudnn.conv.fp32_precision = 'tf32'",
    "torch.backends.fp32_precision = 'tf32'; put('cuda', 'conv', 'ieee'); put('cuda', 'rnn', 'none')",
    "put('cuda', 'all', 'tf32'); put('cuda', 'conv', 'none'); put('cuda', 'rnn', 'ieee')",
    "put('mkldnn', 'all', 'bf16'); torch.backends.mkldnn.matmul.fp32_precision = 'tf32'; "
    "torch.backends.cudnn.allow_tf32 = True; put('cuda', 'conv', 'none')",
    "torch.backends.fp32_precision = 'bf16'; torch.backends.mkldnn.conv.fp32_precision = 'ieee'; "
    "torch.set_float32_matmul_precision('medium'); torch.backends.cudnn.allow_tf32 = False",
]
LEFT_TO_TORCH = [
    "",
    "torch.backends.cudnn.conv.fp32_precision = 'ieee'",
    "torch.backends.fp32_precision = 'ieee'",
]
"""Mixtures in which nobody has set some operation of cuDNN, for which torch has a default that cannot be set again."""


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[list[dict[str, object]], list[object], list[object]]]:
    """Give by mixture the settings inside, and what they answer after, and in a process that was never inside."""
    mixtures = json.dumps([*MIXTURES, *LEFT_TO_TORCH])
    process = subprocess.run([sys.executable, "-c", PROGRAM, mixtures], capture_output=True, check=False)
    assert 0 == process.returncode, process.stderr.decode("utf-8")
    return json.loads(process.stdout)


def check_inside(inside: list[dict[str, object]]) -> None:
    old_names = {"cudnn.allow_tf32": False, "cuda.matmul.allow_tf32": False, "matmul_precision": "highest"}
    assert 4 == len(inside)  # once alone, once around another, inside that, and after it
    for settings in inside:
        assert old_names == {name: settings[name] for name in old_names}
        assert {"ieee"} == {value for name, value in settings.items() if name not in old_names}


@pytest.mark.slow
@pytest.mark.parametrize("mixture", MIXTURES)
def test_float32_is_float32_inside_and_every_setting_as_it_was_after(mixture: str, found):
    """Old names and new, mixed and nested, with an error inside: nothing that is set later meets another answer."""
    inside, after, undisturbed = found[mixture]
    check_inside(inside)
    assert undisturbed == after


@pytest.mark.parametrize("mixture", LEFT_TO_TORCH)
@pytest.mark.slow
def test_what_nobody_has_set_reads_the_same_after(mixture: str, found):
    """Where torch's own default stands, a process that only read its settings can go on as before."""
    inside, after, undisturbed = found[mixture]
    check_inside(inside)
    assert undisturbed[0] == after[0]
