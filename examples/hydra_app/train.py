"""Logistic regression on two clouds of points: an app of Hydra, which knows nothing of tables."""

import json
from pathlib import Path

import hydra
import numpy as np
from hydra.core.hydra_config import HydraConfig


def clouds(seed, standardise):
    generator = np.random.default_rng(seed)
    label = np.arange(200) % 2
    x = generator.normal(size=(200, 2)) + label[:, None] * 1.5
    return (x / x.std(0) if standardise == "by deviation" else x), label


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    (x, label), weights = clouds(0, cfg.standardise), np.random.default_rng(cfg.seed).normal(size=3)
    for _ in range(cfg.optimizer.steps):
        probability = 1 / (1 + np.exp(-(x @ weights[:2] + weights[2] * cfg.bias)))
        gradient = [*((probability - label) @ x / len(x)), (probability - label).mean() * cfg.bias]
        weights -= cfg.optimizer.lr * np.array(gradient)
    x, label = clouds(1, cfg.standardise)
    is_right = (x @ weights[:2] + weights[2] * cfg.bias > 0) == label
    out = Path(HydraConfig.get().runtime.output_dir)
    (out / "metrics.json").write_text(json.dumps({"accuracy": float(is_right.mean())}))
    (out / "items.jsonl").write_text("".join(json.dumps({"is_right": bool(one)}) + "\n" for one in is_right))


if __name__ == "__main__":
    main()
