"""A simulated node of a test's own, and how to build a client for it. TRANCHE_BIN_DIR names the folder of the
`tranche` program."""

import os
import pathlib
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TRANCHE_BIN_DIR", SOURCE / "build/release/bin"))
LIBRARIES = "usr/lib/x86_64-linux-gnu"


class Node:
    """`profile` is the name of one that is shipped, or the text of one."""

    def __init__(self, profile):
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-node-")
        self.root = self.folder.name + "/root"
        if "\n" in profile:
            path = pathlib.Path(self.folder.name, "profile.yaml")
            path.write_text(profile)
            profile = str(path)
        self.run("node", "create", profile)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def run(self, *arguments):
        command = [str(BIN / "tranche"), "sim", *arguments, "--root", self.root]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def library(self, name="libcuda.so.1"):
        return f"{self.root}/{LIBRARIES}/{name}"
