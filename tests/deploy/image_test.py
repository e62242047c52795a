#!/usr/bin/env python3
"""The container image: its archive, its tree, its bill of materials, and that what is in it runs."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import re
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

SOURCE = pathlib.Path(os.environ.get("TRANCHE_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
BINARY = pathlib.Path(os.environ.get("TRANCHE_BIN_DIR") or SOURCE / "build/release/bin") / "tranche"
IMAGE = SOURCE / "deploy/image"
sys.path.insert(0, str(IMAGE))
sys.dont_write_bytecode = True

import debian  # noqa: E402
import tree  # noqa: E402

VERSION = re.search(r"project\(tranche VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text())[1]
LIMIT = 40_000_000
PINS = dict(line.split() for line in (IMAGE / "packages").read_text().splitlines())


def build(*options, **more):
    return subprocess.run([IMAGE / "build", "--binary", BINARY, *map(str, options)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


class Unpacked:
    """The archive, read as a container runtime reads it: every digest checked."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            self.files = {member.name: archive.extractfile(member).read()
                          for member in archive if member.isfile()}
        self.index = json.loads(self.files["index.json"])
        self.manifest = json.loads(self.blob(self.index["manifests"][0]))
        self.config = json.loads(self.blob(self.manifest["config"]))
        self.layers = [gzip.decompress(self.blob(layer)) for layer in self.manifest["layers"]]

    def blob(self, descriptor):
        algorithm, digest = descriptor["digest"].split(":")
        data = self.files[f"blobs/{algorithm}/{digest}"]
        assert hashlib.sha256(data).hexdigest() == digest, descriptor
        assert len(data) == descriptor["size"], descriptor
        return data

    def members(self):
        found = {}
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
                found.update({member.name: member for member in archive})
        return found

    def unpack(self, folder):
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
                archive.extractall(folder)


class ImageCase(unittest.TestCase):
    """One image for all."""

    @classmethod
    def setUpClass(cls):
        shared = ImageCase.__dict__.get("shared")
        if shared is None:
            ImageCase.folder = tempfile.TemporaryDirectory()
            unittest.addModuleCleanup(ImageCase.folder.cleanup)
            work = pathlib.Path(ImageCase.folder.name)
            done = build("--output", work / "tranche.oci.tar")
            if done.returncode != 0:
                raise AssertionError(done.stderr)
            shared = ImageCase.shared = (work, done.stderr, Unpacked(work / "tranche.oci.tar"))
            shared[2].unpack(work / "root")
        cls.work, cls.said, cls.image = shared
        cls.archive, cls.root = cls.work / "tranche.oci.tar", cls.work / "root"


