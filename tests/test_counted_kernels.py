"""The counter of kernels and waits, where it is known what a GPU does."""

import pytest
import torch
from torch import nn

from benchmarks.counted_kernels import counted, on_gpu


def test_operations_count_and_views_do_not():
    """Each operation on the GPU is a kernel; views, empty memory and what runs on the CPU are none."""
    with counted() as count:
        rows_AB = on_gpu(torch.ones(4, 6))
        torch.ones(4, 6).sum()
        rows_AB[1:].T.flatten(0)[None].expand(2, -1)  # flatten copies
        (rows_AB * 2).add_(1)
        torch.empty(3, device="cuda:0")
    assert (3, 0, 0) == (count.kernels, count.copies, count.syncs)
    assert {"clone": 1, "mul": 1, "add_": 1} == count.by_operation


@pytest.mark.parametrize(
    "moved",
    [
        lambda x, network: x.to("cuda:0", torch.float64, True),
        lambda x, network: x.to(device="cuda", dtype=torch.float64),
        lambda x, network: x.to(torch.float64).cuda(),
        lambda x, network: x.to(torch.float64, non_blocking=True).to(0),
        lambda x, network: x.to(on_gpu(torch.ones(1).double())),
        lambda x, network: x.to(torch.device("cuda:0"), None).double(),
        lambda x, network: network.to("cuda:0", memory_format=torch.channels_last).weight.double(),
    ],
)
def test_every_way_to_say_where_a_tensor_goes(moved):
    """However a device and a type are named, the tensor arrives there and is of the type."""
    with counted() as count:
        network = nn.Conv2d(3, 4, 3, bias=False)
        found = moved(torch.ones(2, 3), network)
        assert ("cuda", torch.float64, 1) == (found.device.type, found.dtype, count.copies)
        assert "cpu" == found.to("cpu", torch.float32).device.type


def test_a_kernel_reads_what_it_takes_and_writes_what_it_makes():
    """Bytes are those of the tensors of each kernel; one that is expanded is as large as what it was made of."""
    with counted() as count:
        rows_AB = on_gpu(torch.ones(4, 6))  # 96 bytes
        rows_AB.mul(2)
        assert 192 == count.bytes
        rows_AB.add(on_gpu(torch.ones(6)).expand(4, 6))
        assert 192 + 96 + 24 + 96 == count.bytes


def test_what_is_made_on_the_gpu_stays_there():
    """Results of kernels, and tensors made where another lies, say `cuda`; the CPU's own say `cpu`."""
    with counted():
        rows_AB = on_gpu(torch.ones(4, 6))
        made = torch.zeros(2, device=rows_AB.device)
        assert ["cuda", "cuda", "cuda"] == [x.device.type for x in (rows_AB.mean(0)[1:], made, made + 1)]
        assert ["cpu", "cpu"] == [x.device.type for x in (torch.ones(2), rows_AB.cpu())]
        assert rows_AB.is_cuda


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool(x.any()),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x[torch.tensor([1, 0])],
        lambda x: x.unique(),
        lambda x: x.repeat_interleave(x.long()),
        lambda x: torch.equal(x, x),
        lambda x: torch.ones(3).to(x.device),
        lambda x: torch.ones(3).to(x.device, non_blocking=True),  # out of pageable memory
        lambda x: torch.tensor([1.0, 2.0], device=x.device),
        lambda x: x.copy_(torch.ones(4)),
    ],
)
def test_waits_are_counted(wait):
    """What needs a value of the GPU, or copies out of pageable memory, makes the CPU wait once."""
    with counted() as count:
        wait(on_gpu(torch.tensor([0.0, 1.0, 0.0, 2.0])))
    assert 1 == count.syncs, count.waits
    assert "test_counted_kernels.py" in count.waits[0]


def test_a_size_that_is_known_is_not_waited_for():
    """Rows repeated as often as the GPU knows, and whose number the CPU knows, are none the CPU waits for."""
    with counted() as count:
        numbers = on_gpu(torch.tensor([1, 2]))
        assert [1, 2, 2] == numbers.repeat_interleave(numbers, output_size=3).cpu().tolist()
    assert 1 == count.syncs  # of `cpu`


def test_what_is_pinned_is_not_waited_for():
    """A copy out of pinned memory that need not be there at once is none the CPU waits for."""
    with counted() as count:
        pinned = torch.ones(8).pin_memory()
        assert pinned[2:].is_pinned()
        assert "cuda" == pinned[2:].to("cuda:0", torch.float64, non_blocking=True).device.type
        assert not count.waits
        pinned.to("cuda:0")
    assert (2, 1) == (count.copies, count.syncs)


def test_devices_cannot_be_mixed():
    """A tensor of the CPU in an operation of the GPU is refused; a number is none."""
    with counted():
        row_A = on_gpu(torch.ones(4))
        assert 12.0 == float((row_A + torch.tensor(2.0)).sum())
        with pytest.raises(RuntimeError, match="one device"):
            row_A + torch.ones(4)


@pytest.mark.slow
def test_a_step_of_training_is_counted_whole_and_gives_the_same_weights():
    """Network, backward pass and optimizer run as on the CPU, and as many kernels the second time."""

    def step(network, optimizer, images_BCHW):
        optimizer.zero_grad()
        network(images_BCHW).square().mean().backward()
        optimizer.step()

    def make():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        return network, torch.rand(2, 3, 8, 8)

    alone, images_BCHW = make()
    step(alone, torch.optim.SGD(alone.parameters(), 0.1), images_BCHW)
    network, images_BCHW = make()
    with counted() as count:
        network.to("cuda:0")
        assert 7 == count.copies  # two weights and two biases, three statistics
        optimizer = torch.optim.SGD(network.parameters(), 0.1)
        step(network, optimizer, on_gpu(images_BCHW))
        kernels, syncs = count.kernels, count.syncs
        weights = [weight.detach().cpu() for weight in network.parameters()]
        assert all(map(torch.equal, alone.parameters(), weights))
        before = count.kernels
        step(network, optimizer, on_gpu(images_BCHW))
        assert (kernels, 7) == (count.kernels - before, syncs)
    assert {"convolution_backward": 2, "native_batch_norm": 2}.items() <= count.by_operation.items()
