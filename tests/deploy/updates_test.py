#!/usr/bin/env python3
"""The image says which of its Debian packages are behind what Debian serves, and takes the versions pinned."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

SOURCE = pathlib.Path(os.environ.get("TRANCHE_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
BINARY = pathlib.Path(os.environ.get("TRANCHE_BIN_DIR") or SOURCE / "build/release/bin") / "tranche"
IMAGE = SOURCE / "deploy/image"
sys.path.insert(0, str(IMAGE))
sys.dont_write_bytecode = True

import debian  # noqa: E402

PINS = dict(line.split() for line in (IMAGE / "packages").read_text().splitlines())
SECURITY = "http://deb.debian.org/debian-security bookworm-security/main"
MAIN = "http://deb.debian.org/debian bookworm/main"


class ServedTest(unittest.TestCase):
    """What Debian serves is said by a stand-in for apt-cache; the lists are not downloaded."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.program("apt-get", "exit 0")

    def program(self, name, text):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def serves(self, *more):
        """Each package as it is pinned, and these: (name, version, archive)."""
        lines = [(name, version, MAIN) for name, version in PINS.items()] + list(more)
        table = "".join(f"{name} | {version} | {archive} amd64 Packages\n" for name, version, archive in lines)
        self.program("apt-cache", f"cat <<'END'\n{table}openssl | 9.9 | {SECURITY} Sources\nEND")

    def build(self, *options):
        return subprocess.run([IMAGE / "build", *map(str, options)], text=True, stderr=subprocess.PIPE,
                              env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"})

    def test_pins_that_are_current_pass(self):
        self.serves()
        done = self.build("--updates")
        self.assertEqual((done.returncode, done.stderr), (0, "no package of deploy/image/packages is behind\n"))

    def test_a_security_update_fails_the_check(self):
        self.serves(("libssl3", "99-1", SECURITY), ("libssl3", "98-1", MAIN), ("zlib1g", "2:1", MAIN))
        done = self.build("--updates")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"libssl3 {PINS['libssl3']} is behind: Debian serves 99-1 (bookworm-security/main)", done.stderr)
        self.assertIn(f"zlib1g {PINS['zlib1g']} is behind: Debian serves 2:1 (bookworm/main)", done.stderr)
        self.assertIn("behind security updates: libssl3 (", done.stderr)

    def test_another_update_is_said(self):
        self.serves(("zlib1g", "2:1", MAIN))
        done = self.build("--updates")
        self.assertEqual(done.returncode, 0)
        self.assertIn("zlib1g", done.stderr)

    def test_an_older_version_is_no_update(self):
        self.serves(("libssl3", "1.0-1", SECURITY))
        self.assertEqual(self.build("--updates").returncode, 0)

    def test_the_build_says_it(self):
        self.serves(("libssl3", "99-1", SECURITY))
        done = self.build("--binary", BINARY, "--output", self.folder / "image.tar")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"libssl3 \S+ is behind: Debian serves 99-1 \(bookworm-security/main\)")


class PinnedVersionTest(unittest.TestCase):
    def test_the_version_pinned_is_taken_where_another_is_installed(self):
        with tempfile.TemporaryDirectory() as cache, unittest.mock.patch.object(debian, "CACHE", pathlib.Path(cache)):
            folder = debian.stored("coreutils", "9.9")  # as if it had been downloaded
            (folder / "files/bin").mkdir(parents=True)
            (folder / "control").write_text("Package: coreutils\nVersion: 9.9\nArchitecture: amd64\n")
            (folder / "complete").touch()
            packages = debian.Packages({"coreutils": "9.9"})
            for name in ("cat", "sleep"):
                (folder / "files/bin" / name).write_text(f"another {name}")
                self.assertEqual(packages.content(f"/usr/bin/{name}").read_text(), f"another {name}")
            self.assertEqual(packages.of_name["coreutils"].version, "9.9")

    def test_one_that_is_not_served_is_the_one_installed(self):
        packages = debian.Packages({"bash": "0.1"})
        self.assertEqual(packages.content("/usr/bin/bash"), pathlib.Path("/usr/bin/bash").resolve())
        self.assertNotEqual(packages.of_name["bash"].version, "0.1")


if __name__ == "__main__":
    unittest.main()