class ArchiveTest(ImageCase):
    def test_is_an_oci_layout_that_names_itself(self):
        self.assertEqual(json.loads(self.image.files["oci-layout"]), {"imageLayoutVersion": "1.0.0"})
        (manifest,) = self.image.index["manifests"]
        self.assertEqual(manifest["annotations"]["io.containerd.image.name"],
                         f"docker.io/tranche/tranche:{VERSION}")
        self.assertEqual(manifest["annotations"]["org.opencontainers.image.ref.name"], VERSION)
        self.assertEqual(manifest["platform"]["os"], "linux")

    def test_layers_unpack_to_what_the_config_says(self):
        self.assertEqual(self.image.config["rootfs"]["diff_ids"],
                         ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in self.image.layers])

    def test_what_docker_load_wants_is_there(self):
        (entry,) = json.loads(self.image.files["manifest.json"])
        self.assertEqual(entry["RepoTags"], [f"docker.io/tranche/tranche:{VERSION}"])
        for path in [entry["Config"], *entry["Layers"]]:
            self.assertIn(path, self.image.files)

    def test_is_small(self):
        size = sum(layer["size"] for layer in self.image.manifest["layers"])
        self.assertLess(size, LIMIT)
        self.assertIn(f"{size / 1e6:.1f} MB compressed", self.said)

    def test_the_same_inputs_give_the_same_bytes(self):
        again = self.work / "again.oci.tar"
        # Neither the clock nor the caller's mask nor the name of the file is an input.
        done = build("--output", again, preexec_fn=lambda: os.umask(0o077))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(again.read_bytes(), self.archive.read_bytes())

    def test_the_time_of_the_source_is_honoured(self):
        other = self.work / "dated.oci.tar"
        done = build("--output", other, env={**os.environ, "SOURCE_DATE_EPOCH": "86400"})
        self.assertEqual(done.returncode, 0, done.stderr)
        image = Unpacked(other)
        self.assertEqual(image.config["created"], "1970-01-02T00:00:00Z")
        self.assertEqual({member.mtime for member in image.members().values()}, {86400})

    def test_starts_as_the_operator_expects(self):
        config = self.image.config["config"]
        self.assertEqual(config["User"], "0:0")
        self.assertEqual(config["Entrypoint"] + config["Cmd"], ["tranche", "agent"])
        for line in ("NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
                     "NVIDIA_DISABLE_REQUIRE=true"):
            self.assertIn(line, config["Env"])
        members = self.image.members()
        self.assertEqual(members[config["WorkingDir"].lstrip("/")].mode, 0o1777)

    def test_has_no_mount_point_that_would_hide_the_driver(self):
        # Without a mount at /driver-root the driver is looked for in /.
        self.assertNotIn("driver-root", self.image.members())

    def test_holds_nothing_of_the_simulated_node(self):
        for name in self.image.members():
            if not name.startswith("usr/lib/tranche/shim/"):
                self.assertNotRegex(name, r"libnvidia|libcuda|/sim/")

    def test_holds_what_pods_with_a_memory_wall_are_given(self):
        if platform.machine() != "x86_64":
            self.skipTest("pods of this architecture have no walls")
        folder = "usr/lib/tranche/shim/"
        members = {name.removeprefix(folder): member for name, member in self.image.members().items()
                   if name.startswith(folder)}
        for program in ("tranche-hook", "tranche-check"):
            self.assertEqual(members.pop(program).mode, 0o755)
        self.assertEqual({member.mode for member in members.values()}, {0o644})
        self.assertEqual(members.keys(), {path.name for path in (BINARY.parent / "shim").glob("lib*.tranche-*.so.1")})
        self.assertGreaterEqual(len(members), 4)

    def test_belongs_to_root_and_is_writable_by_nobody_else(self):
        for name, member in self.image.members().items():
            self.assertEqual((member.uid, member.gid), (0, 0), name)
            if not member.issym() and name != "tmp":
                self.assertEqual(member.mode & 0o7022, 0, name)


class BillTest(ImageCase):
    def setUp(self):
        self.bill = json.loads((self.work / "tranche.spdx.json").read_text())
        self.packages = {package["name"]: package for package in self.bill["packages"]}

    def test_names_every_package_with_the_version_pinned(self):
        self.assertEqual(self.bill["spdxVersion"], "SPDX-2.3")
        for name in ("libc6", "libcurl4", "libssl3", "bash", "libstdc++6", "coreutils", "grep"):
            self.assertEqual(self.packages[name]["versionInfo"], PINS[name], name)
        self.assertEqual(self.packages["tranche"]["versionInfo"], VERSION)

    def test_tells_what_is_linked_in_from_what_lies_beside(self):
        kind = {relation["relatedSpdxElement"]: relation["relationshipType"]
                for relation in self.bill["relationships"]}
        self.assertEqual(kind["SPDXRef-libcurl4"], "CONTAINS")
        self.assertEqual(kind["SPDXRef-libnghttp2-dev"], "STATIC_LINK")
        self.assertEqual(kind["SPDXRef-nlohmann-json3-dev"], "STATIC_LINK")

    def test_every_shared_object_has_its_package_in_it(self):
        packages = debian.Packages()
        for name, member in self.image.members().items():
            ours = name.startswith("usr/lib/tranche/")
            if member.isfile() and ".so" in name and name.startswith("usr/lib") and not ours:
                self.assertIn(packages.owner("/" + name).name, self.packages, name)

    def test_lies_in_the_image_with_the_licences(self):
        members = self.image.members()
        self.assertIn("usr/share/tranche/sbom.spdx.json", members)
        for name in self.packages.keys() - {"tranche"}:
            self.assertIn(f"usr/share/doc/{name}/copyright", members)

    def test_the_checksum_is_the_program_s(self):
        digest = hashlib.sha256((self.root / "usr/bin/tranche").read_bytes()).hexdigest()
        self.assertEqual(self.packages["tranche"]["checksums"][0]["checksumValue"], digest)


