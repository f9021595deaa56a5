"""Which images of a machine's cache the studies of a project need."""

import dataclasses

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.plans.needed_images import needed_images
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import Runtime
from tests.orchestrator.toy_sweep import a_search, a_study
from tests.toy_method import ToyConfig, ToyTrainable


class Keeps(ToyTrainable):
    """Keeps images in a shape that its config says, of data that are here or not."""

    def cache_needs(self, config, runtime):
        return []

    def cache_shape(self, config):
        return f"{config.side_px}x{config.side_px}"

    def describe_data(self, config, runtime):
        if config.data_name == "absent":
            raise ValueError("it is not on this machine")
        facts = super().describe_data(config, runtime)
        return dataclasses.replace(
            facts, split_fingerprints={"train": f"{config.data_name} train", "query": "query"}
        )


class KeepsConfig(ToyConfig):
    METHOD = "keeps"
    side_px: int = 8

    def make_trainable(self):
        return Keeps()


def needed(tmp_path, *studies):
    return needed_images(
        [list(studies)], Store(str(tmp_path / "runs")), Runtime(None, str(tmp_path / "cache"))
    )


def test_every_split_is_needed_in_the_shapes_of_its_rows(tmp_path):
    """Those of a search too; a method that keeps no images needs none."""
    rows = [Row("plain"), Row("large", {"side_px": 16}), Row("other", {"side_px": 16, "data_name": "other"})]
    searched = a_study(
        [Row("plain")], base=ToyConfig(), searches=[a_search(base=KeepsConfig(side_px=32, data_name="third"))]
    )
    found = needed(tmp_path, a_study(rows, base=KeepsConfig()))
    assert {
        "8x8": {"toyset train", "query"},
        "16x16": {"toyset train", "other train", "query"},
    } == found.fingerprints_of
    assert {"32x32": {"third train", "query"}} == needed(tmp_path, searched).fingerprints_of
    assert set() == found.unknown_shapes


def test_a_data_set_that_nobody_knows_is_said_to_be_unknown(tmp_path):
    """With the shape in which its images may lie there."""
    found = needed(
        tmp_path,
        a_study([Row("plain"), Row("gone", {"side_px": 16, "data_name": "absent"})], base=KeepsConfig()),
    )
    assert ({"16x16"}, {"absent"}) == (found.unknown_shapes, found.unknown_data)
