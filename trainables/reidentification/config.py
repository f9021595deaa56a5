"""What the configs of all re-identification methods have in common: images, optimiser, and how they are viewed."""

from __future__ import annotations

from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.data.reid import ReidData
from tablewright.trainables.retrieval.embedding_config import EmbeddingConfig
from tablewright.trainables.training.optimisation import Optimisation


class ReidConfig(EmbeddingConfig):
    """The config of a re-identification method; each adds its network and its losses."""

    data: ReidData
    optimisation: Optimisation

    def dataset_name(self) -> str:
        """Name of the data set."""
        return self.data.dataset_name

    def as_trained(self) -> ReidConfig:
        """Give the config with what of its data set is trained on; see `ReidData.as_trained`."""
        data = self.data.as_trained()
        return self if data == self.data else self.model_copy(update={"data": data})

    def planned_epochs(self) -> int:
        """Length of the whole training."""
        return self.optimisation.num_epochs

    def check_view(self, view: EvaluationView) -> None:
        """Refuse absent embeddings, and a validation on people that the training sees."""
        super().check_view(view)
        self.data.require_split(view.split)
