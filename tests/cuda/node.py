"""A simulated node of a test's own, and how to build a client for it. TRANCHE_BIN_DIR names the folder of the
`tranche` program."""

import os
import pathlib
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TRANCHE_BIN_DIR", SOURCE / "build/release/bin"))
LIBRARIES = "usr/lib/x86_64-linux-gnu"
CONTEXT = 396361728  # what the simulated driver takes for one of an A100


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


class DrivenNode(Node):
    """A node with a driver process, which programs need to do more than look at the devices. `options` are the driver's."""

    def __init__(self, profile, *options):
        super().__init__(profile)
        self.options = options

    def __enter__(self):
        command = [str(BIN / "tranche"), "sim", "driver", "--root", self.root, *self.options]
        self.driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if "serving" not in self.driver.stdout.readline():
            raise AssertionError(f"{command}: {self.driver.communicate()[0]}")
        return self

    def __exit__(self, *arguments):
        self.stop()
        super().__exit__(*arguments)

    def stop(self):
        if self.driver.poll() is None:
            self.driver.terminate()
            self.driver.communicate(timeout=60)

    def libraries(self):
        return f"{self.root}/{LIBRARIES}"

    def log(self):
        """The lines of the driver's log. It writes the last of them when it ends: it is stopped for that."""
        return list(self.each_line())

    def each_line(self):
        """The same, one after the other, where they may be more than memory should hold."""
        self.stop()
        for path in sorted(pathlib.Path(self.root, "var/log/tranche-sim").glob("*.jsonl")):
            with path.open() as log:
                yield from (line.rstrip("\n") for line in log)
