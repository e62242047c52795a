"""Images in the layouts of several distributions, and the pods that suite layouts makes of them: each says in its log
which libcuda programs get under each name, and what becomes of one that wants more memory than its wall allows.

    archives = make_images(folder)     # for cluster.import_image
    manifest(node, suffix, at)         # pods of all layouts on a node that has the driver's libraries in the folder `at`
    said(text)                         # {pod: Said} from the logs of many pods
"""

import collections
import json
import pathlib
import shutil
import subprocess

import bed
from bed import images
from suites import usage
from suites.sighted import container

DRIVER = ("535.261.03", "12.2")  # of the nodes: older than the libcuda in the compat folder of one image
NEWER, NEWER_CUDA = "550.163.01", "12040"
# Where a node has the driver's libraries, and so each container that is given them, whatever its own layout.
DEBIAN, RED_HAT = "/usr/lib/x86_64-linux-gnu", "/usr/lib64"
REAL = "/run/tranche/real/{}/libcuda.so.1"
COMPAT = "/usr/local/cuda/compat"
COMPAT_NAMES = [f"{COMPAT}/libcuda.so.1", f"{COMPAT}/libcuda.so.{NEWER}"]
CHECK = "/run/tranche/shim/tranche-check -o json"
LABEL = "tranche-test=layouts"
IMAGE = "docker.io/tranche-test/{}:1"
CLIENT = bed.ROOT / "tests/hook/client.c"
ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "NVIDIA_DRIVER_CAPABILITIES=compute,utility"]
# A library to link with, as the stubs of a CUDA toolkit are.
STUB = "int cuDriverGetVersion(int* version) { *version = 0; return 0; }\n"
HELLO = '#include <stdio.h>\nint main(void) { return puts("hello of a program of musl") < 0; }\n'
# Libraries that tranche-workload needs, and their loader, in a folder of an image that has musl for its C library.
ODD = "opt/glibc"
HELD_GIB = 12  # by the pod without a wall: more than a wall allows


def paths(at):
    """Of the driver's libcuda; the last one by way of a folder that is a link."""
    return [f"{at}/libcuda.so", f"{at}/libcuda.so.1", f"{at}/libcuda.so.{DRIVER[0]}",
            f"{at.removeprefix('/usr')}/libcuda.so.1"]


# ---- images ----

