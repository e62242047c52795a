"""Which libcuda programs get in images of several layouts, by each way in which a container is told its GPUs, on two
nodes: one has the newer of two releases of NVIDIA's container toolkit, and the driver where Debian has libraries; the
other the older release, and the driver where Red Hat has them.

A program that loads libcuda, under whatever name, gets the shim in front of the right real library, and no more memory
than its wall allows. The image with musl for its C library is the control: it starts, what computes in it takes more, and
that is said.
"""

import hashlib
import json
import re

import bed
from bed import expect
from bed.node import DRIVER
from suites import layouts, usage
from suites.layouts import PODS, REAL
from suites.scene import tell
from suites.walled import LINE, REPLICAS, SHIM, Walls, profile

GIB = 1 << 30
SECONDS = 120
TOOLKITS = {"gpu-node": "toolkit", "dev-gpu-node": "toolkit-1.19"}  # of tests/cluster/programs
FOLDERS = {"gpu-node": layouts.DEBIAN, "dev-gpu-node": layouts.RED_HAT}  # of the driver's libraries
STRATEGIES = ("envvar", "volume-mounts", "cdi-cri", "cdi-annotations")
TOOLKIT_CONFIG = "/etc/nvidia-container-runtime/config.toml"


def toolkit_version(part):
    pins = (bed.ROOT / f"tests/cluster/programs/{part}/go.mod").read_text()
    return re.search(r"NVIDIA/nvidia-container-toolkit v(\S+)", pins)[1]


def move_driver(node, folder):
    """Its libraries, from where the simulated node has them. A mount, and no copy, is the file by which it tells all
    programs of its GPUs."""
    shared = f"libnvidia-simnode.so.{layouts.DRIVER[0]}"
    node.run("sh", "-ec", f"mv {layouts.DEBIAN}/libcuda* {layouts.DEBIAN}/libnvidia* {folder}/; "
                          f"mount --bind {DRIVER}{layouts.DEBIAN}/{shared} {folder}/{shared}")


