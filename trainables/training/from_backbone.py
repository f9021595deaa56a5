"""Methods whose networks start from one backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tablewright.trainables.layers.backbone import BACKBONE, find_weights_files
from tablewright.trainables.layers.pretrained import StartingFile


class FromBackbone:
    """A method that starts from the published weights of one backbone, `network.backbone`, and of nothing else."""

    def weights_files(self, config: Any, data_root: str | None) -> Mapping[str, StartingFile]:
        """Find the published weights the config starts from; none for random ones.

        Raises:
            ValueError: they are not where they are expected; says where that is.
        """
        return find_weights_files(data_root, {BACKBONE: config.network.backbone})
