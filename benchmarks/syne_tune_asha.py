"""Syne Tune's ASHA, asked line by line, by an interpreter that has `syne-tune`: this project does not install it.

The order of calls is that of Syne Tune's `Tuner`: a scheduler that stops a trial hears of its removal, of a trial that
ends by itself of its completion.
"""

import datetime
import json
import random
import sys

import numpy as np
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice, loguniform, randint, uniform
from syne_tune.optimizer.baselines import ASHA
from syne_tune.optimizer.scheduler import SchedulerDecision

KINDS = {
    "uniform": uniform,
    "loguniform": loguniform,
    "randint": randint,
    "choice": lambda *values: choice(list(values)),
}


def main():
    """Answer requests on standard input until it ends."""
    begun = json.loads(sys.stdin.readline())
    random.seed(begun["seed"])
    np.random.seed(begun["seed"])  # noqa: NPY002, which is what it draws from
    space = {name: KINDS[kind](*given) for name, (kind, given) in begun["space"].items()}
    scheduler = ASHA(
        space,
        metric="score",
        time_attr="epoch",
        max_t=begun["num_epochs"],
        do_minimize=False,
        random_seed=begun["seed"],
    )
    trials = []
    for line in sys.stdin:
        request = json.loads(line)
        if request == "ask":
            trial = Trial(len(trials), scheduler.suggest().config, datetime.datetime.now())
            trials.append(trial)
            scheduler.on_trial_add(trial)
            answer = trial.config
        else:
            number, epoch, score = request
            result = {"epoch": epoch, "score": score}
            answer = scheduler.on_trial_result(trials[number], result) == SchedulerDecision.CONTINUE
            if not answer:
                scheduler.on_trial_remove(trials[number])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
