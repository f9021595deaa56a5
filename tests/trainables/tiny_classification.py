"""A small classifier with two heads and dropout, on a miniature CUB-200-2011."""

from types import MappingProxyType

from torch import nn
from torch.nn import functional

from tablewright.trainables.classification.method import ClassificationTrainable
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.data.fine_grained import FineGrainedData
from tablewright.trainables.layers.backbone import BACKBONE
from tablewright.trainables.layers.pretrained import load_weights
from tablewright.trainables.training.optimisation import Optimisation
from tests.trainables.tiny_fine_grained import write_cub200


def tiny_runtime(folder, **changes):
    """Write the data under a folder and say so."""
    if not (folder / "data").exists():
        write_cub200(folder / "data")
    return Runtime(str(folder / "data"), str(folder / "cache"), **changes)


class TinyClassifierConfig(TrainingConfig):
    METHOD = "tiny_classifier"
    VERSION = 1

    data: FineGrainedData = FineGrainedData(dataset="cub200", shorter_side_px=20, crop_px=16, batch_size=2)
    optimisation: Optimisation = Optimisation(
        num_epochs=3, base_lr=1e-2, warmup_steps=3, final_lr=1e-4, precision="fp32"
    )

    def make_trainable(self):
        return ClassificationTrainable(TinyClassifier())

    def dataset_name(self):
        return self.data.dataset_name

    def as_trained(self):
        return self.model_copy(update={"data": self.data.as_trained()})

    def planned_epochs(self):
        return self.optimisation.num_epochs

    def check_view(self, view):
        self.data.require_split(view.split)


class TinyNetwork(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2))
        self.heads = nn.ModuleDict({name: nn.Linear(6, num_classes) for name in ("master", "part")})

    def classify(self, images_BCHW):
        pooled_BC = self.stem(images_BCHW / 255).mean((2, 3))
        return {name: head(pooled_BC) for name, head in self.heads.items()}


class TinyClassifier:
    """`weights` are the files it starts from, by part."""

    def __init__(self, weights=MappingProxyType({})):
        self.weights = weights

    def weights_files(self, config, data_root):
        return self.weights

    def build_network(self, config, num_classes, weights):
        network = TinyNetwork(num_classes)
        if BACKBONE in weights:
            load_weights(network.stem, weights[BACKBONE])
        return network

    def loss_terms(self, config, network, images_per_rank, labels_per_rank, epoch):
        for images_BCHW, labels_B in zip(images_per_rank, labels_per_rank, strict=True):
            logits = network.classify(images_BCHW)
            yield {name: functional.cross_entropy(logits_BI, labels_B) for name, logits_BI in logits.items()}
