"""NVIDIA's own device plugin on the test cluster: its programs, chart and manifests come from its Go module, and its
image is made here."""

import pathlib
import re
import shutil
import subprocess

from bed import images
from bed.program import ROOT, Fault

REPOSITORY = "nvcr.io/nvidia/k8s-device-plugin"
# What its own Dockerfile sets.
ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NVIDIA_DISABLE_REQUIRE=true",
               "NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"]
PROGRAMS = ("nvidia-device-plugin", "gpu-feature-discovery", "config-manager")


class Plugin:
    """What tests/peer/build has made."""

    def __init__(self):
        done = subprocess.run([ROOT / "tests/peer/build"], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise Fault("tests/peer/build failed (see above)")
        self._folder = pathlib.Path(done.stdout.strip())
        self.chart = self._folder / "deployments/helm/nvidia-device-plugin"
        self.manifest = self._folder / "deployments/static/nvidia-device-plugin.yml"
        self.version = re.search(r'^appVersion: "(\S+)"', (self.chart / "Chart.yaml").read_text(), re.M)[1]
        self.image = f"{REPOSITORY}:v{self.version}"

    def make_image(self, folder):
        """The archive of an image with its name, its programs and its settings."""
        folder = pathlib.Path(folder)
        tree = folder / "nvidia-plugin"
        images.glibc_tree(tree, "usr/lib/x86_64-linux-gnu", [self._folder / program for program in PROGRAMS])
        subprocess.run(["/sbin/ldconfig", "-r", tree], check=True, timeout=30)
        config = {"Env": ENVIRONMENT, "Entrypoint": ["nvidia-device-plugin"], "User": "0:0"}
        archive = images.write_image(folder / "nvidia-plugin.tar", self.image, tree, config)
        shutil.rmtree(tree)
        return archive
