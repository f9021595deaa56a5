"""What a training of `make demo` costs, and what of it are its steps.

The full row of MDPR's demo, trained and measured in every view that its tables ask for, pictures and records included,
three times in this process after a first one, which pays for imports and for the decoded images. Beside it, in turns,
as many bare steps on made images: forward, losses, backward, Adam. Processor-seconds on one thread.

    python benchmarks/bench_demo.py
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable

import torch

from tablewright.orchestrator.attempts.trial import run_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.project.study_loading import load_study
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work_queue import planned_work
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.mdpr import Mdpr, MdprConfig, demo_config

NUM_TIMED = 3
CORES = 2


def cpu_s(call: Callable[[], None]) -> float:
    """Give the processor-seconds of a call, of all threads."""
    begun_s = time.process_time()
    call()
    return time.process_time() - begun_s


def make_bare_steps(config: MdprConfig) -> None:
    """Train on one made batch for as many steps as the demo has."""
    method, data = Mdpr(), config.data
    network = method.build_network(config, 60, method.weights_files(config, None)).train()
    optimiser = torch.optim.Adam([one for one in network.parameters() if one.requires_grad], fused=True)
    labels_B = torch.arange(data.num_identities).repeat_interleave(data.num_instances)
    images_BCHW = torch.randint(0, 256, (len(labels_B), 3, data.height_px, data.width_px)).float()
    steps_per_epoch = -(-60 // data.num_identities)
    for _ in range(config.optimisation.num_epochs * steps_per_epoch):
        optimiser.zero_grad(set_to_none=True)
        for terms in method.loss_terms(config, network, [images_BCHW], [labels_B], 0):
            torch.stack(list(terms.values())).sum().backward()
        optimiser.step()


def main() -> None:
    """Train the declared row a few times, and say what the whole demo takes."""
    torch.set_num_threads(1)
    study = load_study("mdpr_ablation", "demo")
    with tempfile.TemporaryDirectory() as scratch:
        runtime, store = Runtime(None, f"{scratch}/cache", cpus=1), Store(f"{scratch}/runs")
        store.shared_id()
        resolver = DataResolver(lambda config: config.make_trainable().describe_data(config, runtime))
        plan = make_plan([study], resolver)
        # The row with most views is the declared one; one of its seeds is as good as another.
        declared = max(plan.trainings.values(), key=lambda one: len(one.views))

        def train(number: int) -> None:
            work = dataclasses.replace(planned_work(declared), training_id=f"{number:064x}")
            outcome = run_trial(work, store, runtime, TrialHooks(lambda progress: None, lambda: False))
            assert outcome.state == "done", outcome.message

        config = demo_config()
        first_s = cpu_s(lambda: train(0))
        make_bare_steps(config)
        whole_s, bare_s = list[float](), list[float]()
        for number in range(1, NUM_TIMED + 1):
            whole_s.append(cpu_s(lambda number=number: train(number)))
            bare_s.append(cpu_s(lambda: make_bare_steps(config)))
    each_s, steps_s = statistics.median(whole_s), statistics.median(bare_s)
    print(f"a training, measured and drawn: {each_s:.1f} CPU-s ({first_s:.1f} the first in a process)")
    print(f"its bare steps: {steps_s:.1f} CPU-s; {each_s / steps_s:.2f} x those in all")
    wall_s = len(plan.trainings) * each_s / CORES
    print(
        f"{len(plan.trainings)} on {CORES} cores: {wall_s:.0f} s, and what a sweep takes to begin and to report"
    )


if __name__ == "__main__":
    main()
