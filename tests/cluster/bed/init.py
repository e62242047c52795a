"""The first process of a set of namespaces: sets up what is in them, says so, then reaps orphans for ever.

Called by program.Namespaces as `init.py SPEC FD`: SPEC is JSON, "ready" is written to FD. With "root" in
SPEC it makes a node's own view of the machine: the machine's files under an overlay that keeps what is
written to itself, with its own /dev, /run, /tmp and kubelet folders, and the simulated driver on top.
Everything is in a tmpfs and in mounts of this namespace: it is gone when this process is."""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys

# mount(2), umount2(2)
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND = 2, 4, 8, 4096
MS_REC, MS_SHARED = 16384, 1 << 20
MNT_DETACH = 2
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[os.uname().machine]

# Where the driver listens, below its root. A node's own /run is not that of its driver root.
DRIVER_SOCKETS = "run/nvidia-persistenced"

LIBC = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def mount(source, target, kind=None, flags=0, data=None):
    def text(value):
        return None if value is None else os.fsencode(str(value))
    check(LIBC.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), text(data)),
          f"mount {source} on {target}")


def bind(source, target):
    target = pathlib.Path(target)
    if pathlib.Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, target, None, MS_BIND | MS_REC)


def tmpfs(target, mode="0755", size="50%"):
    pathlib.Path(target).mkdir(parents=True, exist_ok=True)
    mount("tmpfs", target, "tmpfs", 0, f"mode={mode},size={size}")


def make_devices(folder):
    """What programs expect of /dev, beside the GPUs that the simulated node keeps there."""
    for name, minor in {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9, "kmsg": 11}.items():
        make_device(folder / name, 1, minor, 0o644 if name == "kmsg" else 0o666)
    make_device(folder / "tty", 5, 0, 0o666)
    for name, target in {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                         "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}.items():
        (folder / name).symlink_to(target)
    (folder / "pts").mkdir()
    mount("devpts", folder / "pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
    tmpfs(folder / "shm", "1777")
    (folder / "mqueue").mkdir()


def make_device(path, major, minor, mode):
    os.mknod(path, stat.S_IFCHR | mode, os.makedev(major, minor))
    os.chmod(path, mode)


def cover_kernel_files(root, work, driver, boot_id):
    """The simulated driver's and PCI devices' files, and settings of the machine that a kubelet would change."""
    bind(driver / "proc/driver", root / "proc/driver")
    pci = root / "sys/bus/pci/devices"
    if not pci.exists():
        tmpfs(root / "sys/bus", size="1m")
        pci.mkdir(parents=True)
    bind(driver / "sys/bus/pci/devices", pci)
    # What the kubelet wants (its setupKernelTunables), so that it writes nothing into the real ones.
    settings = {"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10",
                "kernel/panic_on_oops": "1", "kernel/keys/root_maxkeys": "1000000",
                "kernel/keys/root_maxbytes": "25000000", "kernel/random/boot_id": boot_id}
    for name, value in settings.items():
        file = work / "sysctl" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value + "\n")
        bind(file, root / "proc/sys" / name)


def mount_whole(folder):
    """Where nothing looks, so that pods may have user namespaces of their own: the kernel lets such a one mount /proc
    and /sys only where each is to be seen whole already, and those of the node are covered in part."""
    for kind in ("proc", "sysfs"):
        (folder / kind).mkdir(parents=True)
        mount(kind, folder / kind, kind, MS_NOSUID | MS_NODEV | MS_NOEXEC)


def let_params_be(driver):
    """A container's own /proc has no /proc/driver/nvidia here, as no kernel module makes one: the toolkit's hook
    that covers `params` there has nothing to do where device files are not modified anyway."""
    params = driver / "proc/driver/nvidia/params"
    text = params.read_text()
    params.unlink()
    params.write_text(text.replace("ModifyDeviceFiles: 1", "ModifyDeviceFiles: 0"))


def make_root(spec):
    """The node's root file system, ready to become this namespace's."""
    work = pathlib.Path(spec["root"])
    tmpfs(work, size="75%")
    driver, root = work / "driver", work / "root"
    subprocess.run([spec["tranche"], "sim", "node", "create", spec["profile"], "--root", driver], check=True)
    let_params_be(driver)
    for name in ("root", "upper", "work", "kubelet", "containerd", "log"):
        (work / name).mkdir()
    lower = f"{driver}:/" if spec["driver_root"] == "/" else "/"
    mount("overlay", root, "overlay", 0, f"lowerdir={lower},upperdir={work}/upper,workdir={work}/work")
    make_devices(driver / "dev")
    bind(driver / "dev", root / "dev")
    mount("proc", root / "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", root / "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    bind("/sys/fs/cgroup", root / "sys/fs/cgroup")
    cover_kernel_files(root, work, driver, spec["boot_id"])
    mount_whole(root / "opt/bed/whole")
    tmpfs(root / "run")
    tmpfs(root / "tmp", "1777")
    if not (root / "var/run").is_symlink():
        bind(root / "run", root / "var/run")
    bind(work / "kubelet", root / "var/lib/kubelet")
    bind(work / "containerd", root / "var/lib/containerd")
    bind(work / "log", root / "var/log")
    bind(driver, root / "opt/bed/driver")
    if spec["driver_root"] == "/":
        (driver / DRIVER_SOCKETS).mkdir(parents=True)
        bind(driver / DRIVER_SOCKETS, root / DRIVER_SOCKETS)
    else:
        bind(driver, root / spec["driver_root"].strip("/"))
    for target, source in spec["binds"].items():
        bind(source, root / target.strip("/"))
    return root


def write_files(root, spec):
    for folder in spec["empty"]:
        shutil.rmtree(root / folder.strip("/"), ignore_errors=True)
        (root / folder.strip("/")).mkdir(parents=True)
    for name, text in spec["files"].items():
        path = root / name.strip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        path.write_text(text)
    for name, target in spec["links"].items():
        path = root / name.strip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        path.symlink_to(target)


def enter(root):
    """Makes `root` the root of this namespace, and lets go of the old one."""
    os.chdir(root)
    check(LIBC.syscall(SYS_PIVOT_ROOT, b".", b"."), "pivot_root")
    check(LIBC.umount2(b".", MNT_DETACH), "leaving the old root")
    os.chdir("/")
    mount("none", "/", None, MS_REC | MS_SHARED)


def reap():
    """For ever; orphans of the namespace become this process's children."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while True:
        signal.sigwait([signal.SIGCHLD])
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass


def main():
    spec = json.loads(sys.argv[1])
    if spec.get("hostname"):
        check(LIBC.sethostname(spec["hostname"].encode(), len(spec["hostname"])), "sethostname")
    if spec.get("root"):
        root = make_root(spec)
        write_files(root, spec)
        enter(root)
    else:
        # Tools that ask about processes are to see this namespace's.
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    os.write(int(sys.argv[2]), b"ready\n")
    os.close(int(sys.argv[2]))
    reap()


if __name__ == "__main__":
    main()
