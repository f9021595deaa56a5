"""Processes forked from one that has loaded what most of them need, and has no threads: one for all tests of a process.

Whoever starts first decides for good what that one loads; so it is said here alone.
"""

import multiprocessing

LIBRARIES = [
    "pytest",
    "numpy",
    "scipy.stats",
    "pandas",
    "pyarrow.parquet",
    "pydantic",
    "fsspec",
    "psutil",
    "yaml",
    "typer",
    "rich.live",
    "optuna",
    "sqlalchemy.orm",
    "alembic.command",
    "mlflow.store.tracking.sqlalchemy_store",
    "torch",
    "torch._dynamo",  # every optimiser loads it
    "jinja2",
    "matplotlib.figure",
    "pylatexenc.latexencode",
    "ray.tune",
]
OURS = [
    "tablewright.orchestrator.run",
    "tablewright.orchestrator.verify",
    "tablewright.orchestrator.agents.agent_backend",
    "tablewright.orchestrator.costs.outlook",
    "tablewright.orchestrator.plans.source_changes",
    "tablewright.orchestrator.projections.tracking",
    "tablewright.reports.paper.paper_files",
    "tablewright.reports.terminal",
    "tablewright.trainables.own.script",
    "tablewright.trainables.mdpr",
]
"""What the command loads on the way. Its own files are left to each process: they look at the terminal when loaded."""

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload([*LIBRARIES, *OURS])
