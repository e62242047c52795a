"""What the cluster shows while something is done to it, polled at 20 Hz from threads of their own.

AllocatableTrace follows a resource's allocatable count of every node, PodTrace how long pods are Pending,
ManagerTrace the count in one kubelet's device manager (its checkpoint), LabelTrace a label on its way to a node.
Each is a context manager.
"""

import json
import pathlib
import re
import threading
import time

from bed.api import Api

PERIOD_SECONDS = 0.05
CHECKPOINT = "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint"
FEATURE_FILE = "etc/kubernetes/node-feature-discovery/features.d/gfd"
SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def quantity(text):
    """A whole number as Kubernetes writes it: 8,000 devices are "8k"."""
    number, suffix = re.fullmatch(r"(\d+)([A-Za-z]*)", text).groups()
    return int(number) * SUFFIXES[suffix]


class _Poller:
    def __init__(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.began = time.monotonic()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.wait(PERIOD_SECONDS):
            try:
                self._look(time.monotonic() - self.began)
            except OSError:
                pass  # an API server that is away is another test's matter


class AllocatableTrace(_Poller):
    """changes[node] is [(seconds, count), …]: the count when first seen, then each change."""

    def __init__(self, cluster, resource="nvidia.com/gpu"):
        super().__init__()
        self._api = Api(cluster)
        self._resource = resource
        self.changes = {}
        self.looks = 0

    def _look(self, now):
        self.looks += 1
        for node in self._api.get("/api/v1/nodes")["items"]:
            count = quantity(node["status"].get("allocatable", {}).get(self._resource, "0"))
            seen = self.changes.setdefault(node["metadata"]["name"], [])
            if not seen or seen[-1][1] != count:
                seen.append((now, count))

    def dips(self):
        """Nodes whose count went from something to 0, and when."""
        return [(node, at) for node, seen in self.changes.items()
                for (_, before), (at, count) in zip(seen, seen[1:]) if before > 0 and count == 0]

    def text(self):
        return "; ".join(f"{node}: " + ", ".join(f"{count} at {at:.1f} s" for at, count in seen)
                         for node, seen in sorted(self.changes.items()))


class PodTrace(_Poller):
    """pending[namespace/name] is for how many seconds a pod has been seen Pending."""

    def __init__(self, cluster):
        super().__init__()
        self._api = Api(cluster)
        self._first = {}
        self.pending = {}

    def _look(self, now):
        for pod in self._api.get("/api/v1/pods")["items"]:
            if pod["status"].get("phase") == "Pending":
                name = pod["metadata"]["namespace"] + "/" + pod["metadata"]["name"]
                key = pod["metadata"]["uid"]
                self.pending[name] = max(self.pending.get(name, 0), now - self._first.setdefault(key, now))


class ManagerTrace(_Poller):
    """What one node's device manager holds: the kubelet writes its checkpoint at every change of a device list."""

    def __init__(self, node, resource="nvidia.com/gpu"):
        super().__init__()
        self._checkpoint = pathlib.Path(f"/proc/{node.kubelet.pid}/root", CHECKPOINT)
        self._resource = resource
        self._text = b""
        self.changes = []

    def _run(self):
        while not self._stop.wait(0.001):
            try:
                text = self._checkpoint.read_bytes()
                if text != self._text:
                    self._text = text
                    self._look(time.monotonic() - self.began)
            except (OSError, ValueError, KeyError):
                pass  # caught in the middle of being written

    def _look(self, now):
        devices = json.loads(self._text)["Data"]["RegisteredDevices"] or {}
        count = len(devices.get(self._resource) or [])
        if not self.changes or self.changes[-1][1] != count:
            self.changes.append((now, count))


class LabelTrace(_Poller):
    """One label on its way: changes[place] is [(seconds, value), …] for the feature file, the NodeFeature object,
    the node's label, and beside them the node's allocatable count. None where there is none."""

    def __init__(self, cluster, node, key, resource="nvidia.com/gpu"):
        super().__init__()
        self._api = Api(cluster)
        self._node, self._key, self._resource = node, key, resource
        self._file = pathlib.Path(f"/proc/{cluster.nodes[node].kubelet.pid}/root", FEATURE_FILE)
        self.changes = {"feature file": [], "NodeFeature": [], "label": [], "allocatable": []}

    def _look(self, now):
        try:
            lines = self._file.read_text().splitlines()
        except OSError:
            lines = []
        self._note("feature file", now, dict(line.split("=", 1) for line in lines).get(self._key))
        features = self._api.get("/apis/nfd.k8s-sigs.io/v1alpha1/nodefeatures").get("items", [])
        ours = [one for one in features if one["metadata"]["name"] == f"nvidia-features-for-{self._node}"]
        self._note("NodeFeature", now, ours[0]["spec"].get("labels", {}).get(self._key) if ours else None)
        node = self._api.get(f"/api/v1/nodes/{self._node}")
        self._note("label", now, node["metadata"].get("labels", {}).get(self._key))
        self._note("allocatable", now, node["status"].get("allocatable", {}).get(self._resource))

    def _note(self, place, now, value):
        seen = self.changes[place]
        if not seen or seen[-1][1] != value:
            seen.append((now, value))

    def gaps(self):
        """When the node's label went from something to nothing."""
        seen = self.changes["label"]
        return [at for (_, before), (at, value) in zip(seen, seen[1:]) if before is not None and value is None]

    def text(self, began):
        """How long after `began` each place got its last value."""
        return ", ".join(f"{place} after {seen[-1][0] - began:.2f} s" for place, seen in self.changes.items()
                         if len(seen) > 1)
