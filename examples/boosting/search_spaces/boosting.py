"""How deep trees should be when the progression of diabetes is boosted."""

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor as Regressor

import tablewright as tw

RMSE = tw.Metric("rmse", "RMSE", higher_is_better=False, is_fraction=False)
R2 = tw.Metric("r2", "R²", digits=2, is_fraction=False)


class Boosting(tw.Config):
    depth: int = 3
    rate: float = 0.1
    num_trees: int = 100


def patients(split):
    x, y = load_diabetes(return_X_y=True)
    part = {"train": slice(0, 300), "val": slice(300, 370), "test": slice(370, None)}[split]
    return x[part], y[part]


def measure(config, model, split):
    x, y = patients(split)
    squares = (model.predict(x) - y) ** 2
    metrics = {"rmse": squares.mean() ** 0.5, "r2": 1 - squares.mean() / np.var(y)}
    return tw.Measured(metrics, {"square": squares}, "patients")


@tw.method(Boosting, metrics=[RMSE, R2], measure=measure, data=tw.Data("Diabetes", version="scikit-learn"))
def fit(config):
    trees = {"max_depth": config.depth, "n_estimators": config.num_trees, "learning_rate": config.rate}
    return Regressor(random_state=config.seed, subsample=0.5, **trees).fit(*patients("train"))


def make_study():
    diabetes, goal = tw.Dataset("Diabetes"), tw.Objective(RMSE, Boosting.view("val"))
    depths = tw.Ablation("depths", "Depth", Boosting(), [diabetes], [tw.Sweep("depth", (1, 3, 6))])
    ranges = {"rate": tw.FloatRange(0.01, 0.3, log=True), "depth": tw.IntRange(1, 6)}
    search = tw.Search("found", "Depth and rate found", Boosting(), diabetes, ranges, goal, num_trials=8)
    return tw.Study("boosting", "Trees", "ours", (0, 1, 2), [depths], [search])