class RunningTest(ImageCase):
    """What the image holds, run in it: a root of its own, mount and process namespaces of its own."""

    def inside(self, *command, **more):
        # The kernel's own files come from outside, the rest of the tree is read-only.
        script = ('mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && '
                  'mount -t tmpfs -o mode=1777 tmp "$0/tmp" && mount -o remount,bind,ro "$0" && '
                  'exec chroot "$0" "$@"')
        flags = ["--mount", "--pid", "--fork", "--kill-child"] + ([] if os.getuid() == 0 else ["-r"])
        return subprocess.run(["unshare", *flags, "sh", "-c", script, self.root, *command], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, **more)

    def test_tranche_runs_from_a_read_only_root(self):
        done = self.inside("tranche", "--version")
        self.assertEqual((done.returncode, done.stdout.strip()), (0, f"tranche {VERSION}"))
        self.assertNotEqual(self.inside("sh", "-c", "echo > /file").returncode, 0)

    def test_each_program_answers_to_its_name(self):
        for name in ("nvidia-device-plugin", "gpu-feature-discovery", "config-manager"):
            done = self.inside(name, "--help")
            self.assertEqual(done.returncode, 0, f"{name}: {done.stdout}")
            self.assertIn(name, done.stdout)

    def test_it_is_kubectl_s_plugin_and_completes_its_words(self):
        self.assertIn("kubectl tranche", self.inside("kubectl-tranche", "--help").stdout)
        done = self.inside("kubectl_complete-tranche", "st")
        self.assertEqual((done.returncode, done.stdout.split()), (0, ["status", ":4"]))

    def test_no_mps_is_said_plainly(self):
        for command in (["mps-control-daemon"], ["mps-control-daemon", "mount-shm"]):
            done = self.inside(*command)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("MPS", done.stdout)

    def test_sh_turns_into_its_last_command(self):
        # Without `exec`: what the operator's `/bin/sh -c /bin/entrypoint.sh` relies on.
        for shell in ("/bin/sh", "/bin/bash"):
            done = self.inside(shell, "-c", "cat /proc/self/stat")
            self.assertEqual(done.stdout.split()[0], "1", f"{shell} forks for its last command")

    def test_the_operator_s_script_starts_the_plugin_in_its_place(self):
        """The steps of its entrypoint: gate, sourcing, modules, flags where it stands, exec."""
        (self.root / "tmp").mkdir(exist_ok=True)
        script = self.root / "usr/bin/entrypoint.sh"
        self.addCleanup(script.unlink)
        script.write_text('''#!/bin/sh
until [ -f /etc/os-release ]; do echo waiting; sleep 5; done
set -o allexport
cat /etc/os-release
. /etc/os-release
> feature-flags.env
for module in gdrdrv nvidia_fs; do
  if lsmod | grep -q "^${module} "; then :; else case $module in gdrdrv) echo ABSENT=yes >> feature-flags.env;; esac; fi
done
if [ -s feature-flags.env ]; then cat feature-flags.env; . ./feature-flags.env; fi
[ "$ABSENT" = yes ] && echo "pid $$"
exec nvidia-device-plugin --version''')
        script.chmod(0o700)
        # A container stands in the folder that the image's config names.
        done = self.inside("/bin/sh", "-c", "cd /tmp; exec /bin/sh -c /bin/entrypoint.sh")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("ABSENT=yes\npid 1\n", done.stdout)
        self.assertTrue(done.stdout.endswith(f"tranche {VERSION}\n"), done.stdout)

    def test_the_operator_s_tools_are_there_and_no_others(self):
        found = {name.removeprefix("usr/bin/") for name in self.image.members() if name.startswith("usr/bin/")}
        ours = {"tranche", *tree.Contents().all("name")}
        # sh, sleep: its init containers; cat, grep, lsmod: its entrypoint; bash: the one of operators up to v25.3.
        self.assertEqual(found - ours, {"bash", "sh", "sleep", "cat", "grep", "lsmod"})
        self.assertEqual(self.inside("sleep", "0").returncode, 0)
        self.assertEqual(self.inside("sh", "-c", "cat /etc/passwd | grep -q ^root:").returncode, 0)
        modules = pathlib.Path("/proc/modules")
        if modules.exists():
            self.assertEqual(self.inside("lsmod").stdout.split()[:1], modules.read_text().split()[:1])
        for shell in ("sh", "bash"):  # busybox's runs its applets without any link to them
            for tool in ("wget", "nc", "vi", "mount", "ls"):
                self.assertEqual(self.inside(shell, "-c", tool).returncode, 127, f"{shell} runs {tool}")

    def test_names_that_driver_libraries_ask_for_can_be_loaded(self):
        # The loader takes them as it would take a driver library's needs.
        for name in ("libdl.so.2", "libpthread.so.0", "librt.so.1", "libm.so.6", "libcurl.so.4"):
            done = self.inside("sh", "-c", f"LD_PRELOAD={name} exec /usr/bin/tranche --version")
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("cannot be preloaded", done.stdout)