class Layouts:
    """Pods of all layouts on each node, and what they have said."""

    def __init__(self, cluster):
        self.c = cluster
        self.walls = {toolkit_version(part): Walls(cluster, node) for node, part in TOOLKITS.items()}
        self.known = {}  # on each node: programs that had used a GPU before the pods began
        self._said, self._objects, self._shims, self._driver = {}, {}, {}, {}

    def begin(self):
        for walls in self.walls.values():
            if FOLDERS[walls.name] != layouts.DEBIAN:
                move_driver(walls.node, FOLDERS[walls.name])
        first = next(iter(self.walls.values()))
        first.begin()
        for walls in self.walls.values():
            self.c.wait_for("the plugin serves eight shares on each node",
                            lambda walls=walls: self.c.allocatable(walls.name) == REPLICAS, SECONDS)
            walls.well()

    def start(self, strategy):
        """Pods of all layouts at once; returns when each has said what it has to say."""
        applied = {version: walls.agent()["config"]["applied"] for version, walls in self.walls.items()}
        next(iter(self.walls.values())).write(profile(LINE, strategy))
        for version, walls in self.walls.items():
            self.accept_mounts(walls, strategy == "volume-mounts")
            walls.in_force(applied[version])
            self.known[version] = {process["pid"] for process in walls.node.usage()["processes"]}
        for version, walls in self.walls.items():
            self.c.apply(layouts.manifest(walls.name, self.suffix(version), FOLDERS[walls.name]))
        done = self.c.kubectl("wait", "--for=condition=Ready", "pod", "-l", layouts.LABEL, f"--timeout={SECONDS}s",
                              check=False, seconds=SECONDS + 10)
        if done.returncode != 0:
            events = self.c.kubectl("describe", "pod", "-l", layouts.LABEL).stdout
            raise bed.Fault(f"{done.stdout}{done.stderr}\n{events}\n{self.read()}")
        try:
            self.c.wait_for("every pod has told what it was given", self.all_done, SECONDS, 0.3)
        except bed.Fault as fault:
            silent = [f"{name}:\n{text}" for name, text in self._said.items() if not text.done()]
            raise bed.Fault("\n".join([str(fault), *silent])) from None
        for pod in self.c.get("pods", "-l", layouts.LABEL)["items"]:
            self._objects[pod["metadata"]["name"]] = pod
        for version, walls in self.walls.items():
            files = walls.node.run("sh", "-c", f"stat -c '%i %n' {SHIM}/*.so.1").stdout.splitlines()
            self._shims[version] = {int(inode): name for inode, name in (line.split(" ", 1) for line in files)}
            real = f"{FOLDERS[walls.name]}/libcuda.so.{layouts.DRIVER[0]}"
            self._driver[version] = int(walls.node.run("stat", "-L", "-c", "%i", real).stdout)

    @staticmethod
    def accept_mounts(walls, accepted):
        """Whether mounts name devices. Where they do, releases before 1.20 take the mount by which a CDI specification
        says that no other device is wanted for a device's name (docs/kubernetes.md)."""
        key = "accept-nvidia-visible-devices-as-volume-mounts"
        walls.node.run("sed", "-i", f"s/^{key} = .*/{key} = {'true' if accepted else 'false'}/", TOOLKIT_CONFIG)

    @staticmethod
    def suffix(version):
        return version.replace(".", "-")

    def read(self):
        return self.c.kubectl("logs", "-l", layouts.LABEL, "--prefix", "--tail=-1", "--max-log-requests=50",
                              check=False).stdout

    def all_done(self):
        self._said = layouts.said(self.read())
        return len(self._said) == len(PODS) * len(self.walls) and all(text.done() for text in self._said.values())

    def stop(self):
        self.c.kubectl("delete", "pod", "-l", layouts.LABEL, "--wait=true", f"--timeout={SECONDS}s",
                       seconds=SECONDS + 10)

    # ---- what the pods have said, on each node ----

    def each(self, name):
        """(version of the toolkit, name of the pod, what it has said)"""
        for version in self.walls:
            pod = f"{name}-{self.suffix(version)}"
            yield version, pod, self._said[pod]

    def expect_driver(self, version, text):
        """The control: the library behind the shim, loaded by its own path, is the driver and nothing else."""
        answer = text.answers()[REAL.format(0)]
        expect(answer.hooked == answer.plain == self._driver[version], answer)

    def paths(self, version):
        """Of the driver's libcuda, on the node with this version of the toolkit."""
        return layouts.paths(FOLDERS[self.walls[version].name])

    def birth(self, version, pod):
        """What tranche-hook has written of the pod's container."""
        identifier = self._objects[pod]["status"]["containerStatuses"][0]["containerID"].split("//")[1]
        return json.loads(self.walls[version].node.run("cat", f"/run/tranche/births/{identifier}").stdout)

    def expect_shim(self, version, text, name, number=0):
        """The answer under this name is that of a shim, in front of the real library of that number."""
        answer = text.answers()[name]
        expect(re.search(r"/libcuda\.tranche-\d+" + (f"-{number}" if number else "") + r"\.so\.1$",
                         self._shims[version].get(answer.hooked, "")), f"{name}: {answer}, not one of the shims")
        expect(answer.plain_path == REAL.format(number), f"{name}: {answer}")
        expect((answer.plain == self._driver[version]) == (number == 0), f"{name}: {answer}")
        return answer

    def expect_wall(self, version, pod, text):
        """It was born with the shim, and tranche-check says so."""
        birth = self.birth(version, pod)
        expect(birth["walls"] == "yes", birth)
        limit, check = self.walls[version].limit(), text.check()
        expect(check["walled"] is True and [device["limitBytes"] for device in check["devices"]] == [limit], check)

    def expect_refusal(self, version, pod, text):
        """A greedy program of it was refused, and tranche-node knows that, and that no other kind is in the pod."""
        expect(any("OUT_OF_MEMORY" in line for line in text.of("hold")), text)
        walls = self.walls[version]
        walls.until(f"the wall of {pod} has held", lambda: walls.wall(pod).get("walled") is True and
                    walls.wall(pod)["refusals"] > 0)


def walled(pods, name):
    """A pod in front of whose driver the shim stands, under every name."""
    for version, pod, text in pods.each(name):
        for asked in ("libcuda.so.1", *pods.paths(version)):
            pods.expect_shim(version, text, asked)
        pods.expect_driver(version, text)
        if name != "setuid":
            pods.expect_shim(version, text, "linked")
        secure = {answer.secure for answer in text.answers().values()}
        expect(secure == {name == "setuid"}, f"setuid: {secure}")
        if name == "locked":
            expect(any("Read-only" in line for line in text.of("touch")), text)
        pods.expect_wall(version, pod, text)
        pods.expect_refusal(version, pod, text)


