"""clusters/kuberay.yaml and kubernetes_agents.yaml: fit Kubernetes' schema, our options and the image."""

import re
import shlex
import subprocess

import kubernetes_validate
import pytest
import typer
import yaml

from tablewright import sweep
from tablewright.orchestrator.signals import DEFAULT_GRACE_S
from tests.toy_studies import ROOT

KUBERNETES = "1.35"
"""The newest that most clusters have; fields that an operator adds are below."""
RAY_JOB = {
    *("entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "rayClusterSpec"),
    *("activeDeadlineSeconds", "submissionMode", "submitterPodTemplate", "runtimeEnvYAML", "suspend"),
}
RAY_CLUSTER = {
    *("rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec"),
    "workerGroupSpecs",
}
AUTOSCALER = {"version", "idleTimeoutSeconds", "upscalingMode", "resources", "image", "env"}
HEAD = {"rayStartParams", "serviceType", "template"}
WORKERS = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
"""Fields of RayJob (ray.io/v1), read in KubeRay's own definitions; see docs/clusters.md for which."""


def read(name):
    return list(yaml.safe_load_all((ROOT / "clusters" / name).read_text()))


CLAIM, RAY = read("kuberay.yaml")
(AGENTS,) = read("kubernetes_agents.yaml")
CLUSTER = RAY["spec"]["rayClusterSpec"]
HEAD_GROUP, (GPU_GROUP,) = CLUSTER["headGroupSpec"], CLUSTER["workerGroupSpecs"]
HEAD_POD, GPU_POD = HEAD_GROUP["template"]["spec"], GPU_GROUP["template"]["spec"]
PODS = {"head": HEAD_POD, "worker": GPU_POD, "agent": AGENTS["spec"]["template"]["spec"]}


def container(pod):
    (only,) = pod["containers"]
    return only


def variables(pod):
    return {entry["name"]: entry["value"] for entry in container(pod).get("env", ())}


def options():
    """Each variable that an option is read from."""
    found = (getattr(one, "envvar", None) for one in typer.main.get_command(sweep.app).params)
    return {*filter(None, found)}


def validate(document):
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.slow
def test_kubernetes_accepts_the_files_and_the_pods_in_them():
    """Strictly: a field that it does not know is refused, where a cluster would drop it without a word."""
    validate(CLAIM)
    validate(AGENTS)
    for name, pod in PODS.items():
        validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod})
    misspelt = {**HEAD_POD, "terminationGraceSeconds": 3}
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGraceSeconds"):
        validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": misspelt})


def test_every_field_is_one_that_kuberay_knows():
    """The operator drops what it does not know."""
    assert ("ray.io/v1", "RayJob") == (RAY["apiVersion"], RAY["kind"])
    for given, known in (
        (RAY["spec"], RAY_JOB),
        (CLUSTER, RAY_CLUSTER),
        (CLUSTER["autoscalerOptions"], AUTOSCALER),
        (HEAD_GROUP, HEAD),
        (GPU_GROUP, WORKERS),
    ):
        assert set() == {*given} - known
    assert {"mode": "token"} == CLUSTER["authOptions"]
    assert all(isinstance(value, str) for value in HEAD_GROUP["rayStartParams"].values())


def test_the_cluster_has_the_ray_of_the_image():
    """Another version could not be joined."""
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert pinned == CLUSTER["rayVersion"]
    assert 1 == len({container(pod)["image"] for pod in PODS.values()})


def test_the_head_trains_nothing_and_gpu_workers_come_and_go():
    """As many as trainings run at a time, each with the GPU that one takes."""
    assert "0" == HEAD_GROUP["rayStartParams"]["num-cpus"]
    assert "nvidia.com/gpu" not in container(HEAD_POD)["resources"]["limits"]
    assert CLUSTER["enableInTreeAutoscaling"]
    assert (0, 0, 8) == (GPU_GROUP["replicas"], GPU_GROUP["minReplicas"], GPU_GROUP["maxReplicas"])
    given = variables(HEAD_POD)
    assert str(GPU_GROUP["maxReplicas"]) == given["TABLEWRIGHT_MAX_CONCURRENT"]
    for pod in (GPU_POD, PODS["agent"]):
        assert "1" == container(pod)["resources"]["limits"]["nvidia.com/gpu"]
        assert container(pod)["resources"]["requests"] == container(pod)["resources"]["limits"]
        assert any(one["key"] == "nvidia.com/gpu" for one in pod["tolerations"])
    assert "1" == given["TABLEWRIGHT_GPUS_PER_TRAINING"]


def test_the_environment_speaks_only_to_options_that_exist():
    """What is misspelt would be refused, in a pod that nobody looks at; and the store outlives each pod."""
    for name in ("head", "agent"):
        given = variables(PODS[name])
        ours = {variable for variable in given if variable.startswith("TABLEWRIGHT_")}
        assert set() == ours - options()
        mounted = {one["name"]: one["mountPath"] for one in container(PODS[name])["volumeMounts"]}
        assert given["TABLEWRIGHT_STORE"].startswith(f"{mounted['shared']}/")
        assert given["TABLEWRIGHT_DATA_ROOT"].startswith(f"{mounted['shared']}/")
    assert "auto" == variables(HEAD_POD)["TABLEWRIGHT_ADDRESS"]


def test_every_pod_sees_the_store_has_memory_for_rays_objects_and_is_not_root():
    """The same folder under the same name, whoever trains."""
    for pod in PODS.values():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {one["mountPath"]: volumes[one["name"]] for one in container(pod)["volumeMounts"]}
        assert CLAIM["metadata"]["name"] == mounts["/shared"]["persistentVolumeClaim"]["claimName"]
        assert "Memory" == mounts["/dev/shm"]["emptyDir"]["medium"]
        assert 1000 == pod["securityContext"]["runAsUser"]
        assert "Never" == pod["restartPolicy"]
    assert ["ReadWriteMany"] == CLAIM["spec"]["accessModes"]


def test_trainings_have_the_time_to_save_before_a_pod_is_gone():
    """Told to end before Ray is, and given more than the command itself waits for them."""
    for name, pod in PODS.items():
        assert DEFAULT_GRACE_S < pod["terminationGracePeriodSeconds"], name
    assert DEFAULT_GRACE_S < float(variables(HEAD_POD)["RAY_JOB_STOP_WAIT_TIME_S"])
    for pod in (HEAD_POD, GPU_POD):  # an agent has the signal from the image's own PID 1
        command = container(pod)["lifecycle"]["preStop"]["exec"]["command"]
        assert ["bash", "-c"] == command[:2]
        subprocess.run(["bash", "-n", "-c", command[2]], check=True)
    rules = AGENTS["spec"]["podFailurePolicy"]["rules"]
    assert [("Ignore", "DisruptionTarget")] == [
        (rule["action"], rule["onPodConditions"][0]["type"]) for rule in rules
    ]


def test_the_command_is_the_same_as_anywhere():
    """A study and options of ours; nothing that a shell would read otherwise."""
    words = shlex.split(RAY["spec"]["entrypoint"])
    assert ["tablewright", "mdpr_ablation"] == words
    assert [*words[1:], "--agent"] == container(PODS["agent"])["args"]
    assert " ".join(words) == RAY["spec"]["entrypoint"]
