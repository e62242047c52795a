"""tranche-hook between NVIDIA's own hooks, under the real runc, and before NVIDIA's own libcuda.

TRANCHE_TOOLKITS and TRANCHE_RUNC name the folders of tests/cluster/build, the former those of several releases of the
toolkit; TRANCHE_DRIVERS has the lines of tools/real-drivers. Programs only load the real library: nothing of it is
called.
"""

import itertools
import json
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[3]
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests/hook"))

import births  # noqa: E402
from births import DEBIAN, RED_HAT, Container, build_clients, drivers, run, shim_of  # noqa: E402

TOOLKITS = [pathlib.Path(folder, "nvidia-cdi-hook")
            for folder in os.environ.get("TRANCHE_TOOLKITS", "/nowhere:/nowhere").split(":")]
TOOLKIT = TOOLKITS[0]
RUNC = pathlib.Path(os.environ.get("TRANCHE_RUNC", "/nowhere"), "runc")
REAL = dict(line.split() for line in os.environ.get("TRANCHE_DRIVERS", "").splitlines())
COMPAT = "/usr/local/cuda-12.4/compat"
NAMESPACES = ("pid", "ipc", "uts", "mount")


def hooks_of(container):
    """NVIDIA's, as its CDI specification has them; the arguments of each."""
    links = [part for link in container.links() for part in ("--link", link)]
    return [["nvidia-cdi-hook", "create-symlinks", *links],
            ["nvidia-cdi-hook", "enable-cuda-compat", f"--host-driver-version={births.VERSION}"],
            ["nvidia-cdi-hook", "update-ldcache", "--folder", f"/{container.libraries}"]]


