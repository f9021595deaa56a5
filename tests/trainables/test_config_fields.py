"""Every field of a config is known to change weights, every runtime setting is known not to, and ids stay."""

import dataclasses
import json
import os
import types
import typing
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from tablewright.orchestrator.identity import canonical, training_id
from tablewright.trainables import hacnn, mancs, mdpr, mgn, tasn
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.value.frozen_model import FrozenModel

PINNED = Path(__file__).parent / "config_fields.json"
RENEW = "RENEW_SNAPSHOTS"

# A setting stands here when it cannot change a weight on a CPU, but for the order of sums; others belong in a config.
RUNTIME_SETTINGS = {
    *("data_root", "cache_dir", "device", "cpus", "gpus"),
    *("checkpoint_every_s", "stall_s", "command_line", "owner", "process"),
    *("data_were_seen", "image_cache"),
}

CONFIGS = {
    "mdpr paper market1501": mdpr.paper_config("market1501"),
    "mdpr paper dukemtmc": mdpr.paper_config("dukemtmc"),
    "mdpr demo": mdpr.demo_config(),
    "mgn paper market1501": mgn.paper_config("market1501"),
    "mgn demo": mgn.demo_config(),
    "hacnn paper market1501": hacnn.paper_config("market1501"),
    "hacnn code recipe": hacnn.code_recipe(hacnn.paper_config("market1501")),
    "hacnn demo": hacnn.demo_config(),
    "mancs paper market1501": mancs.paper_config("market1501"),
    "mancs demo": mancs.demo_config(),
    "tasn paper cub200": tasn.paper_config("cub200"),
    "tasn demo": tasn.demo_config(),
}
CLASSES = (mdpr.MdprConfig, mgn.MgnConfig, hacnn.HacnnConfig, mancs.MancsConfig, tasn.TasnConfig)
DATA = "0" * 64


def fields_of(model, prefix=""):
    """Dotted path -> canonical default of every field, into every kind of every component."""
    found = {}
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        is_required = default is PydanticUndefined
        found[prefix + name] = "required" if is_required else canonical(default)
        for member in models_in(field.annotation):
            found |= fields_of(member, f"{prefix}{name}.")
    return found


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, FrozenModel):
        return [annotation]
    is_union = isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union
    return [model for part in typing.get_args(annotation) for model in models_in(part)] if is_union else []


def current():
    return {
        **{kind.__name__: {"VERSION": kind.VERSION, "fields": fields_of(kind)} for kind in CLASSES},
        "golden ids": {name: training_id(config, DATA) for name, config in CONFIGS.items()},
    }


@pytest.fixture(scope="module")
def pinned():
    if os.environ.get(RENEW):
        PINNED.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n")
    return json.loads(PINNED.read_text())


@pytest.mark.parametrize("kind", CLASSES)
def test_every_field_and_default_of_a_config_is_classed(pinned, kind):
    """A new field must not change old ids at its default, and a changed default must raise VERSION.

    When this fails on purpose: give the field a default that trains as before, or raise VERSION; then
    `RENEW_SNAPSHOTS=1 python -m pytest tests/trainables/test_config_fields.py`, and read the diff.
    """
    assert json.loads(json.dumps(current()[kind.__name__])) == pinned[kind.__name__]


def test_golden_ids_of_the_built_in_recipes_stay(pinned):
    """The ids of the published and the demo recipe are those under which people have records."""
    assert current()["golden ids"] == pinned["golden ids"]


def test_every_runtime_setting_is_classed():
    """A setting that is not in a config must be one that cannot change a weight."""
    assert {field.name for field in dataclasses.fields(Runtime)} == RUNTIME_SETTINGS
