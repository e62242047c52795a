"""Container images for the test cluster, made from this machine's own files: OCI layouts in a tar."""

import contextlib
import hashlib
import io
import json
import pathlib
import re
import shutil
import subprocess
import tarfile

from bed.program import Fault

PAUSE = "registry.k8s.io/pause:3.10"
# What the seed document's pods run: Debian's and Ubuntu's places for libraries.
CUDA = "nvcr.io/nvidia/cuda:12.4.0-base-ubuntu22.04"
# Red Hat's places, a folder of forward-compatibility libraries, and an LD_LIBRARY_PATH of its own.
CUDA_LIB64 = "nvcr.io/nvidia/cuda:12.4.0-base-ubi8"
COMPAT_VERSION = "550.54.14"  # older than the simulated driver: the driver's own libcuda must win

PAUSE_SOURCE = """
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
static void reap(int number) { (void)number; while (waitpid(-1, 0, WNOHANG) > 0) {} }
int main(void) {
  signal(SIGINT, end);
  signal(SIGTERM, end);
  signal(SIGCHLD, reap);
  for (;;) pause();
}
"""
PROGRAMS = ["/bin/bash", "/bin/sleep", "/usr/bin/env", "/bin/ls", "/bin/cat", "/usr/bin/stat", "/sbin/ldconfig"]
ENVIRONMENT = ["PATH=/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:"
               "/usr/sbin:/usr/bin:/sbin:/bin", "NVARCH=x86_64", "NVIDIA_REQUIRE_CUDA=cuda>=12.4",
               "CUDA_VERSION=12.4.0", "NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"]


def _blob(folder, data):
    digest = hashlib.sha256(data).hexdigest()
    (folder / "blobs/sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def _layer(tree):
    """The tree as an uncompressed tar, everything root's, in a fixed order."""
    stream = io.BytesIO()
    def plain(entry):
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(tree.rglob("*")):
            archive.add(path, str(path.relative_to(tree)), recursive=False, filter=plain)
    return stream.getvalue()


def write_image(archive, name, tree, config):
    """`tree` as the image `name` in the file `archive`. `config`: Env, Entrypoint, Cmd, User … of OCI's."""
    archive = pathlib.Path(archive)
    folder = archive.with_suffix(".layout")
    (folder / "blobs/sha256").mkdir(parents=True)
    layer = _blob(folder, _layer(tree))
    image = {"architecture": "amd64", "os": "linux", "config": config,
             "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                           **_blob(folder, json.dumps(image).encode())},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer}]}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
             "manifests": [{"mediaType": manifest["mediaType"], **_blob(folder, json.dumps(manifest).encode()),
                            "platform": {"architecture": "amd64", "os": "linux"},
                            "annotations": {"io.containerd.image.name": name,
                                            "org.opencontainers.image.ref.name": name.rpartition(":")[2]}}]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    with tarfile.open(archive, "w") as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, str(path.relative_to(folder)), recursive=False)
    shutil.rmtree(folder)
    return archive


def libraries_of(program):
    """What the loader loads for a program, and the loader itself."""
    lines = subprocess.run(["ldd", program], check=False, capture_output=True, text=True, timeout=30).stdout
    return {found for line in lines.splitlines() for found in re.findall(r"(?:=> )?(/\S+) \(0x", line)}


def _pause(folder):
    tree = folder / "pause"
    tree.mkdir()
    subprocess.run(["gcc", "-Os", "-static", "-x", "c", "-", "-o", tree / "pause"], input=PAUSE_SOURCE, text=True,
                   check=True, timeout=60)
    return write_image(folder / "pause.tar", PAUSE, tree, {"Entrypoint": ["/pause"], "User": "65535:65535"})


def glibc_tree(tree, libraries, programs=PROGRAMS):
    """A small glibc system: programs, their libraries in the folder `libraries`, busybox for the rest."""
    for folder in ("usr/bin", "usr/sbin", libraries, "usr/lib64", "usr/lib", "etc/ld.so.conf.d", "tmp", "root",
                   "var/tmp", "proc", "sys", "dev", "run"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
    (tree / "tmp").chmod(0o1777)
    needed = set()
    for program in programs:
        shutil.copy(program, tree / "usr/bin")
        needed |= libraries_of(program)
    for extra in ("libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"):
        with contextlib.suppress(StopIteration):
            needed.add(str(next(pathlib.Path("/lib/x86_64-linux-gnu").glob(extra))))
    for library in needed:
        place = "usr/lib64" if "ld-linux" in library else libraries
        shutil.copy(library, tree / place)
    add_busybox(tree)
    (tree / "etc/ld.so.conf").write_text(f"include /etc/ld.so.conf.d/*.conf\n/{libraries}\n")


def add_busybox(tree):
    """A shell and small programs that need no library, under the names that nothing else has; and who is root."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise Fault("busybox (Debian's busybox-static) is missing")
    shutil.copy(busybox, tree / "usr/bin/busybox")
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in applets:
        if not (tree / "usr/bin" / applet).exists():
            (tree / "usr/bin" / applet).symlink_to("busybox")
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\n")


def _finish_cuda(tree, archive, name, environment):
    subprocess.run(["/sbin/ldconfig", "-r", tree], check=True, timeout=30)
    return write_image(archive, name, tree, {"Env": environment, "Cmd": ["/bin/bash"]})


def _cuda(folder):
    tree = folder / "cuda"
    glibc_tree(tree, "usr/lib/x86_64-linux-gnu")
    (tree / "etc/ld.so.conf.d/nvidia.conf").write_text("/usr/local/nvidia/lib\n/usr/local/nvidia/lib64\n")
    return _finish_cuda(tree, folder / "cuda.tar", CUDA,
                        [*ENVIRONMENT, "LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64"])


def _cuda_lib64(folder, sim):
    tree = folder / "cuda-lib64"
    glibc_tree(tree, "usr/lib64")
    compat = tree / "usr/local/cuda-12.4/compat"
    compat.mkdir(parents=True)
    (tree / "usr/local/cuda").symlink_to("cuda-12.4")
    shutil.copy(sim / "sim/libnvidia-nothing.so.1", compat / f"libcuda.so.{COMPAT_VERSION}")
    (compat / "libcuda.so.1").symlink_to(f"libcuda.so.{COMPAT_VERSION}")
    return _finish_cuda(tree, folder / "cuda-lib64.tar", CUDA_LIB64,
                        [*ENVIRONMENT, "LD_LIBRARY_PATH=/opt/workload/lib"])


def make(folder, sim):
    """The images every node of the cluster has; the archives' paths."""
    folder.mkdir()
    archives = [_pause(folder), _cuda(folder), _cuda_lib64(folder, pathlib.Path(sim))]
    for tree in folder.iterdir():
        if tree.is_dir():
            shutil.rmtree(tree)
    return archives