class DockerfileTest(unittest.TestCase):
    def test_starts_as_the_archive_does(self):
        lines = (IMAGE / "Dockerfile").read_text().split("FROM scratch")[1].splitlines()
        said = {word: [line.split(maxsplit=1)[1] for line in lines if line.startswith(word)]
                for word in ("USER", "WORKDIR", "ENV", "ENTRYPOINT", "CMD", "COPY")}
        config = tree.Contents().config()
        self.assertEqual(said["USER"], [config["User"]])
        self.assertEqual(said["WORKDIR"], [config["WorkingDir"]])
        self.assertEqual(said["ENV"], config["Env"])
        self.assertEqual(json.loads(said["ENTRYPOINT"][0]), config["Entrypoint"])
        self.assertEqual(json.loads(said["CMD"][0]), config["Cmd"])
        self.assertEqual(said["COPY"], ["--from=build /image/ /"])

    def test_its_tree_is_the_archive_s(self):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            for done in (build("--tree", work / "tree"), build("--output", work / "image.tar")):
                self.assertEqual(done.returncode, 0, done.stderr)
            Unpacked(work / "image.tar").unpack(work / "unpacked")
            listings = [subprocess.check_output(
                "find . -mindepth 1 -printf '%P %M %l\\n' | sort; find . -type f | sort | xargs sha256sum",
                shell=True, cwd=work / which, text=True) for which in ("tree", "unpacked")]
        self.assertEqual(*listings)


class PinsTest(unittest.TestCase):
    def test_a_difference_is_said_and_refused_when_locked(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder) / "deploy/image"
            subprocess.run(["cp", "-r", "--parents", "deploy/image", "CMakeLists.txt", folder], cwd=SOURCE,
                           check=True)
            pins = copy / "packages"
            pins.write_text(re.sub(r"(?m)^libc6 .*$", "libc6 0.1", pins.read_text()))
            for options, status in (((), 0), (("--locked",), 1)):
                done = subprocess.run([copy / "build", "--binary", BINARY, "--output",
                                       f"{folder}/image.tar", *options], stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn("libc6: pinned 0.1", done.stderr)


class PushTest(ImageCase):
    """A registry on loopback (Debian's docker-registry, fetched, not installed)."""

    def setUp(self):
        files = debian.Packages().fetched("docker-registry")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = self.work / "registry.yml"
        settings.write_text(json.dumps({
            "version": 0.1, "log": {"level": "error"}, "http": {"addr": f"127.0.0.1:{self.port}"},
            "storage": {"filesystem": {"rootdirectory": str(self.work / "registry")}}}))
        self.registry = subprocess.Popen([files / "usr/bin/docker-registry", "serve", settings],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.registry.wait)
        self.addCleanup(self.registry.kill)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.fail("the registry does not listen")

    def test_copies_the_image_and_prints_what_installs_it(self):
        done = build("--output", self.work / "pushed.tar", "--plain-http", "--push",
                     f"127.0.0.1:{self.port}/team/tranche:v7")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"--set image.repository=127.0.0.1:{self.port}/team/tranche --set image.tag=v7",
                      done.stdout)
        for part in ("devicePlugin", "gfd"):
            self.assertIn(f"--set {part}.repository=127.0.0.1:{self.port}/team --set {part}.image=tranche "
                          f"--set {part}.version=v7", done.stdout)
        shown = subprocess.check_output(["skopeo", "inspect", "--tls-verify=false", "--config", "--raw",
                                         f"docker://127.0.0.1:{self.port}/team/tranche:v7"])
        self.assertEqual(json.loads(shown), self.image.config)

    def test_a_reference_without_a_tag_is_refused(self):
        done = build("--output", self.work / "not.tar", "--push", f"127.0.0.1:{self.port}/tranche")
        self.assertEqual(done.returncode, 1)
        self.assertIn("REGISTRY/NAME:TAG", done.stderr)


if __name__ == "__main__":
    unittest.main()
