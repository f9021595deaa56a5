"""What counts as the code of a method that is declared in a file, however the file is written."""

import importlib.util
import itertools
import sys
import textwrap

import pytest

from tablewright.trainables.own.source import definitions_now

HEAD = """
import tablewright as tw
from helper import scale

class Mine(tw.Config):
    lr: float = 0.1

TOP1 = tw.Metric("top1", "Top-1")

def measure(config, model, split):
    return {"top1": 0.5}

OPTIONS = dict(metrics=[TOP1], data=tw.Data("None"))
"""
FIT = """
@tw.method(Mine, measure=measure, **OPTIONS)
def fit(config):
    return scale(config.lr)
"""
HELPER = "def scale(x):\n    return x + 1\n"


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """Loads a file of that text, as a process of its own would; gives what its method is made of."""
    (tmp_path / ".git").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    numbers = itertools.count()

    def load(text, files=(), *, config="Mine", place="mine.py", head=HEAD):
        for name, content in {"helper.py": HELPER, **dict(files)}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(textwrap.dedent(content))
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + textwrap.dedent(text), encoding="utf-8")
        return sourced(path, config)

    def sourced(path, config="Mine"):
        importlib.invalidate_caches()
        before = {*sys.modules}
        spec = importlib.util.spec_from_file_location(f"mine_{next(numbers)}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        try:
            spec.loader.exec_module(module)
            model = getattr(module, config)
            return model().make_trainable()._method.source
        finally:
            from tablewright.trainables.own import declaration

            declaration._METHODS.pop(config, None)
            for name in sorted({*sys.modules} - before, reverse=True):  # what lies inside first
                found = getattr(sys.modules[name], "__spec__", None)
                places = [found.origin, *(found.submodule_search_locations or ())] if found else []
                if any(str(place).startswith(str(tmp_path)) for place in places):
                    del sys.modules[name]

    load.folder, load.again = tmp_path, sourced
    return load


def changed(before, after):
    names = {*before.definitions, *after.definitions}
    return {name for name in names if before.definitions.get(name) != after.definitions.get(name)}


# -- how the function may be declared


@pytest.mark.parametrize(
    "text",
    [
        # a decorator of hers that keeps no name, and one that does
        """
        def timed(function):
            def inner(config):
                return function(config)
            return inner

        @tw.method(Mine, measure=measure, **OPTIONS)
        @timed
        def fit(config):
            return BODY
        """,
        """
        import torch

        @tw.method(Mine, measure=measure, **OPTIONS)
        @torch.enable_grad()
        def fit(config):
            return BODY
        """,
        # no decorator at all
        """
        def train(config):
            return BODY

        fit = tw.method(Mine, measure=measure, **OPTIONS)(train)
        """,
        "tw.method(Mine, measure=measure, **OPTIONS)(lambda config: BODY)\n",
        """
        import functools

        def train(config, *, factor):
            return factor

        fit = tw.method(Mine, measure=measure, **OPTIONS)(functools.partial(train, factor=BODY))
        """,
        # made by a function that is given what it closes over
        """
        def make(factor):
            @tw.method(Mine, measure=measure, **OPTIONS)
            def fit(config):
                return factor
            return fit

        fit = make(BODY)
        """,
        # where it depends on the machine
        """
        try:
            import no_such_package
        except ImportError:
            @tw.method(Mine, measure=measure, **OPTIONS)
            def fit(config):
                return BODY
        """,
    ],
)
@pytest.mark.slow
def test_the_function_counts_however_it_is_declared(declared, text):
    """Whatever stands in its place when it is handed over."""
    before, after = (declared(text.replace("BODY", body)) for body in "12")
    assert {"mine.py"} == {name.partition(":")[0] for name in changed(before, after)}


@pytest.mark.parametrize(
    "measure",
    [
        "lambda config, model, split: {'top1': BODY}",
        "functools.partial(measure_all, value=BODY)",
        "measure_mine",
        "Meter().measure",
    ],
)
def test_what_measures_counts_whatever_it_is(declared, measure):
    """A lambda, a partial, a method of an object, or a function under another name."""
    text = """
    import functools

    def measure_all(config, model, split, value):
        return {"top1": value}

    def measure_mine(config, model, split):
        return {"top1": BODY}

    class Meter:
        def measure(self, config, model, split):
            return {"top1": BODY}

    @tw.method(Mine, measure=MEASURE, **OPTIONS)
    def fit(config):
        return 1
    """.replace("MEASURE", measure)
    before, after = (declared(text.replace("BODY", body)) for body in ("0.1", "0.2"))
    assert 1 == len(changed(before, after))


def test_a_decorator_of_another_package_counts_as_it_is_written(declared):
    """Also where it has the name of ours."""
    text = """
    import cached_lab as lab

    @lab.method(BODY)
    def features(x):
        return x

    @tw.method(Mine, measure=measure, **OPTIONS)
    def fit(config):
        return features(1)
    """
    files = {"cached_lab.py": "def method(n):\n    return lambda function: function\n"}
    before, after = (declared(text.replace("BODY", body), files) for body in "12")
    assert {"mine.py: features"} == changed(before, after)


def test_our_decorator_is_known_by_any_name(declared):
    """Labels of metrics train nothing under whichever."""
    for line, name in (
        ("from tablewright import method as train_by", "train_by"),
        ("import tablewright as table", "table.method"),
        ("import tablewright.trainables.own.function as f", "f.method"),
    ):
        text = f"""
        {line}

        @{name}(Mine, measure=measure, says="WORD", **OPTIONS)
        def fit(config):
            return 1
        """
        before, after = (declared(text.replace("WORD", word)) for word in ("one", "two"))
        assert (name, set()) == (name, changed(before, after))


# -- imports


@pytest.mark.parametrize(
    "line",
    [
        "from lab import *",
        "import lab.nets.deep as nets",
        "from lab.nets import deep",
        "try:\n    import fast_lab\nexcept ImportError:\n    import lab.nets.deep as fast_lab",
        "if True:\n    from lab.nets.deep import build",
        "import importlib\nnets = importlib.import_module('lab.nets.deep')",
        "from importlib import import_module\nnets = import_module(name='lab.nets.deep')",
        "nets = __import__('lab.nets.deep')",
        "import importlib\nname = 'deep'\nnets = importlib.import_module(f'lab.nets.{name}')",
        "import importlib\nname = 'deep'\nnets = importlib.import_module('lab.nets.' + name)",
        "import patches  # noqa",
        "match 3:\n    case 3:\n        import lab.nets.deep as nets\n    case _:\n        nets = None",
    ],
)
@pytest.mark.parametrize("has_init", [True, False])
def test_an_imported_module_counts_however_it_is_imported(declared, line, has_init):
    """By star, on a condition, by its name in a text, for its effect; of packages with an `__init__.py` or none."""
    used = "nets, build, fast_lab" if "import patches" not in line else ""
    text = f"{line}\n" + FIT.replace("return scale", f"use = lambda: ({used})\n    return scale")
    files = {"patches.py": "import lab.nets.deep\n"}
    if has_init or "*" in line:
        files |= {
            "lab/__init__.py": "from .nets import deep\n",
            "lab/nets/__init__.py": "from . import deep\n",
        }
    before, after = (
        declared(text, {**files, "lab/nets/deep.py": f"def build():\n    return {body}\n"}) for body in "12"
    )
    assert {"lab/nets/deep.py: build"} == changed(before, after)


def test_modules_that_import_each_other_are_read_once(declared):
    """And what of her own file they use counts, whether her function refers to it or not."""
    text = "FACTOR = BODY\nimport circle\n" + FIT.replace("return scale", "return circle.turn() + scale")
    files = {"circle.py": "def turn():\n    import mine\n    return mine.FACTOR\n"}
    before, after = (declared(text.replace("BODY", body), files) for body in "12")
    assert {"mine.py: FACTOR"} == changed(before, after)


def test_a_study_without_any_mark_of_a_project_is_of_the_folder_that_has_its_studies(declared):
    """Networks lie beside `search_spaces/`, as the command line finds them."""
    (declared.folder / ".git").rmdir()
    before = declared(FIT, place="search_spaces/mine.py")
    after = declared(FIT, {"helper.py": HELPER.replace("+ 1", "+ 2")}, place="search_spaces/mine.py")
    assert {"helper.py: scale"} == changed(before, after)


def test_the_module_that_python_imports_is_the_one_that_counts(declared):
    """Not one of the same name beside the study."""
    other = {"search_spaces/helper.py": "def scale(x):\n    return 0\n"}
    found = declared(FIT, other, place="search_spaces/mine.py")
    assert {"helper.py: scale"} == {name for name in found.definitions if "helper" in name}


def test_links_are_followed_from_where_they_lie(declared):
    """A study or a module that is a link imports what lies beside the link."""
    declared(FIT, place="mine.py")
    elsewhere = declared.folder.parent / "elsewhere"
    elsewhere.mkdir()
    (declared.folder / "mine.py").rename(elsewhere / "mine.py")
    (declared.folder / "mine.py").symlink_to(elsewhere / "mine.py")
    (declared.folder / "helper.py").rename(elsewhere / "shared.py")
    (declared.folder / "helper.py").symlink_to(elsewhere / "shared.py")
    before = declared.again(declared.folder / "mine.py")
    (elsewhere / "shared.py").write_text(HELPER.replace("+ 1", "+ 2"))
    assert {"helper.py: scale"} == changed(before, declared.again(declared.folder / "mine.py"))


def test_what_is_installed_in_a_folder_of_the_project_is_not_its_code(declared):
    """An environment beside the study is known by the versions of its packages."""
    text = "import vast\n" + FIT.replace("return scale", "return vast.x + scale")
    folder = "env/lib/python3/site-packages"
    sys.path.insert(0, str(declared.folder / folder))
    try:
        found = declared(text, {f"{folder}/vast/__init__.py": "x = 1\n"})
    finally:
        sys.path.remove(str(declared.folder / folder))
    assert (("vast",), False) == (found.imports, any("vast/" in name for name in found.definitions))


def test_packages_are_named_by_what_is_imported(declared):
    """Those of her file as far as her function needs them, and those of her modules; none of the standard library."""
    text = """
    import json
    import pandas
    from numpy.random import default_rng
    import torch.nn as nn

    @tw.method(Mine, measure=measure, **OPTIONS)
    def fit(config):
        import scipy.stats
        return nn, default_rng, json, scale

    def make_study(profile):
        return pandas
    """
    found = declared(text, {"helper.py": f"import yaml\n{HELPER}"})
    assert ("numpy", "scipy", "torch", "yaml") == found.imports


# -- what a file does beside defining


@pytest.mark.parametrize(
    "line",
    [
        "torch.backends.cudnn.benchmark = BODY",
        "os.environ['A_VARIABLE_OF_THIS_TEST'] = str(BODY)",
        "if True:\n    torch.manual_seed(int(BODY))",
        "for number in range(1):\n    globals()['x'] = BODY",
        "with torch.no_grad():\n    print(BODY, end='')",
    ],
)
def test_what_a_file_does_when_it_is_imported_counts(declared, line):
    """A setting of a package or of the process, on a condition or not, whether the function names it or not."""
    text = "import os\nimport torch\nFLAG = torch.backends.cudnn.benchmark\nLINE\n"
    text += "torch.backends.cudnn.benchmark = FLAG\n"
    before, after = (
        declared(text.replace("LINE", line.replace("BODY", body)) + FIT) for body in ("True", "False")
    )
    assert "mine.py: (what runs when it is imported)" in changed(before, after)


@pytest.mark.parametrize(
    "line",
    [
        'ROWS = {}\nROWS["a"] = BODY',  # her own, and nothing refers to it
        'RATE = 1\n"""BODY: a word on a constant."""',
        "if __name__ == '__main__':\n    print(BODY)",
        "class Row:\n    number = BODY",
    ],
)
def test_what_her_function_has_nothing_to_do_with_does_not_count(declared, line):
    """So that a row of a table or a word on a constant trains nothing again."""
    before, after = (declared(f"{line.replace('BODY', body)}\n{FIT}") for body in "12")
    assert set() == changed(before, after)


def test_the_encoding_that_a_file_names_is_its_own(declared):
    """By a cookie in its first line, or by a mark."""
    text = HEAD + 'WORD = "é"\n' + FIT.replace("scale(config.lr)", "scale(WORD)")
    (declared.folder / "helper.py").write_text(HELPER)
    path = declared.folder / "mine.py"
    found = []
    for cookie, encoding in (("# -*- coding: latin-1 -*-\n", "latin-1"), ("", "utf-8"), ("", "utf-8-sig")):
        path.write_bytes((cookie + text).encode(encoding))
        found.append(declared.again(path))
    assert found[0] == found[1] == found[2]


# -- configs

NESTED = """
import tablewright as tw
from helper import scale
from tablewright.trainables.value.frozen_model import FrozenModel
from typing import ClassVar, Literal

WIDTH = 8
Kind = Literal["a", "b"]

class Net(FrozenModel):
    width: int = WIDTH
    kind: Kind = "a"

    def build(self):
        return self.width

class Base(tw.Config):
    momentum: float = 0.9

class Mine(Base):
    lr: float = 0.1
    net: Net | None = Net()
    nets: tuple[Net, ...] = ()
    FACTOR: ClassVar[int] = 1

TOP1 = tw.Metric("top1", "Top-1")

@tw.method(Mine, measure=lambda config, model, split: {"top1": 0.5}, metrics=[TOP1], data=tw.Data("None"))
def fit(config):
    return scale(config.net.build())
"""


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        # values, which a config's own comparison tells
        ("width: int = WIDTH", "width: int = 16", set()),
        ("WIDTH = 8", "WIDTH = 16", set()),
        ('kind: Kind = "a"', 'kind: Kind = "b"', set()),
        ("momentum: float = 0.9", "momentum: float = 0.8", set()),
        ('Literal["a", "b"]', 'Literal["a", "b", "c"]', set()),
        ("lr: float = 0.1", "lr: float = 0.1\n    more: int = 3", set()),
        # code
        ("return self.width", "return 2 * self.width", {"mine.py: Net"}),
        ("FACTOR: ClassVar[int] = 1", "FACTOR: ClassVar[int] = 2", {"mine.py: Mine"}),
    ],
)
def test_fields_of_a_config_are_values_and_the_rest_of_it_is_code(declared, before, after, names):
    """Those of components and of base classes too, and the constants that they have as defaults."""
    assert before in NESTED
    changes = (NESTED, NESTED.replace(before, after))
    assert names == changed(*(declared(text, head="") for text in changes))


