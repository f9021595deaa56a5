"""Methods whose networks start from one backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tablewright.trainables.layers.backbone import BACKBONE, Backbone, build_backbone, find_weights_files
from tablewright.trainables.layers.pretrained import StartingFile
from tablewright.trainables.layers.stages import Stages
from tablewright.trainables.training.paired_parts import build_part


class FromBackbone:
    """A method that starts from the published weights of one backbone, `network.backbone`, and of nothing else."""

    def weights_files(self, config: Any, data_root: str | None) -> Mapping[str, StartingFile]:
        """Find the published weights the config starts from; none for random ones.

        Raises:
            ValueError: they are not where they are expected; says where that is.
        """
        return find_weights_files(data_root, {BACKBONE: config.network.backbone})


def build_stages(backbone: Backbone, weights: Mapping[str, StartingFile]) -> Stages:
    """Build the stages of such a backbone with its starting weights; random ones follow from its part of the seed."""
    return build_part("backbone", build_backbone, backbone, weights.get(BACKBONE))
