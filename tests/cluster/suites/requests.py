"""What the API server was asked by the agents, from its audit log, and what it says of itself."""

import collections
import datetime
import json
import re
import urllib.request

from bed.program import Fault

# Requests of that account, at their beginning, and with their code once it is known.
POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [
    {"level": "Metadata", "users": ["system:serviceaccount:gpu-operator:tranche-plugin"]}, {"level": "None"}]}
NODE = "authentication.kubernetes.io/node-name"

Request = collections.namedtuple("Request", "at node verb resource")


class AuditLog:
    def __init__(self, cluster):
        """Restarts the API server with an audit log."""
        plane = cluster.plane
        self._path = plane.folder / "audit.log"
        policy = plane.folder / "audit-policy.json"
        policy.write_text(json.dumps(POLICY))
        plane.stop_apiserver()
        plane.apiserver.arguments += [f"--audit-policy-file={policy}", f"--audit-log-path={self._path}"]
        plane.start_apiserver()
        self._offset = 0
        self.requests = {}  # by the id of each
        self.codes = {}

    def read(self):
        with open(self._path, "rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                self._take(json.loads(line))

    def _take(self, event):
        key = event["auditID"]
        if key not in self.requests:
            at = datetime.datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
            node = event["user"].get("extra", {}).get(NODE, [""])[0]
            self.requests[key] = Request(at, node, event["verb"], event.get("objectRef", {}).get("resource", ""))
        if "responseStatus" in event:
            self.codes[key] = event["responseStatus"].get("code", 0)

    def between(self, begin, end=float("inf")):
        """Those that arrived then, each with its code (0: not yet known)."""
        self.read()
        return [(request, self.codes.get(key, 0)) for key, request in self.requests.items()
                if begin <= request.at < end]


def kinds(requests):
    """How many of each: {"list nodes": 3, …}."""
    return collections.Counter(f"{request.verb} {request.resource}" for request, _ in requests)


def peak(requests, seconds):
    """The most that arrived within any span of so many seconds."""
    times = sorted(request.at for request, _ in requests)
    most = first = 0
    for last, at in enumerate(times):
        while times[first] < at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def per_second(requests, begin):
    count = collections.Counter(int(request.at - begin) for request, _ in requests)
    return [count[second] for second in range(max(count, default=-1) + 1)]


class Metrics:
    """/metrics of the API server, read with the administrator's certificate."""

    def __init__(self, cluster):
        plane = cluster.plane
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                                   urllib.request.HTTPSHandler(context=plane.tls(administrator=True)))
        self._url = plane.url + "/metrics"

    def sum(self, name, **labels):
        """Of all series of that name that have these labels."""
        text = self._opener.open(self._url, timeout=30).read().decode()
        found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.M)
        if not found:
            raise Fault(f"the API server has no metric {name}")
        return sum(float(value) for series, value in found
                   if all(f'{key}="{wanted}"' in series for key, wanted in labels.items()))
