"""Memory walls on this machine's own GPUs: tests/walls' bed with the installed driver in place of a simulated one. Judged
by the driver's own nvidia-smi."""

import contextlib
import ctypes
import pathlib
import shutil
import subprocess
import threading

from wallsbed import MIB, POD, Bed, DrivenNode, Shadow


def loaded(name):
    """The file that the dynamic linker finds under a name."""
    ctypes.CDLL(name)
    lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
    stem = name.split(".so")[0]
    return next(line.split()[-1] for line in lines if pathlib.Path(line.split()[-1]).name.startswith(stem + ".so"))


class InstalledDriver:
    """This machine's own, with the face of a simulated node."""

    root = "/"
    smi = "nvidia-smi"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @staticmethod
    def library(name="libcuda.so.1"):
        return loaded(name)

    def libraries(self):
        return str(pathlib.Path(self.library()).parent)


class SimulatedDriver(DrivenNode):
    """For a moment's trial without a GPU."""

    def __init__(self):
        super().__init__("a100x2")
        self.smi = f"{self.root}/usr/bin/nvidia-smi"


class CardBed(Bed):
    def __init__(self, simulated, **config):
        super().__init__(**config)
        self.simulated = simulated

    def make_node(self):
        return SimulatedDriver() if self.simulated else InstalledDriver()

    def begin(self):
        super().begin()
        if self.groups.root is not None:
            self.both = self.enter_context(Shadow(self.node.library(), self.node.library("libnvidia-ml.so.1")))
            self.smi_inside = self.node.smi
            if self.simulated:
                # The simulated one takes the library of its own node where it finds it; a copy elsewhere does not.
                self.smi_inside = shutil.copy(self.node.smi, self.folder)

    def find_uuids(self):
        return [row[0] for row in self.query("gpu", "uuid")]

    def query(self, what, *fields):
        """Rows of what nvidia-smi says outside of any pod."""
        return self.rows(self.start_smi(what, fields))

    def query_inside(self, what, *fields):
        """The same in a pod with walls."""
        command = [self.smi_inside, *self.question(what, fields)]
        return self.rows(self.start(command, POD, shadow=self.both))

    @staticmethod
    def question(what, fields):
        return [f"--query-{what}={','.join(fields)}", "--format=csv,noheader,nounits"]

    def start_smi(self, what, fields):
        return subprocess.Popen([self.node.smi, *self.question(what, fields)], text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={"LD_LIBRARY_PATH": self.node.libraries()})

    @staticmethod
    def rows(process):
        out, errors = process.communicate(timeout=60)
        if process.returncode != 0:
            raise RuntimeError(f"nvidia-smi: {out}{errors}")
        return [line.split(", ") for line in out.splitlines()]

    def used_by(self, pids):
        """Bytes that nvidia-smi says that processes have of each GPU, in whole MiB."""
        used = dict.fromkeys(self.uuids, 0)
        for uuid, pid, mib in self.query("compute-apps", "gpu_uuid", "pid", "used_memory"):
            if int(pid) in pids and mib.isdigit():
                used[uuid] += int(mib) * MIB
        return used

    @contextlib.contextmanager
    def watched(self, pids):
        """The most that the processes had of each GPU while it lasts, as often as nvidia-smi can be asked."""
        most, over = dict.fromkeys(self.uuids, 0), threading.Event()

        def look():
            while not over.is_set():
                for uuid, used in self.used_by(pids).items():
                    most[uuid] = max(most[uuid], used)

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield most
        finally:
            over.set()
            watcher.join()
