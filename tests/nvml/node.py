"""The simulated node for the tests of NVML clients: a node of a test's own, and what its profile says.

TRANCHE_BIN_DIR names the folder of the `tranche` program. What a client should see comes from the profile
files themselves. Clients run as processes of their own, on a node made for the test. A missing client is a
failure where CI=true.
"""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROFILES = SOURCE / "sim" / "profiles"
TRANCHE = pathlib.Path(os.environ.get("TRANCHE_BIN_DIR", SOURCE / "build/dev/bin")) / "tranche"
MIB = 1 << 20


def need(module):
    """Decorator: skips without the client, but fails where CI=true."""
    if importlib.util.find_spec(module) is not None:
        return lambda test: test
    if os.environ.get("CI") == "true":
        def missing(_self):
            raise AssertionError(f"{module} is not installed: pip install -r tests/requirements.txt")
        return lambda _test: missing
    return unittest.skip(f"{module} is not installed")


def read_models():
    """The facts of models.yaml that clients show, by model. (The file is simple enough.)"""
    models = {}
    for block in re.split(r"\n(?=\S)", (PROFILES / "models.yaml").read_text()):
        match = re.match(r"([\w-]+):\n", block)
        if not match:
            continue
        models[match[1]] = {
            "name": re.search(r"\n  name: (.+)", block)[1],
            "compute": [int(n) for n in re.search(r'compute: "(\d+)\.(\d+)"', block).groups()],
            "memory": int(re.search(r"memory: \{total: (\d+)", block)[1]) * MIB,
            "power_limit": int(re.search(r"power: \{limit: (\d+)", block)[1]),
            "idle_temperature": int(re.search(r"temperature: \{idle: (\d+)", block)[1]),
            "pci_id": int(re.search(r"device: (0x\w+)", block)[1], 16),
            "mig": {
                m[1]: int(m[2]) * MIB
                for m in re.finditer(r"name: ([\w.+]+),.*?memory: (\d+)", block)
            },
        }
    return models


def read_profile(name):
    text = (PROFILES / f"{name}.yaml").read_text()
    gpus = []
    for line in re.findall(r"^- \{(model: .*)\}$", text, re.M):
        gpu = dict(re.findall(r'([\w-]+): ("[^"]*"|[^,]+)', line))
        gpu = {key: value.strip('"') for key, value in gpu.items()}
        layout = []
        for item in gpu.get("mig", "").split(","):
            profile, _, count = item.partition("*")
            layout += [profile] * int(count or 1) if profile else []
        gpus.append({**gpu, "layout": sorted(layout)})
    cuda = re.search(r'cuda: "(\d+)\.(\d+)"', text)
    return {
        "driver": re.search(r"version: ([\d.]+)", text)[1],
        "cuda": int(cuda[1]) * 1000 + int(cuda[2]) * 10,
        "gpus": sorted(gpus, key=lambda gpu: gpu["bus"]),
    }


MODELS = read_models()
NAMES = sorted(p.stem for p in PROFILES.glob("*.yaml") if p.stem != "models")


class Node:
    """A simulated node in a folder of its own."""

    def __init__(self, profile):
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-node-")
        self.root = self.folder.name + "/root"
        self.run("node", "create", profile)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def run(self, *arguments):
        command = [str(TRANCHE), "sim", *arguments, "--root", self.root]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def environment(self):
        environment = dict(os.environ)
        environment["LD_LIBRARY_PATH"] = self.root + "/usr/lib/x86_64-linux-gnu"
        environment.pop("TRANCHE_SIM_NODE", None)
        return environment

    def start(self, script):
        return subprocess.Popen([sys.executable, "-c", script], env=self.environment(), text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def client(self, script):
        """What `script` prints, a JSON value."""
        done = subprocess.run([sys.executable, "-c", script], env=self.environment(), text=True,
                              capture_output=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"client failed: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)