def compiled(folder):
    """The clients: by name, in a folder."""
    def compile_with(compiler, name, *arguments, source):
        subprocess.run([compiler, "-O1", "-o", folder / name, *arguments], input=source, text=True, check=True,
                       timeout=120)
    folder.mkdir()
    compile_with("gcc", "libcuda.so", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-x", "c", "-", source=STUB)
    compile_with("gcc", "client", CLIENT, source="")
    compile_with("gcc", "linked", "-DLINKED", CLIENT, "-L", folder, "-lcuda", source="")
    compile_with("musl-gcc", "hello", "-x", "c", "-", source=HELLO)
    return folder


def newer_libcuda():
    """NVIDIA's own, fetched from Debian."""
    done = subprocess.run([bed.ROOT / "tools/real-drivers"], stdout=subprocess.PIPE, text=True, check=False)
    bed.expect(done.returncode == 0, "tools/real-drivers failed (see above)")
    return pathlib.Path(dict(line.split(" ", 1) for line in done.stdout.splitlines())[NEWER_CUDA])


def glibc_image(folder, name, libraries, clients, compat=None):
    """With `compat`: the newer libcuda lies in COMPAT, and programs are led there by what it says: LD_LIBRARY_PATH, a
    file of ld.so.conf.d, or nothing."""
    tree = folder / name
    images.glibc_tree(tree, libraries, [*images.PROGRAMS, usage.PROGRAM, clients / "client", clients / "linked"])
    shutil.copy(clients / "client", tree / "usr/bin/setuid")
    (tree / "usr/bin/setuid").chmod(0o4755)
    environment = list(ENVIRONMENT)
    if compat:
        place = tree / COMPAT.lstrip("/")
        place.mkdir(parents=True)
        shutil.copy(newer_libcuda(), place / f"libcuda.so.{NEWER}")
        (place / "libcuda.so.1").symlink_to(f"libcuda.so.{NEWER}")
    if compat == "LD_LIBRARY_PATH":
        environment.append(f"LD_LIBRARY_PATH={COMPAT}")
    if compat == "ld.so.conf.d":
        (tree / "etc/ld.so.conf").write_text("include /etc/ld.so.conf.d/*.conf\n")
        (tree / "etc/ld.so.conf.d").mkdir(exist_ok=True)
        (tree / "etc/ld.so.conf.d/000_cuda.conf").write_text(f"{COMPAT}\n")
    subprocess.run(["/sbin/ldconfig", "-r", tree], check=True, timeout=30)
    return images.write_image(folder / f"{name}.tar", IMAGE.format(name), tree, {"Env": environment})


def musl_image(folder, clients):
    """No glibc where programs look for it; a workload with its own in a folder that nobody knows of."""
    tree = folder / "musl"
    for name in ("usr/bin", "lib", "etc", "tmp", "proc", "sys", "dev", "run", ODD):
        (tree / name).mkdir(parents=True)
    (tree / "bin").symlink_to("usr/bin")
    images.add_busybox(tree)
    shutil.copy("/lib/ld-musl-x86_64.so.1", tree / "lib")
    shutil.copy(clients / "hello", tree / "usr/bin")
    shutil.copy(usage.PROGRAM, tree / "usr/bin")
    for library in images.libraries_of(usage.PROGRAM):
        shutil.copy(library, tree / ODD)
    return images.write_image(folder / "musl.tar", IMAGE.format("musl"), tree, {"Env": ENVIRONMENT})


def make_images(folder):
    """The archives of all images."""
    folder = pathlib.Path(folder)
    clients = compiled(folder / "clients")
    return [glibc_image(folder, "debian", DEBIAN.lstrip("/"), clients),
            glibc_image(folder, "red-hat", RED_HAT.lstrip("/"), clients),
            glibc_image(folder, "newer", DEBIAN.lstrip("/"), clients, "LD_LIBRARY_PATH"),
            glibc_image(folder, "configured", DEBIAN.lstrip("/"), clients, "ld.so.conf.d"),
            glibc_image(folder, "compat", DEBIAN.lstrip("/"), clients, "nothing"),
            musl_image(folder, clients)]


# ---- pods ----

def marked(command, mark):
    return f"{command} 2>&1 | sed 's/^/{mark} /'"


def line_of(*commands, last="sleep infinity"):
    """Waits until the pod's wall is known, and tells the end."""
    wait = f"until said=$({CHECK}); do sleep 0.2; done; echo \"check $said\""
    return "; ".join([wait, *commands, "echo done", f"exec {last}"])


def greedy_line(*commands):
    """Also wants more than its wall allows, and then is content with less, for tranche-node to see."""
    return line_of(*commands, marked("tranche-workload hold --memory 76Gi --piece 1Gi --for 0.1s", "hold"),
                   last="tranche-workload hold --memory 1Gi --for 10m")


def ask(*names, client="client"):
    return marked(" ".join([client, "libcuda.so.1", *names, REAL.format(0)]), "client")


LOCKED = {"runAsUser": 1000, "runAsGroup": 1000, "runAsNonRoot": True, "readOnlyRootFilesystem": True,
          "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
LINKED = marked("linked", "client")
NEWER_PODS = ("newer", "configured", "compat")
PODS = ("debian", "red-hat", "locked", "setuid", *NEWER_PODS, "musl")


def pods(at):
    """By name: the image, the line, and whom it runs as."""
    names = paths(at)
    return {
        "debian": ("debian", greedy_line(ask(*names), LINKED), {}),
        "red-hat": ("red-hat", greedy_line(ask(*names), LINKED), {}),
        "locked": ("debian", greedy_line(ask(*names), LINKED, marked("touch /file", "touch")), LOCKED),
        "setuid": ("debian", greedy_line(ask(*names, client="setuid")), {"runAsUser": 1000}),
        **{name: (name, line_of(ask(*COMPAT_NAMES, *names), LINKED,
                                marked(f"client --init libcuda.so.1 {REAL.format(1)}", "init"),
                                marked(f"sha256sum {REAL.format(1)}", "sum")), {}) for name in NEWER_PODS},
        "musl": ("musl", "; ".join([
            "hello", marked(CHECK, "check"), "echo done",
            f"exec /{ODD}/ld-linux-x86-64.so.2 --library-path /{ODD}:{at} /usr/bin/tranche-workload hold "
            f"--memory {HELD_GIB}Gi --for 10m"]), {}),
    }


def manifest(node, suffix, at):
    """A pod of each on a node; `suffix` makes their names the node's own."""
    key, _, value = LABEL.partition("=")
    made = []
    for name, (image, line, who) in pods(at).items():
        main = container("main", line, image=IMAGE.format(image), securityContext=who)
        made.append({"apiVersion": "v1", "kind": "Pod",
                     "metadata": {"name": f"{name}-{suffix}", "labels": {key: value}},
                     "spec": {"nodeSelector": {"kubernetes.io/hostname": node}, "terminationGracePeriodSeconds": 0,
                              "restartPolicy": "Never", "containers": [main]}})
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": made})


Answer = collections.namedtuple("Answer", "secure hooked_path hooked plain_path plain")


class Said:
    """What one pod has said, by the marks of its lines."""

    def __init__(self):
        self.lines = []

    def __str__(self):
        return "\n".join(self.lines)

    def done(self):
        return "done" in self.lines

    def of(self, mark):
        return [line.partition(" ")[2] for line in self.lines if line.startswith(mark + " ")]

    def check(self):
        """What tranche-check has said."""
        (text,) = self.of("check")
        return json.loads(text)

    def answers(self):
        """name -> Answer: where a function that is hooked was found, and one that is not, with the inodes."""
        found = {}
        for line in self.of("client"):
            fields = line.split()
            bed.expect(len(fields) == 6, f"a client says: {line}")
            name, secure, hooked_path, hooked, plain_path, plain = fields
            found[name] = Answer(secure != "0", hooked_path, int(hooked), plain_path, int(plain))
        return found


def said(text):
    """{pod: Said} of `kubectl logs --prefix`."""
    found = collections.defaultdict(Said)
    for line in text.splitlines():
        where, _, rest = line.partition("] ")
        found[where.split("/")[1]].lines.append(rest)
    return found