def test_a_component_in_another_file_has_values_and_code_too(declared):
    """Its methods count, though nothing but a field of the config refers to them."""
    file = """
    from tablewright.trainables.value.frozen_model import FrozenModel

    class Net(FrozenModel):
        width: int = 8

        def build(self):
            return self.width
    """
    text = "from nets import Net\n" + FIT
    head = HEAD.replace("    lr: float = 0.1\n", "    lr: float = 0.1\n    net: Net = Net()\n")
    head = "from nets import Net\n" + head
    first = declared(text, {"nets.py": file}, head=head)
    assert set() == changed(first, declared(text, {"nets.py": file.replace("= 8", "= 9")}, head=head))
    after = declared(text, {"nets.py": file.replace("return self", "return 2 * self")}, head=head)
    assert {"nets.py: Net"} == changed(first, after)


def test_a_module_that_was_edited_after_it_was_read_is_found(declared):
    """A function that imports it later would run other code than its training is recorded under."""
    files = {"lab/__init__.py": "", "lab/nets.py": "WIDTH = 8\n", "lab/rates.py": "RATE = 1\n"}
    text = FIT.replace("    return", "    from lab import nets, rates\n    return")
    found = declared(text, files)
    path = declared.folder / "mine.py"
    assert found.definitions == definitions_now(found, path)
    (declared.folder / "lab/nets.py").write_text("# wider\nWIDTH = 16\n")
    (declared.folder / "lab/rates.py").unlink()
    path.write_text(path.read_text().replace("scale(", "2 * scale("))  # it is in memory as it was
    now = definitions_now(found, path)
    changed_now = {name for name in found.definitions if found.definitions[name] != now.get(name)}
    assert {"lab/nets.py: WIDTH", "lab/rates.py: RATE"} == changed_now


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (
            "NETS = {}\ndef register(f):\n    NETS['a'] = f\n    return f\n@register\ndef small():\n    return BODY\n",
            True,
        ),
        (
            "class Base:\n    pass\nclass Small(Base):\n    size = BODY\nBASES = Base.__subclasses__\nNETS = Base\n",
            True,
        ),
        ("import functools\nNETS = {}\n@functools.cache\ndef small():\n    return BODY\n", False),
    ],
)
def test_what_a_registry_holds_is_reached_through_it(declared, text, is_one):
    """A decorator may keep a function for others to find, and a class knows those derived from it."""
    text += FIT.replace("return scale", "use = lambda: NETS\n    return scale")
    before, after = (declared(text.replace("BODY", body)) for body in "12")
    assert is_one == bool(changed(before, after))


def test_what_a_mapping_gives_the_decorator_counts(declared):
    """A measuring function may be in it."""
    text = """
    def measure_all(config, model, split):
        return {"top1": BODY}

    COMMON = {**OPTIONS, "measure": measure_all}

    @tw.method(Mine, **COMMON)
    def fit(config):
        return 1
    """
    before, after = (declared(text.replace("BODY", body)) for body in ("0.1", "0.2"))
    assert "mine.py: measure_all" in changed(before, after)


def test_libraries_of_the_same_checkout_count(declared, monkeypatch):
    """They may lie beside the folder that holds the studies."""
    (declared.folder / ".git").mkdir(exist_ok=True)
    (declared.folder / "library").mkdir()
    (declared.folder / "paper/search_spaces").mkdir(parents=True)
    monkeypatch.syspath_prepend(declared.folder / "library")
    text = "import deep\n" + FIT.replace("return scale", "return deep.build() + scale")
    found = [
        declared(
            text,
            {"library/deep.py": f"def build():\n    return {body}\n"},
            place="paper/search_spaces/mine.py",
        )
        for body in "12"
    ]
    assert {"../library/deep.py: build"} == changed(*found)
