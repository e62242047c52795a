"""Node Feature Discovery on the test cluster: its own programs, manifests and types, in an image made here."""

import pathlib
import shutil

from bed import images
from bed.program import Fault

IMAGE = "registry.k8s.io/nfd/node-feature-discovery:v0.18.3"
NAMESPACE = "node-feature-discovery"
# How often its worker reads the feature files; its own default is a minute.
SLEEP_SECONDS = 2


def _image(programs, folder):
    """As its own minimal image is: two programs, the worker's config, an unprivileged user."""
    tree = folder / "nfd"
    for part in ("usr/bin", "etc/kubernetes/node-feature-discovery", "tmp"):
        (tree / part).mkdir(parents=True)
    for program in ("nfd-master", "nfd-worker"):
        shutil.copy(programs / program, tree / "usr/bin")
    archive = images.write_image(folder / "nfd.tar", IMAGE, tree, {"Env": ["PATH=/usr/bin"], "User": "65534:65534"})
    shutil.rmtree(tree)
    return archive


def _change(path, old, new):
    text = path.read_text()
    if old not in text:
        raise Fault(f"{path.name} of Node Feature Discovery has no {old!r}")
    path.write_text(text.replace(old, new))


def install(cluster, folder):
    """`kubectl apply -k` of its default overlay, without the collector of lost nodes; until it serves every node."""
    programs = cluster.parts["nfd"]
    folder = pathlib.Path(folder)
    cluster.import_image(_image(programs, folder))
    manifests = folder / "deployment"
    shutil.copytree(programs / "deployment", manifests)
    _change(manifests / "overlays/default/kustomization.yaml", "- ../../base/gc\n", "")
    config = manifests / "components/worker-config/nfd-worker.conf.example"
    _change(config, "#core:\n", "core:\n")
    _change(config, "#  sleepInterval: 60s\n", f"  sleepInterval: {SLEEP_SECONDS}s\n")
    cluster.kubectl("apply", "-k", manifests / "overlays/default")
    for what in ("deployment/nfd-master", "daemonset/nfd-worker"):
        cluster.kubectl("-n", NAMESPACE, "rollout", "status", what, "--timeout=170s", seconds=180)