def newer(pods, name):
    """The image's own libcuda is newer than the driver, and has a shim of its own, whether programs are led to it by
    the image, by a hook of NVIDIA's, or by nobody and open it by its path."""
    wanted = hashlib.sha256(layouts.newer_libcuda().read_bytes()).hexdigest()
    for version, pod, text in pods.each(name):
        for asked in ("libcuda.so.1", "linked", *layouts.COMPAT_NAMES):
            pods.expect_shim(version, text, asked, number=1)
        for asked in pods.paths(version):
            pods.expect_shim(version, text, asked)
        pods.expect_driver(version, text)
        expect([line.split()[0] for line in text.of("sum")] == [wanted], text)
        # Without hardware it has no device to give, and says the same through the shim as without.
        through, directly = (int(line.split()[1]) for line in text.of("init"))
        expect(through == directly != 0, f"cuInit answers {through} through the shim, and {directly} without")
        pods.expect_wall(version, pod, text)
        found = {one["name"]: one for one in text.check()["libraries"]}
        expect(found["libcuda.so.1"]["file"].endswith(f"/compat/libcuda.so.{layouts.NEWER}"), found)
        tell(f"toolkit {version}: cuInit answers {through} through the shim and without")


def musl(pods):
    """It starts, runs unwalled, and is said to: at its birth, from inside, and by tranche-node."""
    for version, pod, text in pods.each("musl"):
        walls = pods.walls[version]
        expect("hello of a program of musl" in text.lines, text)
        birth, check = pods.birth(version, pod), text.check()
        expect((birth["walls"], birth["reason"]) == ("no", "musl"), birth)
        expect(check["walled"] is False and "musl" in check["why"], check)
        walls.until(f"{pod} holds {layouts.HELD_GIB} GiB",
                    lambda pod=pod, walls=walls: any(peak >= layouts.HELD_GIB * GIB for peak in walls.peaks(pod)))
        expect(walls.limit() < layouts.HELD_GIB * GIB, walls.limit())
        walls.until(f"{pod} is said to have no wall", lambda pod=pod, walls=walls: (
            walls.wall(pod).get("walled"), walls.wall(pod).get("reason")) == (False, "musl"))
        walls.until("and so does an Event on it", lambda pod=pod: any(
            event["reason"] == "PodUnwalled" and event["involvedObject"]["name"] == pod and "musl" in event["message"]
            for event in pods.c.events()))
        tell(walls.wall(pod)["why"])


def nobody_was_over(pods):
    """By what the driver counts of every program since the pods began, but of those without a wall."""
    for version, walls in pods.walls.items():
        limit, musl_pod = walls.limit(), f"musl-{pods.suffix(version)}"
        unwalled = {process["pid"] for process in usage.of_pods(pods.c, walls.node, [musl_pod])[musl_pod]}
        peaks = [process["memory_peak_bytes"] for process in walls.node.usage()["processes"]
                 if process["pid"] not in pods.known[version] | unwalled]
        greedy = [peak for peak in peaks if peak > limit - 2 * GIB]
        tell(f"toolkit {version}: {len(greedy)} programs came to their walls, {max(peaks) - limit} bytes over at most")
        expect(len(greedy) == len([name for name in PODS if name not in (*layouts.NEWER_PODS, "musl")]), peaks)
        expect(max(peaks) <= limit, f"{peaks}, the limit is {limit}")


def cases(run):
    archive = bed.product_image()
    with bed.scratch() as folder, bed.Cluster(
            names=tuple(TOOLKITS), gpus=dict.fromkeys(TOOLKITS, 1), default_runtime="nvidia",
            drivers=dict.fromkeys(TOOLKITS, layouts.DRIVER), toolkits=TOOLKITS) as cluster:
        for made in (archive, *layouts.make_images(folder)):
            cluster.import_image(made)
        pods = Layouts(cluster)
        if not run(f"walls on nodes with NVIDIA's container toolkit {' and '.join(pods.walls)}", pods.begin):
            return
        for strategy in STRATEGIES:
            if not run(f"pods of every layout start ({strategy})", pods.start, strategy):
                return
            for name in ("debian", "red-hat", "locked", "setuid"):
                run(f"every name of libcuda is the shim's: {name}", walled, pods, name)
            for name in layouts.NEWER_PODS:
                run(f"a newer libcuda of the image has a shim of its own: {name}", newer, pods, name)
            run("an image with musl runs without a wall, and is said to", musl, pods)
            run("no program with a wall was over it", nobody_was_over, pods)
            pods.stop()
