"""Containers that are being made, without a runtime: trees in the layouts of several distributions, a driver mounted
as a CDI specification has it mounted, tranche-hook run as a runtime runs it, and programs in a chroot that say which
library they were given. All of it is in a mount namespace of the test's own."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path += [str(SOURCE / "tests/shim"), str(SOURCE / "tests/cuda")]

import arbiter  # noqa: E402
from node import BIN, Node  # noqa: E402
from shim import shim_for  # noqa: E402

own_run = arbiter.own_run  # all of it is in a mount namespace with a /run of its own
HOOK = BIN / "shim/tranche-hook"
CHECK = BIN / "shim/tranche-check"
DEBIAN, RED_HAT = "usr/lib/x86_64-linux-gnu", "usr/lib64"
VERSION = "535.261.03"
PROFILE = "driver: {{version: {0}, cuda: \"{1}\"}}\nmachine: Test\ngpus: []\n"
CUDA = {"535.261.03": "12.2", "550.163.01": "12.4", "610.1.2": "13.5"}
NEEDED = ("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1", "libstdc++.so.6")


def run(*command, check=True, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, check=False,
                          **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def mount(*arguments):
    run("mount", *arguments)


def mounts():
    """Where something is mounted, in this namespace."""
    return [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]


@contextlib.contextmanager
def drivers():
    """version -> its simulated driver's folder"""
    with contextlib.ExitStack() as stack:
        yield {version: pathlib.Path(stack.enter_context(Node(PROFILE.format(version, cuda))).root, DEBIAN)
               for version, cuda in CUDA.items()}


@dataclasses.dataclass
class Answer:
    """What a client said of one name: where it found a function that is hooked, and one that is not."""
    secure: bool
    hooked: int
    plain: int
    plain_path: str


