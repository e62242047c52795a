"""tranche-check in containers: which libcuda each name gives, whether the node program answers, and why not."""

import json
import pathlib
import shutil
import struct
import tempfile
import unittest

import births
from births import CHECK, DEBIAN, Container, drivers, mount, run

from arbiter import FOLDER, Arbiter

UUID = "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f"
LIMIT = 10 << 30


class Checks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="tranche-hook-")))
        cls.drivers = cls.enterClassContext(drivers())

    def container(self, glibc=True, shim=True, walls=True, **options):
        made = Container(self.folder, **options)
        self.addCleanup(made.close)
        if glibc:
            made.add_glibc()
        made.add_driver(self.drivers[births.VERSION])
        mount("-t", "proc", "proc", made.path("proc"))
        shutil.copy(CHECK, made.path("usr/bin"))
        if shim:
            made.bind(births.BIN / "shim", "/run/tranche/shim")
        if walls:
            FOLDER.mkdir(parents=True, exist_ok=True)
            made.bind(FOLDER, "/run/tranche/walls")
        return made

    def covered(self, **options):
        made = self.container(**options)
        made.cover()
        made.make_links()
        return made

    def check(self, container, walled, options=("-o", "json")):
        variables = dict(entry.split("=", 1) for entry in container.environment)
        done = run("chroot", container.root, "/usr/bin/tranche-check", *options, check=False,
                   env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", **variables})
        self.assertEqual(done.returncode, 0 if walled else 1, done.stdout + done.stderr)
        if "json" not in options:
            return done.stdout
        said = json.loads(done.stdout)
        self.assertEqual(said["walled"], walled)
        return said

    def by_name(self, said):
        return {found["name"]: found for found in said["libraries"]}

    def test_a_walled_container(self):
        with Arbiter(LIMIT, devices=[UUID]) as arbiter:
            container = self.covered()
            struct.pack_into("<QQQ", arbiter.counters, 64, 3 << 20, 7, 1)
            said = self.check(container, True)
            lines = self.check(container, True, ())
            self.assertEqual(len(arbiter.looks), 2)
            self.assertEqual(arbiter.hellos, [], "who looks holds nothing")
        self.assertEqual(said["why"], "")
        found = self.by_name(said)
        for name in ("libcuda.so.1", "libcuda.so", container.versioned):
            self.assertTrue(found[name]["shim"], found)
            self.assertEqual(found[name]["file"], container.versioned)
            self.assertEqual(found[name]["real"], "/run/tranche/real/0/libcuda.so.1")
        self.assertEqual(said["nodeProgram"], {"answers": True, "why": ""})
        self.assertEqual(said["devices"], [{"uuid": UUID.removeprefix("GPU-"), "limitBytes": LIMIT, "usedBytes": 3 << 20,
                                            "refusals": 7}])
        self.assertIn("walled   yes", lines)

    def test_where_the_node_program_gives_no_wall(self):
        for status, why in (("not walled", "no wall"), ("unknown version", "another version"),
                            ("not yet", "does not know yet"), ("refused", "cannot tell")):
            with self.subTest(status=status), Arbiter(LIMIT, devices=[UUID], status=status):
                container = self.covered()
                said = self.check(container, False)
                self.assertTrue(said["nodeProgram"]["answers"])
                self.assertIn(why, said["why"])
        container = self.covered()
        said = self.check(container, False)
        self.assertFalse(said["nodeProgram"]["answers"])
        self.assertIn("programs that start now have no wall", said["why"])
        (FOLDER / "arbiter-away").write_text("closed\n")
        self.assertIn("memory is refused", self.check(container, False)["why"])
        (FOLDER / "arbiter-away").unlink()
        container = self.covered(walls=False)
        self.assertIn("/run/tranche/walls is not there", self.check(container, False)["why"])

    def test_where_no_shim_stands(self):
        container = self.container()
        container.make_links()
        self.assertIn("Nothing covers it", self.check(container, False)["why"])
        container = self.container(shim=False)
        container.make_links()
        self.assertIn("/run/tranche/shim is not there", self.check(container, False)["why"])
        container = self.container(glibc=False)
        container.path("usr/lib/ld-musl-x86_64.so.1").touch()
        container.path(f"{DEBIAN}/libcuda.so.1").symlink_to(container.versioned)
        self.assertIn("musl", self.check(container, False)["why"])
        container = Container(self.folder)
        self.addCleanup(container.close)
        mount("-t", "proc", "proc", container.path("proc"))
        shutil.copy(CHECK, container.path("usr/bin"))
        self.assertIn("no such library", self.check(container, False)["why"])

    def test_what_programs_get_by_name_is_what_the_dynamic_linker_gives(self):
        """A library that came after the container was made, in a folder that LD_LIBRARY_PATH or ldconfig prefers."""
        container = self.covered()
        container.path("opt/late").mkdir()
        shutil.copy(self.drivers["610.1.2"] / "libcuda.so.610.1.2", container.path("opt/late/libcuda.so.1"))
        found = self.by_name(self.check(container, False))
        self.assertTrue(found["libcuda.so.1"]["shim"], "nobody looks there")
        self.assertNotIn("/opt/late/libcuda.so.1", found)
        container.environment = ["LD_LIBRARY_PATH=/nothing:/opt/late"]
        found = self.by_name(self.check(container, False))
        self.assertEqual((found["libcuda.so.1"]["file"], found["libcuda.so.1"]["shim"]),
                         ("/opt/late/libcuda.so.1", False))
        container.environment = []
        container.path("etc/ld.so.conf.d/00-late.conf").write_text("/opt/late\n")
        container.ldconfig()
        found = self.by_name(self.check(container, False))
        self.assertEqual((found["libcuda.so.1"]["file"], found["libcuda.so.1"]["shim"]),
                         ("/opt/late/libcuda.so.1", False))
        self.assertTrue(found[container.versioned]["shim"])

    def test_a_shim_without_the_library_behind_it(self):
        container = self.covered()
        run("umount", "--lazy", container.path("/run/tranche/real"))
        self.assertIn("cannot load it", self.check(container, False)["why"])

    def test_options(self):
        self.assertEqual(run(CHECK, "--help").returncode, 0)
        self.assertIn("Example", run(CHECK, "--help").stdout)
        for options in (("-o",), ("-o", "yaml"), ("--wrong",)):
            self.assertEqual(run(CHECK, *options, check=False).returncode, 2)
        self.assertNotIn("(NEEDED)", run("readelf", "--dynamic", CHECK).stdout)


if __name__ == "__main__":
    births.own_run()
    unittest.main()
