"""What a cluster leaves in the machine, written down before it is made, so that it can be taken down later
by another process: processes (by pid and start time), cgroups, and the folder they all belong to.

Mounts, network interfaces and everything a node writes live in namespaces and go with their processes.
A folder under BASE is one cluster. Nothing is ever ended but what is written here and still the same."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import time

BASE = pathlib.Path("/run/tranche-cluster")
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def start_time(pid):
    """Clock ticks since boot at which the process started; None where there is none."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return None if fields[0] in "ZX" else int(fields[19])  # 22nd of proc(5)'s stat


def same(process):
    return start_time(process["pid"]) == process["started"]


def wait_until(condition, seconds, step=0.02):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True


class Record:
    """The written state of one cluster."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.file = self.folder / "record.json"
        self.data = {"owner": None, "kept": False, "processes": [], "cgroups": []}
        with contextlib.suppress(OSError, ValueError):
            self.data.update(json.loads(self.file.read_text()))

    @classmethod
    def new(cls, name):
        BASE.mkdir(mode=0o700, parents=True, exist_ok=True)
        record = cls(BASE / name)
        record.folder.mkdir(mode=0o700)
        record.data["owner"] = {"pid": os.getpid(), "started": start_time(os.getpid())}
        record.write()
        return record

    def write(self):
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.data, indent=1))
        part.rename(self.file)

    def add_process(self, pid, name):
        self.data["processes"].append({"pid": pid, "started": start_time(pid), "name": name})
        self.write()

    def add_cgroup(self, path):
        self.data["cgroups"].append(path)
        self.write()

    def keep(self):
        self.data["kept"] = True
        self.write()

    def owned(self):
        owner = self.data["owner"]
        return bool(owner and same(owner))

    def take_down(self):
        """Ends what runs, removes what is left. Says what it could not, as a list of lines."""
        faults = []
        # First the first processes of the process namespaces: all others in them end with them.
        for process in self.data["processes"]:
            if process["started"] is not None and same(process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process["pid"], signal.SIGKILL)
        for process in self.data["processes"]:
            if process["started"] is not None and not wait_until(lambda p=process: gone(p), 15):
                faults.append(f"{process['name']} (pid {process['pid']}) does not end")
        for path in self.data["cgroups"]:
            faults += remove_cgroups(path)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            faults.append(f"{self.folder} could not be removed")
        return faults


def gone(process):
    # A child of ours stays a zombie until it is waited for.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process["pid"], os.WNOHANG)
    return not same(process)


def cgroup_roots():
    """The folders in which a cgroup path begins: one for each v1 controller, or the one of v2."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    roots = {entry.resolve() for entry in CGROUPS.iterdir() if (entry / "cgroup.procs").exists()}
    return sorted(roots)


def make_cgroups(path):
    """The path in every hierarchy, ready to have children."""
    for root in cgroup_roots():
        folder = root
        for part in path.strip("/").split("/"):
            if root == CGROUPS:
                enable_controllers(folder)
            parent, folder = folder, folder / part
            folder.mkdir(exist_ok=True)
            # v1 gives a new cpuset nothing until it is told.
            for name in ("cpuset.cpus", "cpuset.mems"):
                if root != CGROUPS and (folder / name).exists() and not (folder / name).read_text().strip():
                    (folder / name).write_text((parent / name).read_text())
        if root == CGROUPS:
            enable_controllers(folder)


def enable_controllers(folder):
    for controller in (folder / "cgroup.controllers").read_text().split():
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def remove_cgroups(path):
    def sweep():
        for root in cgroup_roots():
            top = root / path.strip("/")
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        return not any((root / path.strip("/")).exists() for root in cgroup_roots())
    return [] if wait_until(sweep, 10, 0.1) else [f"cgroup {path} could not be removed"]


def clusters():
    if not BASE.is_dir():
        return []
    return [Record(folder) for folder in sorted(BASE.iterdir()) if folder.is_dir()]


def clean_up(kept=False, say=print):
    """Takes down clusters whose maker is gone, and with `kept` those that were to stay; faults as lines."""
    faults = []
    for record in clusters():
        if record.owned() or (record.data["kept"] and not kept):
            continue
        say(f"taking down an earlier cluster, {record.folder.name}")
        faults += record.take_down()
    with contextlib.suppress(OSError):
        BASE.rmdir()
    return faults
