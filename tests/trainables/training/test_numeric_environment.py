"""What the digits of a training depend on is told with it."""

import json
import os
import subprocess
import sys

import pytest
import torch

from tablewright.trainables.training.numeric_environment import describe_numeric_environment

PRINT = (
    "import json; from tablewright.trainables.training.numeric_environment import describe_numeric_environment; "
    "print(json.dumps(describe_numeric_environment('cpu')))"
)


def described_with(**variables):
    process = subprocess.run(
        [sys.executable, "-c", PRINT], capture_output=True, check=False, env={**os.environ, **variables}
    )
    assert 0 == process.returncode, process.stderr.decode("utf-8")
    return json.loads(process.stdout)


def test_processor_and_libraries_are_named():
    """Each thing that was seen to move a digit, or whose build may, has a short text."""
    told = describe_numeric_environment("cpu")
    names = ["processor", "instruction_set", "threads", "torch", "numpy", "pillow", "libjpeg"]
    assert [] == [name for name in names if not told.get(name)]
    assert torch.__version__ == told["torch"]
    assert torch.backends.cpu.get_cpu_capability() == told["instruction_set"]
    assert "1" == told["threads"]  # of a training, whatever this process has
    assert all(isinstance(text, str) and "\n" not in text and len(text) < 200 for text in told.values())


@pytest.mark.slow
def test_two_processes_of_a_machine_are_told_alike():
    """What differs between two descriptions is a reason for other digits, and nothing else."""
    assert describe_numeric_environment("cpu") == described_with()


@pytest.mark.slow
def test_what_a_person_makes_libraries_do_is_told():
    """A variable that switches kernels is seen in what is in use, and stands there by name."""
    told = described_with(ATEN_CPU_CAPABILITY="default", ONEDNN_MAX_CPU_ISA="AVX2")
    assert {"DEFAULT", "NO AVX"} & {told["instruction_set"]}
    assert "ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX2" == told["variables"]
    changed = {name for name, text in described_with().items() if told[name] != text}
    assert {"instruction_set"} == changed


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_named():
    """On a GPU its name, CUDA's version and cuDNN's are told too, and no thread is promised."""
    told = describe_numeric_environment("cuda")
    assert torch.cuda.get_device_name() in told["gpu"]
    assert (torch.version.cuda, str(torch.backends.cudnn.version())) == (told["cuda"], told["cudnn"])


def test_a_device_that_is_not_there_is_refused():
    """Nothing is made up for a GPU that this process does not see."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="device 'cuda' is asked for"):
        describe_numeric_environment("cuda")