class Container:
    """A tree with a driver in it, whose container is being made. `libraries` is where its distribution has them."""

    def __init__(self, folder, libraries=DEBIAN, environment=(), cwd="/"):
        self.bundle = pathlib.Path(tempfile.mkdtemp(prefix="bundle-", dir=folder))
        self.root = self.bundle / "rootfs"
        self.root.mkdir()
        mount("-t", "tmpfs", "tmpfs", self.root)
        self.libraries = libraries
        self.environment, self.cwd = list(environment), cwd
        self.mounts, self.hooks = [], []
        self.births = self.bundle / "births"
        self.id = self.bundle.name
        for name in ("etc/ld.so.conf.d", "usr/bin", "usr/local", "usr/lib", "usr/lib64", libraries, "run", "tmp", "dev",
                     "proc", "sys", "opt"):
            self.path(name).mkdir(parents=True, exist_ok=True)
        for name in ("bin", "lib", "lib64"):
            self.path(name).symlink_to(f"usr/{name}")

    def path(self, name):
        return self.root / str(name).lstrip("/")

    def close(self):
        run("umount", "--recursive", "--lazy", self.root, check=False)

    def add_glibc(self):
        """The loader, libraries and ldconfig of this machine, and the clients."""
        here = pathlib.Path("/lib/x86_64-linux-gnu")
        for name in NEEDED:
            shutil.copy((here / name).resolve(), self.path(self.libraries) / name)
        loader = self.path("usr/lib64/ld-linux-x86-64.so.2")
        if not loader.exists():
            shutil.copy(pathlib.Path("/lib64/ld-linux-x86-64.so.2").resolve(), loader)
        shutil.copy("/sbin/ldconfig", self.path("usr/bin/ldconfig"))
        self.path("etc/ld.so.conf").write_text(f"include /etc/ld.so.conf.d/*.conf\n/{self.libraries}\n")
        self.ldconfig()
        return self

    def add_clients(self, folder):
        for client in ("client", "linked"):
            shutil.copy(folder / client, self.path("usr/bin") / client)
        return self

    def bind(self, source, name):
        """As a runtime binds what the bundle's mounts say: read-only, not shared with the host."""
        place = self.path(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        if pathlib.Path(source).is_dir():
            place.mkdir(exist_ok=True)
        else:
            place.touch()
        mount("--bind", source, place)
        mount("-o", "remount,bind,ro,nosuid,nodev", place)
        self.mounts.append("/" + str(name).lstrip("/"))

    def add_driver(self, folder, version=VERSION):
        self.driver = folder / f"libcuda.so.{version}"
        self.versioned = f"/{self.libraries}/libcuda.so.{version}"
        self.bind(self.driver, self.versioned)
        self.bind(folder / f"libnvidia-ml.so.{version}", f"/{self.libraries}/libnvidia-ml.so.{version}")
        return self

    def links(self):
        """TARGET::LINK of what NVIDIA's create-symlinks is told to make."""
        at = f"/{self.libraries}"
        return [f"{pathlib.Path(self.versioned).name}::{at}/libcuda.so.1", f"libcuda.so.1::{at}/libcuda.so",
                f"libnvidia-ml.so.{self.versioned.split('.so.')[1]}::{at}/libnvidia-ml.so.1"]

    def make_links(self):
        """What those hooks do, where the real ones are not at hand: links, and the linker's cache."""
        for link in self.links():
            target, _, name = link.partition("::")
            place = self.path(name)
            if place.is_symlink() or place.exists():
                place.unlink()
            place.symlink_to(target)
        self.ldconfig()

    def ldconfig(self):
        run("chroot", self.root, "/usr/bin/ldconfig")

    def write_config(self):
        (self.bundle / "config.json").write_text(json.dumps({
            "ociVersion": "1.2.0", "root": {"path": "rootfs", "readonly": True},
            "process": {"cwd": self.cwd, "args": ["client"], "env": ["PATH=/usr/bin", *self.environment]},
            "mounts": [{"destination": "/proc", "type": "proc"},
                       *({"destination": name, "type": "bind", "options": ["ro", "rbind"]} for name in self.mounts)],
            "hooks": {"createContainer": [{"path": "/usr/bin/nvidia-cdi-hook", "args": hook} for hook in self.hooks]}}))

    @property
    def state(self):
        return json.dumps({"ociVersion": "1.2.0", "id": self.id, "status": "creating", "pid": os.getpid(),
                           "bundle": str(self.bundle)})

    def cover(self, state=None, program=HOOK, wrapper=(), options=()):
        """Runs tranche-hook; what it reports, or None."""
        self.write_config()
        run(*wrapper, program, "create-container", "--births", self.births, *options,
            input=self.state if state is None else state)
        report = self.births / self.id
        return json.loads(report.read_text()) if report.exists() else None

    def ask(self, *names, client="client", user=0):
        """name -> Answer of a client that runs in the container; "linked" is the name of what it is linked with."""
        who = [f"--userspec={user}:{user}"] if user else []
        variables = dict(entry.split("=", 1) for entry in self.environment)
        done = run("chroot", *who, self.root, f"/usr/bin/{client}", *names, check=False,
                   env={"PATH": os.environ["PATH"], **variables})
        if done.returncode != 0:
            raise AssertionError(f"{client} {names}: {done.stdout}{done.stderr}")
        answers = {}
        for line in done.stdout.splitlines():
            name, secure, _, hooked, plain_path, plain = line.split()
            answers[name] = Answer(secure != "0", int(hooked), int(plain), plain_path)
        return answers

    def names(self):
        """The four names of the driver's libcuda."""
        at = f"/{self.libraries}"
        return ["libcuda.so.1", f"{at}/libcuda.so", f"{at}/libcuda.so.1", self.versioned]


def build_clients(folder, driver):
    """`client`, and `linked`, which is linked with -lcuda."""
    source = pathlib.Path(__file__).with_name("client.c")
    run("gcc", "-Wall", "-Werror", "-O1", source, "-o", folder / "client")
    link = folder / "link"
    link.mkdir()
    (link / "libcuda.so").symlink_to(driver)
    run("gcc", "-Wall", "-Werror", "-O1", "-DLINKED", source, "-o", folder / "linked", "-L", link, "-lcuda")


def shim_of(real, number=0):
    """The file of the shim that is to stand before a library."""
    name = shim_for(real).name
    return BIN / "shim" / (re.sub(r"\.so\.1$", f"-{number}.so.1", name) if number else name)
