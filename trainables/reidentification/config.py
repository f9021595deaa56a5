"""What the configs of all re-identification methods have in common: images, optimiser, and how they are viewed."""

from __future__ import annotations

from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.data.reid import TRAINS_LIKE, ReidData
from tablewright.trainables.retrieval.embedding_config import EmbeddingConfig
from tablewright.trainables.training.optimisation import Optimisation


class ReidConfig(EmbeddingConfig):
    """The config of a re-identification method; each adds its network and its losses."""

    data: ReidData
    optimisation: Optimisation

    def dataset_name(self) -> str:
        """Name of the data set."""
        return self.data.dataset

    def as_trained(self) -> ReidConfig:
        """Give the config with the data set that has the same images to train on and no further ones to measure on."""
        dataset = TRAINS_LIKE.get(self.data.dataset)
        if dataset is None:
            return self
        return self.model_copy(update={"data": self.data.model_copy(update={"dataset": dataset})})

    def planned_epochs(self) -> int:
        """Length of the whole training."""
        return self.optimisation.num_epochs

    def check_view(self, view: EvaluationView) -> None:
        """Refuse absent embeddings, and a validation on people that the training sees."""
        super().check_view(view)
        self.data.require_split(view.split)
