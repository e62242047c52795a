"""The Helm chart as the real helm renders it, for the tests of the chart. TRANCHE_HELM names helm."""

import itertools
import json
import os
import pathlib
import re
import subprocess
import tempfile

SOURCE = pathlib.Path(os.environ.get("TRANCHE_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
CHART = SOURCE / "deploy/chart/tranche"
HERE = pathlib.Path(__file__).resolve().parent
HELM = os.environ.get("TRANCHE_HELM") or "helm"

# Reads YAML with helm's own reader: a chart whose one template prints the files it is given as JSON.
READER = """{{- $all := list }}{{ range $path, $_ := .Files.Glob "documents/*" }}
{{- $all = append $all ($.Files.Get $path | fromYaml) }}{{ end }}
{{ dict "kind" "List" "apiVersion" "v1" "items" $all | toJson }}
"""

SEED = {"devicePlugin.config.name": "device-plugin-config", "devicePlugin.config.default": "default"}
# gpu-feature-discovery without the device plugin, as NVIDIA's chart has it.
ALONE = {"devicePlugin.enabled": False, "gfd.enabled": True}


def helm(*arguments, **more):
    return subprocess.run([HELM, *map(str, arguments)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**os.environ, "KUBECONFIG": "/dev/null"}, **more)


def documents(text):
    """The YAML documents of a text."""
    with tempfile.TemporaryDirectory() as folder:
        chart = pathlib.Path(folder)
        (chart / "templates").mkdir()
        (chart / "documents").mkdir()
        (chart / "Chart.yaml").write_text("{apiVersion: v2, name: reader, version: 0.0.1}")
        (chart / "templates/all.yaml").write_text(READER)
        parts = [part for part in re.split(r"^---$", text, flags=re.M)
                 if re.search(r"^[^#\s]", part, re.M)]
        for number, part in enumerate(parts):
            (chart / f"documents/{number:03}.yaml").write_text(part)
        done = helm("template", "r", chart)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))["items"]


def settings(values):
    words = []
    for key, value in values.items():
        if isinstance(value, str):
            words += ["--set-string", f"{key}={value}".replace(",", r"\,")]
        else:
            words += ["--set-json", f"{key}={json.dumps(value)}"]
    return words


class Rendered:
    def __init__(self, values=None, *more):
        done = helm("template", "gpu-operator", CHART, "--namespace", "gpu-operator", *settings(values or {}),
                    *more)
        self.error = done.stderr
        self.ok = done.returncode == 0
        self.text = done.stdout
        self.objects = documents(done.stdout) if self.ok else []
        if self.ok and any("Error" in found for found in self.objects):
            raise AssertionError(f"not YAML: {self.objects}\n{self.text}")

    def of_kind(self, kind):
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind):
        (found,) = self.of_kind(kind)
        return found

    @property
    def pod(self):
        return self.one("DaemonSet")["spec"]["template"]["spec"]

    @property
    def container(self):
        (found,) = self.pod["containers"]
        return found

    @property
    def flags(self):
        return dict(flag.removeprefix("--").partition("=")[::2] for flag in self.container["args"])

    @property
    def environment(self):
        names = [entry["name"] for entry in self.container["env"]]
        assert len(names) == len(set(names)), names
        return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in self.container["env"]}

    @property
    def volumes(self):
        return {volume["name"]: volume["hostPath"]["path"] for volume in self.pod["volumes"]}

    def rules(self):
        """{(kind, namespace, group, resource, names): verbs}, all of it bound to the agent's account."""
        account = self.one("ServiceAccount")["metadata"]
        found = {}
        bound = {(binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"])
                 for binding in self.of_kind("ClusterRoleBinding") + self.of_kind("RoleBinding")
                 if binding["subjects"] == [{"kind": "ServiceAccount", "name": account["name"],
                                             "namespace": account["namespace"]}]}
        for role in self.of_kind("ClusterRole") + self.of_kind("Role"):
            metadata = role["metadata"]
            assert (role["kind"], metadata.get("namespace"), metadata["name"]) in bound, metadata
            for rule in role["rules"]:
                for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
                    key = (metadata.get("namespace", ""), group, resource, tuple(rule.get("resourceNames", [])))
                    found.setdefault(key, set()).update(rule["verbs"])
        return found
