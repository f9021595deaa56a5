"""A paper made of existing parts is one new file: nothing else is edited, registered or imported."""

import json
import shutil

import pytest

from tests.toy_studies import ROOT
from tests.warm_command import run_warm

pytestmark = pytest.mark.slow

STUDY = '''"""Invented: does a person need more than one stripe, or a teacher?"""
from tablewright.orchestrator.declared.samplers import Random
from tablewright.orchestrator.declared.design import LeaveOneOut, Row, Sweep
from tablewright.orchestrator.declared.ranges import Choice
from tablewright.orchestrator.declared.samplers import Random
from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.search import Objective, Search
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.study import Study
from tablewright.trainables.retrieval.view import MAP, MINP, RANK1, RetrievalView, Reranking
from tablewright.trainables.data.reid import ReidData
from tablewright.trainables.layers.backbone import Backbone
from tablewright.trainables.mdpr import MdprConfig, MdprNetworkConfig
from tablewright.trainables.training.optimisation import Optimisation


def make_study(profile):
    base = MdprConfig(
        data=ReidData(dataset="demo_pedestrians", height_px=64, width_px=32, num_identities=20, num_instances=8),
        network=MdprNetworkConfig(
            backbone=Backbone(architecture="mobilenet_v2_short", weights="imagenet_mobilenet", num_frozen_stages=3),
            embedding_size=16,
        ),
        optimisation=Optimisation(num_epochs=1, warmup_steps=0, precision="fp32"),
    )
    people = [Dataset("People")]
    without = {
        "distillation": {"losses.distillation": None},
        "fusion": {"network.fusion": False},
    }
    parts = Ablation(
        "parts", "What each part brings", base, people, [LeaveOneOut(without)], RetrievalView(), [MAP, RANK1],
    )
    reranked = Ablation(
        "reranked", "The full network, re-ranked", base, people, [Row("full"), Row("hard", view=RetrievalView(
            embeddings=("hard",), reranking=Reranking()))], RetrievalView(reranking=Reranking()), [MAP, MINP],
    )
    sizes = Search(
        "sizes", "Embedding size found", base, people[0], {"network.embedding_size": Choice((8, 16))},
        Objective(MAP, RetrievalView(split="val")), 2, RetrievalView(), [MAP], sampler=Random(),
    )
    return Study("invented", "An invented paper", "none", (0,), [parts, reranked], [sizes])
'''


@pytest.fixture
def project(tmp_path):
    """A folder of studies with the invented one alone in it, beside a copy of the command line."""
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces/invented.py").write_text(STUDY)
    shutil.copy(ROOT / "sweep.py", tmp_path / "sweep.py")
    return tmp_path


def test_one_file_is_a_paper(project):
    """It is listed, planned, checked, trained on real images, searched, and ends in tables of every format."""
    status, printed = run_warm(project)
    assert (0, True) == (status, "Invented: does a person" in printed), printed
    status, printed = run_warm(project, "invented", "--plan")
    assert (0, True) == (status, "6 cells from 3 trainings" in printed), printed
    status, printed = run_warm(project, "invented", "--check")
    assert 0 == status, printed
    status, printed = run_warm(project, "invented", "--agent")
    assert 0 == status, printed
    tables = project / "runs/tables/demo/invented"
    for name in ("parts", "reranked", "sizes"):
        for kind in ("tex", "md", "html", "parquet"):
            assert (tables / f"{name}.{kind}").stat().st_size > 100, (name, kind)
    assert "best of 2 trials" in (tables / "sizes.md").read_text()
    records = [json.loads(path.read_text()) for path in project.glob("runs/trainings/*/record.json")]
    assert [8, 16, 16, 16] == sorted(record["config"]["network"]["embedding_size"] for record in records)
