"""Who may import whom, read off every file; and that an import does no work."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("orchestrator", "reports", "search_spaces", "trainables")
OURS = (*FOLDERS, "command", "names", "notebook", "sweep", "tablewright", "benchmarks", "tests")
PACKAGE = "tablewright."
"""What is installed; its parts are links to the folders beside it."""
GENERATOR = "trainables.data.demo_generator"  # made the demo archive once, with requirements of its own


@dataclass(frozen=True)
class Rule:
    """What the modules of one folder may import beside the standard library.

    Attributes:
        ours: our modules; a name allows what lies below it too.
        outside: packages of others.
        only_in: further packages, each with the modules that may import it.
    """

    ours: tuple[str, ...]
    outside: tuple[str, ...]
    only_in: dict[str, tuple[str, ...]]


DECLARATIONS = ("orchestrator.declared",)
RULES = {
    "trainables": Rule(
        ("trainables",),
        ("torch", "numpy", "PIL", "pydantic"),
        {
            "scipy": ("trainables.data.matlab_file",),
            "h5py": ("trainables.data.cuhk03_release",),
            "safetensors": ("trainables.layers.weight_file",),
        },
    ),
    "orchestrator": Rule(
        ("orchestrator", "trainables.contract", "trainables.value"),
        ("pyarrow", "pydantic", "fsspec", "numpy", "psutil"),
        {
            "ray": tuple(
                f"orchestrator.on_ray.ray_{part}"
                for part in (
                    "address",
                    "authentication",
                    "autoscaler",
                    "backend",
                    "bridge",
                    "cluster",
                    "node",
                    "ranks",
                    "scheduler",
                    "tune",
                    "worker",
                )
            ),
            "grpc": ("orchestrator.on_ray.ray_address",),
            "optuna": (
                "orchestrator.projections.mirrored_study",
                "orchestrator.projections.optuna_mirror",
                "orchestrator.projections.optuna_rows",
                "orchestrator.searches.genetic_samplers",
                "orchestrator.searches.importance",
                "orchestrator.searches.optuna_sampler",
                "orchestrator.searches.optuna_study",
                "orchestrator.searches.optuna_wilcoxon",
            ),
            "cmaes": ("orchestrator.searches.cma_es",),
            "scipy": ("orchestrator.searches.quasi_random",),
            "threadpoolctl": ("orchestrator.searches.optuna_sampler",),
            "mlflow": (
                "orchestrator.projections.mlflow_batch",
                "orchestrator.projections.mlflow_client",
                "orchestrator.projections.mlflow_found",
                "orchestrator.projections.mlflow_runs",
                "orchestrator.projections.mlflow_transaction",
            ),
            "yaml": ("orchestrator.declared.published", "orchestrator.on_ray.ray_autoscaler"),
            "cloudpickle": ("orchestrator.agents.agent_slot", "orchestrator.attempts.ranks"),
            "torch": ("orchestrator.agents.agent_worker",),  # which device there is
        },
    ),
    "search_spaces": Rule((*DECLARATIONS, "trainables", "search_spaces", "tablewright"), (), {}),
    "tablewright": Rule(
        (
            *DECLARATIONS,
            "trainables.contract",
            "trainables.own",
            "trainables.value",
            "names",
            "notebook",
        ),
        (),
        {},
    ),
    "reports": Rule(
        (
            "reports",
            *DECLARATIONS,
            "orchestrator.costs.cost",
            "orchestrator.costs.forecast",
            "orchestrator.searches.found_of_plan",
            "orchestrator.identity",
            "orchestrator.searches.importance",
            "orchestrator.costs.outlook",
            "orchestrator.store.parallel_reading",
            "orchestrator.plans.plan",
            "orchestrator.costs.prices",
            "orchestrator.plans.recorded_config",
            "orchestrator.store",
            "orchestrator.searches.replay",
            "orchestrator.searches.search_result",
            "orchestrator.costs.training_cost",
            "orchestrator.searches.tuned_rows",
            "trainables.contract",
            "trainables.value",
        ),
        ("pandas", "pyarrow", "numpy", "scipy", "matplotlib", "jinja2"),
        {
            "rich": ("reports.console", "reports.terminal"),
            "pylatexenc": ("reports.latex.latex_signs",),
            "openpyxl": ("reports.exports.sheet_rows", "reports.exports.workbook"),
        },
    ),
    "sweep": Rule((*FOLDERS, "command"), ("typer", "rich"), {}),
    "tablewright.command": Rule(("command", "orchestrator", "reports", "trainables"), ("rich",), {}),
    "tablewright.notebook": Rule(("orchestrator", "reports"), ("pandas", "pyarrow"), {}),
}


def is_within(module: str, allowed: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of the allowed ones or lies below one."""
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def is_module(name: str) -> bool:
    """Whether a dotted name of ours is a file or a folder, rather than a thing inside a file."""
    path = ROOT.joinpath(*name.removeprefix(PACKAGE).split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports_of(source: str, module: str, *, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Every import in a source, lazy and for type checking alike, as line and absolute name."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = PACKAGE + ".".join([*parents, *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                is_ours = base.partition(".")[0] in OURS
                yield node.lineno, inner if is_ours and is_module(inner) else base
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rpartition(".")[2]
            name = node.args[0]
            if called in ("import_module", "__import__") and isinstance(name, ast.Constant):
                yield node.lineno, str(name.value)


def faults_of(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Say which imports of a module the rules forbid."""
    rule = next(RULES[folder] for folder in sorted(RULES, reverse=True) if is_within(module, (folder,)))
    faults: list[str] = []
    for line, name in imports_of(source, module, is_package=is_package):
        is_below_package = name.startswith(PACKAGE)
        name = name.removeprefix(PACKAGE)
        top = name.partition(".")[0]
        if top in FOLDERS and not is_below_package:
            is_allowed = False  # installed, it is found below the package alone
        elif is_within(name, (GENERATOR,)):
            is_allowed = is_within(module, (GENERATOR,))
        elif top in OURS:
            is_allowed = is_within(name, rule.ours)
        elif is_within(module, (GENERATOR,)):
            is_allowed = top not in ("ray", "optuna", "mlflow", "pandas")
        else:
            is_allowed = (
                top in sys.stdlib_module_names or top in rule.outside or module in rule.only_in.get(top, ())
            )
        if not is_allowed:
            faults.append(f"{module}:{line} imports {name}")
    return faults


def source_files() -> list[Path]:
    """Every file that the rules speak of."""
    return [
        ROOT / "sweep.py",
        ROOT / "tablewright/__init__.py",
        ROOT / "tablewright/names.py",
        ROOT / "tablewright/notebook.py",
        *sorted((ROOT / "tablewright/command").glob("*.py")),
        *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))),
    ]


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.slow
def test_every_folder_keeps_to_the_import_table() -> None:
    """No file imports what its folder must not know."""
    faults = [
        fault
        for path in source_files()
        for fault in faults_of(
            path.read_text(encoding="utf-8"), module_of(path), is_package=path.stem == "__init__"
        )
    ]
    assert [] == faults


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("trainables.mdpr", "import pandas"),
        ("trainables.mdpr", "from tablewright.orchestrator.declared.study import Study"),
        ("trainables.mdpr", "import scipy"),
        ("trainables.mdpr", "from safetensors import safe_open"),
        ("trainables.mdpr", "def lazy():\n    import mlflow"),
        ("trainables.mdpr", "import importlib\nimportlib.import_module('ray.tune')"),
        ("trainables.data.reid", "from .demo_generator import body"),
        ("trainables.data.reid", "from tablewright.trainables.data import demo_generator"),
        ("trainables.data.demo_generator.body", "import ray"),
        ("orchestrator.plans.plan", "import ray"),
        ("orchestrator.plans.plan", "from orchestrator.declared.study import Study"),
        ("orchestrator.searches.search_source", "from ray import tune"),
        ("orchestrator.attempts.trial", "import torch"),
        ("orchestrator.attempts.trial", "from tablewright.trainables.mdpr import MdprConfig"),
        ("orchestrator.attempts.trial", "from tablewright.trainables import contract, mdpr"),
        ("search_spaces.mdpr_ablation", "from tablewright.orchestrator.on_ray import ray_backend"),
        ("search_spaces.mdpr_ablation", "import torch"),
        ("reports.table.table", "import rich"),
        (
            "reports.table.table",
            "if TYPE_CHECKING:\n    from tablewright.orchestrator.work import Work",
        ),
        ("reports.frame", "import torch"),
        ("sweep", "import pandas"),
        ("tablewright.command.plan", "import typer"),
        ("orchestrator.attempts.trial", "from tablewright.command.screen import console"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    """An import against the table is named, however deep and by whichever spelling."""
    assert 1 == len(faults_of(source, module))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("trainables.mdpr", "from torch.nn import functional\nimport math\nfrom PIL import Image"),
        ("trainables.data.matlab_file", "import scipy.io"),
        ("trainables.data.demo_generator.body", "import anny\nfrom . import raster"),
        ("orchestrator.searches.optuna_sampler", "import optuna.samplers"),
        ("orchestrator.attempts.trial", "from tablewright.trainables.contract.metric import Metric"),
        ("reports.terminal", "import rich.table"),
        ("reports.frame", "from tablewright.orchestrator.plans.plan import Plan"),
        ("search_spaces.mdpr_search", "from tablewright.search_spaces.mdpr_ablation import base_config"),
    ],
)
def test_an_allowed_import_is_let_through(module: str, source: str) -> None:
    """What the table allows is no fault."""
    assert [] == faults_of(source, module)


def test_init_files_hold_only_their_docstring() -> None:
    """A package's `__init__.py` is one docstring: importing a part imports nothing beside it."""
    inits = [
        path for path in source_files() if path.name == "__init__.py" and path.parent.name != "tablewright"
    ]
    wrong = [
        module_of(path)
        for path in inits
        if [ast.Expr] != [type(node) for node in ast.parse(path.read_text(encoding="utf-8")).body]
    ]
    assert [] == wrong
    assert {*FOLDERS} <= {module_of(path) for path in inits}


IMPORT_ALL = """
    import importlib, os, random, sys, threading
    environment = dict(os.environ)
    for module in {modules}:
        importlib.import_module(module)
    loaded = [name for name in {forbidden} if name in sys.modules]
    assert not loaded, f"loaded on the way: {{loaded}}"
    changed = {{name for name, value in os.environ.items() if environment.get(name) != value}}
    assert not changed - {third_party_environment}, changed
    assert threading.active_count() == 1, threading.enumerate()

    # Ours once more, with the packages of others loaded: some of those draw random numbers at import.
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    def state():
        return (
            random.getstate(),
            numpy and numpy.random.get_state()[1].tobytes(),
            torch and (torch.get_rng_state().tolist(), torch.get_num_threads(), torch.get_default_dtype()),
        )
    for name in [name for name in sys.modules if name.partition(".")[0] in {ours}]:
        del sys.modules[name]
    random.random(), numpy and numpy.random.rand(), torch and torch.rand(1)
    before = state()
    for module in {modules}:
        importlib.import_module(module)
    assert state() == before, "an import changed a random generator or a setting of torch"
"""
# Set by the OpenMP beneath numpy and torch.
THIRD_PARTY_ENVIRONMENT = {"KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK"}


def import_all(modules: list[str], forbidden: list[str], folder: Path) -> None:
    """Import modules in a fresh process in an empty folder; any effect fails the process or is a file."""
    code = dedent(IMPORT_ALL).format(
        modules=modules, forbidden=forbidden, ours=OURS, third_party_environment=THIRD_PARTY_ENVIRONMENT
    )
    process = subprocess.run(
        [sys.executable, "-B", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "", "") == (process.returncode, process.stdout, process.stderr)
    assert [] == list(folder.iterdir())


@pytest.mark.slow
def test_importing_a_method_or_a_study_does_no_work(tmp_path: Path) -> None:
    """Importing a trainable or a study prints, writes and seeds nothing, and brings no Ray."""
    modules = [
        PACKAGE + module_of(path)
        for path in source_files()
        if path.is_relative_to(ROOT / "trainables") or path.is_relative_to(ROOT / "search_spaces")
    ]
    modules = [module for module in modules if not is_within(module, (PACKAGE + GENERATOR,))]
    import_all(modules, ["ray", "optuna", "mlflow", "pandas"], tmp_path)


@pytest.mark.slow
def test_importing_the_orchestrator_and_reports_does_no_work(tmp_path: Path) -> None:
    """Reports, and the orchestrator without its three backends, load no Ray, MLflow or torch."""
    backends = {module for modules in RULES["orchestrator"].only_in.values() for module in modules}
    modules = [
        PACKAGE + module_of(path)
        for path in source_files()
        if path.is_relative_to(ROOT / "orchestrator") or path.is_relative_to(ROOT / "reports")
    ]
    light = [module for module in modules if module.removeprefix(PACKAGE) not in backends]
    import_all(light, ["ray", "mlflow", "torch"], tmp_path)


@pytest.mark.slow
def test_importing_the_command_line_loads_nothing_heavy(tmp_path: Path) -> None:
    """`python sweep.py --help` answers at once: no Ray, MLflow, Optuna, torch or pandas is loaded for it."""
    import_all(
        ["tablewright.sweep"], ["ray", "mlflow", "optuna", "torch", "pandas", "pyarrow", "numpy"], tmp_path
    )


@pytest.mark.slow
def test_a_sweep_begins_without_what_only_some_need_or_its_end(tmp_path: Path) -> None:
    """Nothing lies between the command and its first training that another sampler, a database or the tables need."""
    late = ["cmaes", "matplotlib", "mlflow", "pandas", "ray", "scipy", "sqlalchemy", "torch"]
    import_all(["tablewright.command.run"], late, tmp_path)


ROOMS: dict[str, dict[str, tuple[str, ...]]] = {
    "orchestrator": {
        "agents": ("attempts", "project", "searches", "store"),
        "attempts": ("code", "declared", "plans", "project", "searches", "store"),
        "code": (),
        "costs": ("code", "declared", "plans", "store"),
        "declared": ("project",),
        "on_ray": ("attempts", "project", "searches", "store"),
        "plans": ("code", "declared", "project", "searches", "store"),
        "project": ("code", "declared"),
        "projections": ("code", "declared", "plans", "searches", "store"),
        "searches": ("costs", "declared", "plans", "project", "store"),
        "store": ("code", "declared"),
    },
    "reports": {
        "documents": ("latex", "page", "table"),
        "exports": ("notes", "statistics", "table"),
        "figures": ("notes", "statistics", "table"),
        "latex": ("statistics", "table"),
        "notes": ("statistics", "table"),
        "page": ("figures", "notes", "paper", "table"),
        "paper": ("documents", "figures", "latex", "notes", "statistics", "table"),
        "statistics": (),
        "table": ("statistics",),
    },
}
"""Of each folder the rooms in it, and which of the others each may import. A new arrow is a decision: draw it here."""


def arrows_of(top: str, room: str) -> set[str]:
    """Which other rooms of its folder a room imports."""
    return {
        name.removeprefix(PACKAGE).split(".")[1]
        for path in sorted((ROOT / top / room).rglob("*.py"))
        for _, name in imports_of(path.read_text(encoding="utf-8"), module_of(path))
        if name.startswith(f"{PACKAGE}{top}.") and (ROOT / top / name.split(".")[2]).is_dir()
    } - {room}


@pytest.mark.slow
@pytest.mark.parametrize("top", ROOMS)
def test_rooms_import_each_other_as_drawn(top: str) -> None:
    """Each room imports those that are drawn, and none is drawn that is not needed any more."""
    rooms = {path.parent.name for path in (ROOT / top).glob("*/__init__.py")}
    assert {room: set(others) for room, others in ROOMS[top].items()} == {
        room: arrows_of(top, room) for room in rooms
    }
