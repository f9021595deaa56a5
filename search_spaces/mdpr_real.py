"""MDPR's full row on real people: eleven pedestrians cut from a public video by `make real`.

Trained on six people and tested on five, at the demo's scale. One camera sees them all and the part of the
picture stands for the camera, so scores are optimistic; the table shows that the whole path works on real
images, nothing more. Source of the pictures: PETS 2009, University of Reading.
"""

from __future__ import annotations

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.study import Study
from tablewright.trainables.mdpr import demo_config
from tablewright.trainables.retrieval.view import MAP, MINP, RANK1, RetrievalView

REAL = Dataset(
    "Real pedestrians",
    # The demo's batch of 64 images asks for sixteen people; there are six, of whom an epoch sees every image.
    {
        "data.dataset": "real_pedestrians",
        "data.sampling": "identities",
        "data.num_identities": 4,
        "data.num_instances": 8,
    },
)


def make_study(profile: Profile) -> Study:
    """Declare one row; both profiles train it at the demo's scale, the data set is too small for more."""
    Profile(profile)  # refuses what is none
    table = Ablation(
        "full_row",
        "MDPR with every component on eleven real people",
        demo_config(),
        [REAL],
        [Row("MDPR")],
        RetrievalView(split="test"),
        [MAP, RANK1, MINP],
    )
    return Study(
        "mdpr_real",
        "MDPR: its full row on real people",
        "MDPR",
        (3407, 3408, 3409),
        [table],
        is_on_request=True,
    )
