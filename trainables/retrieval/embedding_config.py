"""The config of a method that embeds images."""

from __future__ import annotations

import abc
from collections.abc import Sequence

from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.retrieval.view import RetrievalView


class EmbeddingConfig(TrainingConfig):
    """The config of a method that embeds images, so that they can be retrieved."""

    @abc.abstractmethod
    def embedding_widths(self) -> dict[str, int]:
        """Name the embeddings offered under this configuration, with their widths, in joining order."""

    @abc.abstractmethod
    def embedding_groups(self) -> dict[str, tuple[str, ...]]:
        """Name the groups a view may ask for; `all` is always one."""

    def check_view(self, view: EvaluationView) -> None:
        """Refuse a view of another kind, or of an embedding that this configuration does not offer."""
        if not isinstance(view, RetrievalView):
            raise ValueError(
                f"{self.METHOD} embeds images and is measured by retrieval, got a {view.KIND} view; "
                "give a RetrievalView"
            )
        self.resolve_embeddings(view.embeddings)

    def resolve_embeddings(self, names: Sequence[str]) -> tuple[str, ...]:
        """Spell out groups and put the embeddings of a view into joining order.

        Raises:
            ValueError: a name is neither an embedding nor a group of this configuration.
        """
        widths, groups = self.embedding_widths(), self.embedding_groups()
        unknown = [name for name in names if name not in widths and name not in groups]
        if unknown:
            raise ValueError(
                f"{self.METHOD} offers no embedding {', '.join(map(repr, unknown))} "
                f"under this configuration; it offers {', '.join(widths)} and the groups {', '.join(groups)}"
            )
        chosen = {member for name in names for member in groups.get(name, (name,))}
        return tuple(name for name in widths if name in chosen)