class RealHooks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="tranche-hook-")))
        cls.drivers = cls.enterClassContext(drivers())
        build_clients(cls.folder, cls.drivers[births.VERSION] / f"libcuda.so.{births.VERSION}")

    def container(self, libraries, **options):
        made = Container(self.folder, libraries, **options)
        self.addCleanup(made.close)
        made.add_glibc().add_clients(self.folder).add_driver(self.drivers[births.VERSION])
        made.hooks = hooks_of(made)
        return made

    def compat(self, container):
        """NVIDIA's own libcuda 550, newer than the node's driver; its shim's inode and its own."""
        container.path(COMPAT).mkdir(parents=True)
        container.path("usr/local/cuda").symlink_to("cuda-12.4")
        real = pathlib.Path(REAL["12040"])
        library = container.path(COMPAT) / real.name
        shutil.copy(real, library)
        (library.parent / "libcuda.so.1").symlink_to(library.name)
        return os.stat(shim_of(real, 1)).st_ino, os.stat(library).st_ino

    def expect_driver(self, container, answers):
        self.assertTrue(answers)
        for name, answer in answers.items():
            with self.subTest(name=name):
                self.assertEqual(answer.hooked, os.stat(shim_of(container.driver)).st_ino)
                self.assertEqual(answer.plain, os.stat(container.driver).st_ino)

    def test_in_every_order_of_hooks_every_name_is_covered(self):
        self.assertEqual(len(set(TOOLKITS)), 2, "two releases of the toolkit")
        for toolkit, libraries in itertools.product(TOOLKITS, (DEBIAN, RED_HAT)):
            for order in itertools.permutations(range(4)):
                with self.subTest(toolkit=toolkit, libraries=libraries, order=order):
                    container = self.container(libraries)
                    for step in order:
                        self.step(container, step, toolkit)
                    self.expect_driver(container, container.ask(*container.names()))
                    self.expect_driver(container, container.ask(client="linked"))
                    container.close()

    def step(self, container, step, toolkit):
        """One of NVIDIA's hooks, or ours, which is the last."""
        if step == 3:
            self.assertEqual(container.cover()["walls"], "yes")
        else:
            container.write_config()
            run(toolkit, *container.hooks[step][1:], input=container.state)

    def steps(self, ours):
        """NVIDIA's hooks in their order, and ours at a place among them."""
        steps = [0, 1, 2]
        steps.insert(ours, 3)
        return steps

    def test_a_plain_file_where_nvidias_link_will_be(self):
        """Covered, it would make that hook fail; left alone, that hook puts its link there."""
        for toolkit, ours in itertools.product(TOOLKITS, (0, 3)):
            with self.subTest(toolkit=toolkit, ours=ours):
                container = self.container(DEBIAN)
                plain = container.path(f"{DEBIAN}/libcuda.so.1")
                shutil.copy(self.drivers["550.163.01"] / "libcuda.so.550.163.01", plain)
                for step in self.steps(ours):
                    self.step(container, step, toolkit)
                self.expect_driver(container, container.ask(*container.names()))
                container.close()

    def test_a_newer_real_libcuda_of_the_image(self):
        for toolkit, environment in itertools.product(TOOLKITS, ([], [f"LD_LIBRARY_PATH={COMPAT}"])):
            for ours in (0, 3):
                with self.subTest(toolkit=toolkit, environment=environment, ours=ours):
                    container = self.container(DEBIAN, environment=environment)
                    shim, real = self.compat(container)
                    for step in self.steps(ours):
                        self.step(container, step, toolkit)
                    found = container.ask("libcuda.so.1", f"{COMPAT}/libcuda.so.1")
                    found.update(container.ask(client="linked"))
                    for name, answer in found.items():
                        self.assertEqual((answer.hooked, answer.plain), (shim, real), name)
                    self.expect_driver(container, container.ask(container.versioned))
                    container.close()

    def run_in_runc(self, container, ours):
        """What the client says as the container's first program, which has no rights and a read-only root."""
        container.write_config()
        config = json.loads((container.bundle / "config.json").read_text())
        config["process"] |= {"user": {"uid": 1000, "gid": 1000}, "noNewPrivileges": True,
                              "args": ["/usr/bin/client", *container.names()]}
        bind = {"type": "bind", "options": ["ro", "nosuid", "nodev", "rbind", "rprivate"]}
        version = container.versioned.split(".so.")[1]
        config["mounts"] = [{"destination": "/proc", "type": "proc", "source": "proc"},
                            {**bind, "destination": container.versioned, "source": str(container.driver)},
                            {**bind, "destination": f"/{container.libraries}/libnvidia-ml.so.{version}",
                             "source": str(container.driver.with_name(f"libnvidia-ml.so.{version}"))}]
        run("umount", *(container.root / name.lstrip("/") for name in container.mounts))
        nvidia = [{"path": str(TOOLKIT), "args": hook} for hook in container.hooks]
        hook = [{"path": str(births.HOOK), "args": ["tranche-hook", "create-container", "--births",
                                                    str(container.births)]}] if ours is not None else []
        config["hooks"] = {"createContainer": nvidia[:ours] + hook + nvidia[ours:] if hook else nvidia}
        config["linux"] = {"namespaces": [{"type": name} for name in NAMESPACES]}
        (container.bundle / "config.json").write_text(json.dumps(config))
        done = run(RUNC, "--root", self.folder / "runc", "run", "--bundle", container.bundle, container.id)
        return {fields[0]: (int(fields[3]), int(fields[5]))
                for fields in map(str.split, done.stdout.splitlines())}

    def test_under_runc_ours_first_or_last(self):
        for libraries, ours in ((DEBIAN, 0), (DEBIAN, 3), (RED_HAT, 0), (RED_HAT, None)):
            with self.subTest(libraries=libraries, ours=ours):
                container = self.container(libraries)
                answers = self.run_in_runc(container, ours)
                real = os.stat(container.driver).st_ino
                shim = os.stat(shim_of(container.driver)).st_ino if ours is not None else real
                self.assertEqual(answers, {name: (shim, real) for name in container.names()})
                if ours is not None:
                    report = json.loads((container.births / container.id).read_text())
                    self.assertEqual(report["walls"], "yes", report)


if __name__ == "__main__":
    births.own_run()
    unittest.main()
