"""tranche-hook on trees in the layouts of several distributions: whatever the order of hooks, and by whatever name a
program asks for libcuda, the shim answers, before the right real library."""

import os
import pathlib
import shutil
import tempfile
import unittest

import births
from births import DEBIAN, RED_HAT, Container, build_clients, drivers, mount, mounts, run, shim_of

COMPAT = "/usr/local/cuda-13.5/compat"


class Births(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="tranche-hook-")))
        cls.drivers = cls.enterClassContext(drivers())
        build_clients(cls.folder, cls.drivers[births.VERSION] / f"libcuda.so.{births.VERSION}")

    def container(self, *arguments, glibc=True, driver=births.VERSION, **options):
        made = Container(self.folder, *arguments, **options)
        self.addCleanup(made.close)
        if glibc:
            made.add_glibc().add_clients(self.folder)
        if driver:
            made.add_driver(self.drivers[driver], driver)
        return made

    def expect_shim(self, answers, real, number=0, count=1):
        """Each answer is the shim's that fits, in front of `real`."""
        self.assertGreaterEqual(len(answers), count)
        for name, answer in answers.items():
            with self.subTest(name=name):
                self.assertEqual(answer.hooked, os.stat(shim_of(real, number)).st_ino)
                self.assertEqual(answer.plain, os.stat(real).st_ino)
                self.assertEqual(answer.plain_path, f"/run/tranche/real/{number}/libcuda.so.1")

    def expect_all_names(self, container):
        self.expect_shim(container.ask(*container.names()), container.driver, count=4)
        self.expect_shim(container.ask(client="linked"), container.driver)

    def covered(self, report):
        return [entry["path"] for entry in report["libraries"]
                if entry["state"] == "covered" and "libnvidia-ml" not in entry["path"]]

    def test_the_programs_need_nothing_of_the_host(self):
        self.assertNotIn("(NEEDED)", run("readelf", "--dynamic", births.HOOK).stdout)
        self.assertNotIn("INTERP", run("readelf", "--segments", births.HOOK).stdout)
        symbols = {line.split()[-1] for line in run("nm", "--defined-only", births.HOOK).stdout.splitlines()}
        self.assertIn("main", symbols)
        self.assertEqual(symbols & {"__cxa_throw", "__gxx_personality_v0", "_Znwm", "_ZSt9terminatev"}, set())
        self.assertIn("usage:", run(births.HOOK, "--help").stdout)
        self.assertEqual(run(births.HOOK, "create", check=False).returncode, 2)

    def test_without_the_hook_the_driver_answers(self):
        """Shows that the others can fail."""
        container = self.container()
        container.make_links()
        real = os.stat(container.driver).st_ino
        for answer in container.ask(*container.names(), client="linked").values():
            self.assertEqual((answer.hooked, answer.plain), (real, real))

    def test_every_name_is_covered_before_and_after_the_links_are_made(self):
        for libraries in (DEBIAN, RED_HAT):
            for first in ("hook", "links"):
                with self.subTest(libraries=libraries, first=first):
                    container = self.container(libraries)
                    if first == "links":
                        container.make_links()
                    report = container.cover()
                    if first == "hook":
                        container.make_links()
                    self.assertEqual((report["walls"], report["reason"]), ("yes", ""), report)
                    self.assertIn(container.versioned, self.covered(report))
                    self.expect_all_names(container)

    def test_each_version_gets_its_shim(self):
        for version in births.CUDA:
            with self.subTest(version=version):
                container = self.container(driver=version)
                container.cover()
                container.make_links()
                self.expect_shim(container.ask("libcuda.so.1"), container.driver)

    def test_nvml_is_covered_too(self):
        shims = {path.stat().st_ino for path in births.BIN.glob("shim/libnvidia-ml.tranche-*.so.1")}
        for version in births.CUDA:
            for first in ("hook", "links"):
                container = self.container(driver=version)
                if first == "links":
                    container.make_links()
                container.cover()
                container.make_links()
                file = f"/{DEBIAN}/libnvidia-ml.so.{version}"
                for name, answer in container.ask("libnvidia-ml.so.1", f"/{DEBIAN}/libnvidia-ml.so.1", file).items():
                    with self.subTest(version=version, first=first, name=name):
                        self.assertIn(answer.hooked, shims)
                        self.assertEqual(answer.plain_path, "/run/tranche/real/0/libnvidia-ml.so.1")
                        real = container.driver.with_name(f"libnvidia-ml.so.{version}")
                        self.assertEqual(answer.plain, real.stat().st_ino)

    def compat(self, container, version="610.1.2", folder=COMPAT):
        """The image's own, newer libcuda, as NVIDIA's packages put it there; its file."""
        container.path(folder).mkdir(parents=True)
        library = container.path(folder) / f"libcuda.so.{version}"
        shutil.copy(self.drivers[version] / library.name, library)
        (library.parent / "libcuda.so.1").symlink_to(library.name)
        (library.parent / "libcuda.so").symlink_to("libcuda.so.1")
        return library, os.stat(library).st_ino

    def test_a_newer_libcuda_of_the_image_gets_a_shim_and_a_number_of_its_own(self):
        for libraries in (DEBIAN, RED_HAT):
            container = self.container(libraries, environment=[f"LD_LIBRARY_PATH={COMPAT}"])
            library, inode = self.compat(container)
            wanted = os.stat(shim_of(library, 1)).st_ino
            self.assertNotEqual(shim_of(library, 1).name[:21], shim_of(container.driver).name[:21])
            report = container.cover()
            container.make_links()
            self.assertEqual(report["walls"], "yes", report)
            answers = container.ask("libcuda.so.1", f"{COMPAT}/libcuda.so.1", f"{COMPAT}/{library.name}")
            for answer in (*answers.values(), container.ask(client="linked")["linked"]):
                self.assertEqual((answer.hooked, answer.plain), (wanted, inode))
                self.assertEqual(answer.plain_path, "/run/tranche/real/1/libcuda.so.1")
            self.expect_shim(container.ask(container.versioned), container.driver)

    def test_compat_that_ldconfig_puts_first(self):
        """As NVIDIA's enable-cuda-compat does."""
        container = self.container()
        _, inode = self.compat(container)
        container.path("etc/ld.so.conf.d/00-compat-1.conf").write_text(COMPAT + "\n")
        container.make_links()
        container.cover()
        self.assertEqual(container.ask("libcuda.so.1")["libcuda.so.1"].plain, inode)
        self.assertEqual(container.ask("libcuda.so.1")["libcuda.so.1"].plain_path, "/run/tranche/real/1/libcuda.so.1")

    def test_a_plain_file_of_the_image_is_covered(self):
        """By the environment, by the linker's configuration, and behind a link that leads to another folder."""
        container = self.container(environment=["LD_LIBRARY_PATH=relative:/opt/link"], cwd="/opt")
        for folder in ("opt/relative", "opt/conf", "opt/elsewhere", "opt/link"):
            container.path(folder).mkdir(parents=True)
        for name in ("opt/relative/libcuda.so.1", "opt/conf/libcuda.so.1", "opt/elsewhere/driver"):
            shutil.copy(self.drivers["550.163.01"] / "libcuda.so.550.163.01", container.path(name))
        container.path("opt/link/libcuda.so").symlink_to("/opt/elsewhere/driver")
        container.path("etc/ld.so.conf.d/app.conf").write_text("# ours\n\t/opt/conf  # yes\n")
        report = container.cover()
        container.make_links()
        self.assertEqual(set(self.covered(report)) - {container.versioned},
                         {"/opt/relative/libcuda.so.1", "/opt/conf/libcuda.so.1", "/opt/elsewhere/driver"})
        numbers = set()
        for name in ("/opt/relative/libcuda.so.1", "/opt/conf/libcuda.so.1", "/opt/link/libcuda.so"):
            numbers.add(container.ask(name)[name].plain_path)
        self.assertEqual(numbers, {f"/run/tranche/real/{number}/libcuda.so.1" for number in (1, 2, 3)})

    def test_a_plain_file_where_a_link_will_be_is_left_to_the_hook_that_makes_it(self):
        """A mount there makes NVIDIA's create-symlinks fail, and with it the container."""
        for announced in (True, False):
            container = self.container()
            plain = container.path(f"{DEBIAN}/libcuda.so.1")
            shutil.copy(self.drivers["550.163.01"] / "libcuda.so.550.163.01", plain)
            if announced:
                container.hooks = [["nvidia-cdi-hook", "create-symlinks",
                                    *(part for link in container.links() for part in ("--link", link))]]
            report = container.cover()
            self.assertEqual(report["walls"], "yes")
            states = {entry["path"]: entry["state"] for entry in report["libraries"]}
            self.assertEqual(states[f"/{DEBIAN}/libcuda.so.1"], "replaced" if announced else "covered")
            if announced:
                container.make_links()
                self.expect_all_names(container)
            else:
                container.ldconfig()
                self.assertEqual(container.ask("libcuda.so.1")["libcuda.so.1"].plain_path,
                                 "/run/tranche/real/1/libcuda.so.1")

    def test_one_library_mounted_under_two_names_has_one_number(self):
        """Where the host has no hook program, our CDI files mount the library also where links would be."""
        container = self.container()
        container.bind(container.driver, f"{DEBIAN}/libcuda.so.1")
        container.cover()
        container.ldconfig()
        self.expect_shim(container.ask("libcuda.so.1", f"/{DEBIAN}/libcuda.so.1", container.versioned),
                         container.driver, count=3)

    def test_a_second_run_changes_nothing(self):
        container = self.container()
        container.cover()
        before = sorted(mounts())
        again = container.cover()
        self.assertEqual(again["walls"], "yes", again)
        self.assertEqual(sorted(mounts()), before)
        container.make_links()
        self.expect_all_names(container)

    def test_programs_without_rights_on_a_read_only_root_and_setuid_ones(self):
        container = self.container()
        container.cover()
        container.make_links()
        shutil.copy(container.path("usr/bin/client"), container.path("usr/bin/setuid"))
        try:
            os.chown(container.path("usr/bin/setuid"), 65534, 65534)
        except OSError:
            self.skipTest("there is one user here")
        container.path("usr/bin/setuid").chmod(0o4755)
        mount("-o", "remount,bind,ro", container.root)
        answers = container.ask(*container.names(), user=1000)
        self.expect_shim(answers, container.driver, count=4)
        self.assertFalse(any(answer.secure for answer in answers.values()))
        answers = container.ask(*container.names(), client="setuid", user=1000)
        self.expect_shim(answers, container.driver, count=4)
        self.assertTrue(all(answer.secure for answer in answers.values()))

    def test_the_container_cannot_write_the_hosts_file(self):
        container = self.container()
        container.cover()
        before = shim_of(container.driver).read_bytes()
        for name in (container.versioned, "/run/tranche/real/0/libcuda.so.1"):
            with self.assertRaises(OSError):
                os.open(container.path(name), os.O_WRONLY)
        with self.assertRaises(OSError):
            container.path("/run/tranche/real/0/mine").touch()
        self.assertEqual(shim_of(container.driver).read_bytes(), before)

    def test_the_folders_of_the_host_are_brought(self):
        """Also where no library can be covered, so that tranche-check can say so; and once, however often it runs."""
        walls = pathlib.Path(tempfile.mkdtemp(prefix="walls-", dir=self.folder))
        musl = self.container(glibc=False)
        musl.path("usr/lib/ld-musl-x86_64.so.1").touch()
        for container, wanted in ((self.container(), "yes"), (musl, "no")):
            with self.subTest(walls=wanted):
                self.assertEqual(container.cover(options=("--walls", walls))["walls"], wanted)
                before = sorted(mounts())
                for inside, folder in (("/run/tranche/shim", births.HOOK.parent), ("/run/tranche/walls", walls)):
                    self.assertTrue(container.path(inside).samefile(folder), inside)
                    with self.assertRaisesRegex(OSError, "Read-only file system"):
                        (container.path(inside) / "mine").touch()
                self.assertEqual(container.cover(options=("--walls", walls))["walls"], wanted)
                self.assertEqual(sorted(mounts()), before)

    def test_nothing_is_covered_where_no_limit_could_be_asked_for(self):
        container = self.container()
        report = container.cover(options=("--walls", self.folder / "not-there"))
        self.assertEqual((report["walls"], report["reason"], report["libraries"]), ("no", "failed", []), report)
        self.assertIn("the host's folder for /run/tranche/walls cannot be opened", report["message"])

    def test_what_the_container_is_told_in_its_environment_stays(self):
        """CUDA_MPS_ACTIVE_THREAD_PERCENTAGE among it: what walls need stands in files alone."""
        container = self.container(environment=["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=25", "CUDA_VISIBLE_DEVICES=0"])
        container.write_config()
        told = (container.bundle / "config.json").read_bytes()
        self.assertEqual(container.cover()["walls"], "yes")
        self.assertEqual((container.bundle / "config.json").read_bytes(), told)
        self.assertNotIn(b"CUDA_MPS", births.HOOK.read_bytes())

    def test_in_a_user_namespace_of_the_containers_own(self):
        container = self.container()
        container.births = self.folder / "births-of-root"
        container.births.mkdir(mode=0o700)
        os.chmod(self.folder, 0o755)
        os.chmod(container.bundle, 0o755)
        run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
            f"printf %s \"$1\" | {births.HOOK} create-container --births {container.births}"
            f" && chroot {container.root} /usr/bin/client {container.versioned} > {container.path('tmp')}/said",
            "sh", self.prepared(container))
        said = container.path("tmp/said").read_text().split()
        self.assertEqual(int(said[3]), os.stat(shim_of(container.driver)).st_ino)
        self.assertEqual(said[4], "/run/tranche/real/0/libcuda.so.1")

    def prepared(self, container):
        container.write_config()
        return container.state

    def test_no_libcuda_no_glibc_no_shim_for_this_machine(self):
        container = self.container(driver=None)
        report = container.cover()
        self.assertEqual((report["walls"], report["reason"]), ("no", "no-libcuda"), report)
        musl = self.container(glibc=False)
        musl.path("usr/lib/ld-musl-x86_64.so.1").touch()
        before = mounts()
        report = musl.cover()
        self.assertEqual((report["walls"], report["reason"]), ("no", "musl"), report)
        self.assertEqual(mounts(), before)
        elsewhere = self.folder / "no-shims"
        elsewhere.mkdir()
        shutil.copy(births.HOOK, elsewhere)
        report = self.container().cover(program=elsewhere / "tranche-hook")
        self.assertEqual((report["walls"], report["reason"]), ("no", "arch"), report)

    def test_a_driver_older_than_every_shim_is_left_alone_and_said(self):
        few = self.folder / "few-shims"
        few.mkdir()
        for file in (births.HOOK, shim_of(self.drivers["610.1.2"] / "libcuda.so.610.1.2")):
            shutil.copy(file, few)
        container = self.container()
        report = container.cover(program=few / "tranche-hook")
        self.assertEqual((report["walls"], report["reason"]), ("no", "too-old"), report)
        self.assertIn(container.versioned, report["message"])
        container.make_links()
        answer = container.ask("libcuda.so.1")["libcuda.so.1"]
        self.assertEqual(answer.hooked, answer.plain)


if __name__ == "__main__":
    births.own_run()
    unittest.main()
