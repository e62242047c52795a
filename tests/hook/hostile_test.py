"""tranche-hook on images whose author means harm: nothing outside the container changes, the hook ends by itself, and
the container starts, whatever lies in the tree and whatever the runtime says."""

import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import unittest

import births
from births import DEBIAN, Container, drivers, mount, mounts, run

HEADER = 64
MANY = 1_000_000


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="tranche-hook-")))
        cls.drivers = cls.enterClassContext(drivers())
        cls.real = cls.drivers[births.VERSION] / f"libcuda.so.{births.VERSION}"

    def setUp(self):
        self.outside = pathlib.Path(tempfile.mkdtemp(prefix="outside-", dir=self.folder))
        shutil.copy(self.real, self.outside / "libcuda.so.1")

    def container(self, driver=True, **options):
        made = Container(self.folder, **options)
        self.addCleanup(made.close)
        if driver:
            made.add_driver(self.drivers[births.VERSION])
        return made

    def seen_outside(self, container):
        """Mounts that are not the container's, and the files beside it."""
        files = {path: (path.read_bytes() if path.is_file() else b"", path.lstat().st_mode, path.lstat().st_ino)
                 for path in self.outside.rglob("*")}
        return [place for place in mounts() if not place.startswith(str(container.root) + "/")], files

    @contextlib.contextmanager
    def nothing_changes_outside(self, container):
        before = self.seen_outside(container)
        yield
        self.assertEqual(self.seen_outside(container), before)

    def cover(self, container, **options):
        with self.nothing_changes_outside(container):
            return container.cover(**options)

    def expect_walled(self, container, **options):
        """The driver's own library is covered, whatever else there is."""
        report = self.cover(container, **options)
        self.assertEqual(report["walls"], "yes", report)
        self.assertIn({"path": container.versioned, "state": "covered"}, report["libraries"])

    def expect_failure(self, container, message):
        report = self.cover(container)
        self.assertEqual((report["walls"], report["reason"]), ("no", "failed"), report)
        self.assertIn(message, report["message"])
        return report

    def test_links_that_lead_out_lead_nowhere(self):
        container = self.container(environment=["LD_LIBRARY_PATH=/opt/proc:/opt/fd:/opt/out:/opt/up"])
        mount("-t", "proc", "proc", container.path("proc"))
        up = "../" * 64
        for name, target in (("opt/proc", f"/proc/self/root{self.outside}"), ("opt/fd", f"/proc/{os.getpid()}/cwd"),
                             ("opt/out", self.outside), ("opt/up", up + str(self.outside).lstrip("/")),
                             (f"{DEBIAN}/libcuda.so.1", self.outside / "libcuda.so.1"),
                             (f"{DEBIAN}/libcuda.so", f"/proc/self/root{self.outside}/libcuda.so.1"),
                             ("etc/ld.so.conf", up + str(self.outside / "conf").lstrip("/"))):
            container.path(name).symlink_to(target)
        (self.outside / "conf").write_text("/usr/lib/elsewhere\n")
        self.expect_walled(container)

    def test_a_run_that_leads_out(self):
        container = self.container()
        container.path("run").rmdir()
        container.path("run").symlink_to(self.outside)
        self.expect_failure(container, "/run/tranche/real cannot be made")

    def test_folders_for_ours_that_lead_out(self):
        for name in ("run/tranche", "run/tranche/shim", "run/tranche/walls"):
            with self.subTest(name=name):
                container = self.container()
                container.path(name).parent.mkdir(exist_ok=True)
                container.path(name).symlink_to(self.outside)
                report = self.cover(container, options=("--walls", self.outside))
                self.assertEqual((report["walls"], report["reason"]), ("no", "failed"), report)
                self.assertIn("cannot be made in the container", report["message"])

    def test_a_run_whose_mounts_the_host_shares_is_left_alone(self):
        for shared, options in itertools.product((True, False), ((), ("--walls", self.outside))):
            with self.subTest(shared=shared, options=options):
                container = self.container()
                run_of_host = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
                mount("-t", "tmpfs", "tmpfs", run_of_host)
                self.addCleanup(run, "umount", run_of_host)
                mount("--make-shared" if shared else "--make-private", run_of_host)
                mount("--bind", run_of_host, container.path("run"))
                if shared:
                    report = self.cover(container, options=options)
                    self.assertEqual((report["walls"], report["reason"]), ("no", "failed"), report)
                    self.assertIn("shares with the host", report["message"])
                else:
                    self.expect_walled(container, options=options)

    def test_links_in_circles(self):
        container = self.container(environment=["LD_LIBRARY_PATH=/opt/a:/opt/loop/loop/loop"])
        for name, target in (("opt/a", "b"), ("opt/b", "a"), ("opt/loop", "."), (f"{DEBIAN}/libcuda.so.1", "libcuda.so"),
                             (f"{DEBIAN}/libcuda.so", "libcuda.so.1"), ("usr/local/cuda", "cuda"),
                             ("etc/ld.so.conf.d/x.conf", "x.conf")):
            container.path(name).symlink_to(target)
        container.path("etc/ld.so.conf").write_text("include /etc/ld.so.conf\n" * 20)
        self.expect_walled(container)

    def test_what_is_no_file_is_not_opened(self):
        container = self.container(environment=["LD_LIBRARY_PATH=/opt/fifo:/opt"])
        for name in ("opt/fifo", "opt/libcuda.so.1", f"{DEBIAN}/libcuda.so.1", "etc/ld.so.conf",
                     "etc/ld.so.conf.d/x.conf"):
            os.mkfifo(container.path(name))
        with socket.socket(socket.AF_UNIX) as listening:
            here = os.getcwd()
            os.chdir(container.path("opt"))
            listening.bind("libcuda.so.2")
            os.chdir(here)
            self.expect_walled(container)

    def test_devices_and_folders_are_not_opened(self):
        """Nor are they covered: a program that loads them gets what it would get without us."""
        container = self.container(environment=["LD_LIBRARY_PATH=/opt"])
        try:
            for name in ("opt/libcuda.so.1", f"{DEBIAN}/libcuda.so.1", "etc/ld.so.conf.d/x.conf"):
                os.mknod(container.path(name), 0o666 | stat.S_IFCHR, os.makedev(5, 0))  # the terminal of who opens it
            os.mknod(container.path("opt/libcuda.so.2"), 0o666 | stat.S_IFBLK, os.makedev(7, 250))
        except PermissionError:
            self.skipTest("no device can be made here")
        for name in ("opt/libcuda.so", "opt/libcuda.so.3", "etc/ld.so.conf"):
            container.path(name).mkdir()
        shutil.copy(self.real, container.path("opt/libcuda.so/libcuda.so.1"))
        self.expect_walled(container)

    def test_files_that_change_while_they_are_looked_at(self):
        """As those of a volume do that another container writes to."""
        changes = 0
        for _ in range(20):
            container = self.container(environment=["LD_LIBRARY_PATH=/opt/here:/opt/here/deep"])
            for name in ("opt/there", "opt/there/deep"):
                container.path(name).mkdir()
                shutil.copy(self.real, container.path(f"{name}/libcuda.so.1"))
            ended = threading.Event()

            def change(container=container, ended=ended):
                made, count = container.path("opt/made"), 0
                while True:
                    for target in (self.outside, "there", "../" * 64 + str(self.outside).lstrip("/"), "../../.."):
                        made.symlink_to(target)
                        made.rename(container.path("opt/here"))
                        count += 1
                    if ended.is_set():
                        return count
            with concurrent.futures.ThreadPoolExecutor(1) as other:
                changing = other.submit(change)
                try:
                    report = self.cover(container)
                finally:
                    ended.set()
                changes += changing.result()
            self.assertIn({"path": container.versioned, "state": "covered"}, report["libraries"])
        self.assertGreaterEqual(changes, 80)

    def test_tens_of_thousands_of_compat_folders(self):
        container = self.container()
        for i in range(30_000):
            container.path(f"usr/local/cuda-{i}/compat").mkdir(parents=True)
        report = self.expect_failure(container, "more folders to look in")
        self.assertIn({"path": container.versioned, "state": "covered"}, report["libraries"])

    def test_folders_that_are_deep_and_lists_that_are_long(self):
        container = self.container()
        deep = "/" + "d/" * 2040
        container.environment = [f"LD_LIBRARY_PATH={deep}:" + ":".join(f"/absent/{i}" for i in range(8000)) + ":/opt"]
        shutil.copy(self.real, container.path("opt/libcuda.so.1"))
        self.expect_walled(container)

    def test_more_than_is_looked_at_is_said(self):
        container = self.container()
        container.path("etc/ld.so.conf").write_text("/a\n" * MANY)
        self.expect_failure(container, "more folders to look in")
        container = self.container(environment=["LD_LIBRARY_PATH=" + ":".join(f"/{i}" for i in range(MANY))])
        self.expect_failure(container, "more folders to look in")

    def test_many_files_of_the_name(self):
        container = self.container(driver=False, environment=["LD_LIBRARY_PATH=/opt"])
        for i in range(2000):
            container.path(f"opt/libcuda.so.{i}").touch()
        report = self.cover(container)
        self.assertEqual(report["walls"], "no", report)
        self.assertLessEqual(len(report["libraries"]), 16)

    def test_more_libraries_than_there_are_numbers(self):
        container = self.container(environment=["LD_LIBRARY_PATH=/opt"])
        for i in range(5):
            shutil.copy(self.real, container.path(f"opt/libcuda.so.{i}"))
        self.expect_failure(container, "more than 4 different libraries")
        self.assertEqual(sum(place.startswith(str(container.root) + "/opt/") for place in mounts()), 3)

    def test_libraries_that_are_none(self):
        """Cut short, overgrown, of another kind, and with tables that are nowhere."""
        data = self.real.read_bytes()
        container = self.container(environment=["LD_LIBRARY_PATH=/opt"])
        for name, spoiled in (("huge", data), ("header", data[:HEADER]), ("half", data[:len(data) // 2]),
                              ("text", b"#!/bin/sh\n"), ("32", data[:4] + b"\1" + data[5:]),
                              ("segments", data[:56] + b"\xff\xff" + data[58:])):
            place = container.path(f"opt/libcuda.so.{name}")
            place.write_bytes(spoiled)
            if name == "huge":
                os.truncate(place, 1 << 40)
        report = self.expect_failure(container, "broken")
        states = {entry["path"]: entry["state"] for entry in report["libraries"]}
        self.assertEqual(states["/opt/libcuda.so.huge"], "covered")
        self.assertEqual(states["/opt/libcuda.so.segments"], "failed")
        self.assertEqual({states[f"/opt/libcuda.so.{name}"] for name in ("text", "32")}, {"no-library"})

    def test_a_copy_of_a_shim_in_the_image(self):
        container = self.container(environment=["LD_LIBRARY_PATH=/opt"])
        shutil.copy(births.shim_of(self.real), container.path("opt/libcuda.so.1"))
        self.expect_failure(container, "copy of a shim")

    def test_a_volume_whose_mounts_the_host_shares_is_left_alone(self):
        for shared in (True, False):
            container = self.container(environment=["LD_LIBRARY_PATH=/opt/volume"])
            volume = pathlib.Path(tempfile.mkdtemp(prefix="volume-", dir=self.folder))
            mount("-t", "tmpfs", "tmpfs", volume)
            self.addCleanup(run, "umount", volume)
            mount("--make-shared" if shared else "--make-private", volume)
            shutil.copy(self.real, volume / "libcuda.so.1")
            container.path("opt/volume").mkdir()
            mount("--bind", volume, container.path("opt/volume"))
            if shared:
                self.expect_failure(container, "shares with the host")
            else:
                self.expect_walled(container)

    def test_states_and_configurations_that_are_none(self):
        container = self.container()
        for state in ("", "null", "[]", "{", "{\"id\":7}", "{\"id\":\"../../x\",\"bundle\":\"/\"}", "x" * (2 << 20),
                      "[" * MANY):
            with self.subTest(state=state[:20]):
                self.assertIsNone(self.cover(container, state=state))
        for config in ("", "[]", "{}", "{\"root\":{\"path\":7}}", "{\"root\":{\"path\":\"/nowhere\"}}",
                       "{\"root\":{\"path\":\"rootfs\"}" + " " * (17 << 20) + "}"):
            with self.subTest(config=config[:40]):
                container.write_config = lambda text=config: (container.bundle / "config.json").write_text(text)
                report = self.cover(container)
                self.assertEqual(report["reason"], "failed", report)

    def test_a_runtime_that_says_nothing_is_not_waited_for_for_ever(self):
        container = self.container()
        container.write_config()
        command = [births.HOOK, "create-container", "--births", container.births, "--patience", "1"]
        with self.nothing_changes_outside(container), subprocess.Popen(command, stdin=subprocess.PIPE) as hook:
            self.assertEqual(hook.wait(300), 0)
            hook.stdin.close()

    def test_options_of_another_version(self):
        container = self.container()
        self.expect_walled(container, options=("--unknown", "x", "--patience", "soon"))


if __name__ == "__main__":
    births.own_run()
    unittest.main()
