"""Programs in namespaces: started, watched, stopped, and their last words."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]


class Fault(Exception):
    """Something on the bed does not do what it must; the text says what, with the last log lines."""


def tail(path, lines=15):
    try:
        text = pathlib.Path(path).read_text(errors="replace").splitlines()
    except OSError as error:
        return str(error)
    return "\n".join(line[:400] for line in text[-lines:])


def wait_for(what, condition, seconds, step=0.05, logs=()):
    """Until `condition` gives something true, which is returned; else a Fault with the ends of `logs`."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            ends = "".join(f"\n--- {log}\n{tail(log)}" for log in logs)
            raise Fault(f"{what}: not within {seconds:g} s{ends}")
        time.sleep(step)


def child_of(pid):
    """The first child of a process, as this process numbers it; 0 where there is none."""
    with contextlib.suppress(OSError):
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else 0
    return 0


class Namespaces:
    """A set of namespaces (processes, network, mounts, host name, IPC) with a first process that keeps them."""

    def __init__(self, record, name, spec):
        """`spec` is what init.py is told; it returns when init.py says that all is set up."""
        self.name = name
        self.log = record.folder / f"{name}.init.log"
        read, write = os.pipe()
        command = ["unshare", "--pid", "--net", "--mount", "--uts", "--ipc", "--fork", "--kill-child",
                   "--propagation", "private", sys.executable, "-B", HERE / "init.py", json.dumps(spec), str(write)]
        with open(self.log, "w", encoding="utf-8") as log:
            self.holder = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, pass_fds=[write], start_new_session=True)
        os.close(write)
        record.add_process(self.holder.pid, f"{name} (unshare)")
        self.pid = wait_for(f"{name} in namespaces of its own", lambda: child_of(self.holder.pid), 10,
                            0.005, [self.log])
        record.add_process(self.pid, name)
        self._ready = read

    def wait_ready(self):
        with open(self._ready, encoding="utf-8") as pipe:
            if pipe.readline() != "ready\n":
                raise Fault(f"{self.name} could not be set up\n--- {self.log}\n{tail(self.log)}")

    def enter(self, *command, network_only=False):
        """The command line that runs `command` in here."""
        which = ["--net"] if network_only else ["--pid", "--net", "--mount", "--uts", "--ipc"]
        return ["nsenter", "--target", str(self.pid), *which, "--", *[str(part) for part in command]]

    def run(self, *command, seconds=60, check=True, network_only=False, **more):
        """Runs a command in here; its output as text (.stdout, .stderr, .returncode)."""
        more.setdefault("stdin", subprocess.DEVNULL if "input" not in more else None)
        more = {name: value for name, value in more.items() if value is not None}
        done = subprocess.run(self.enter(*command, network_only=network_only), timeout=seconds, text=True,
                              capture_output=True, start_new_session=True, **more)
        if check and done.returncode != 0:
            raise Fault(f"on {self.name}: {' '.join(map(str, command))}: exit {done.returncode}\n"
                        f"{done.stdout}{done.stderr}")
        return done


class Program:
    """A program that is to go on running in namespaces. Its output goes to `log`, over all its starts."""

    def __init__(self, namespaces, name, arguments, log, env=None):
        self.namespaces = namespaces
        self.name = name
        self.arguments = [str(part) for part in arguments]
        self.log = pathlib.Path(log)
        self.env = env or {}
        self._entered = None

    @property
    def pid(self):
        """As this machine numbers it; 0 while it does not run."""
        if self._entered is None or self._entered.poll() is not None:
            return 0
        return child_of(self._entered.pid)

    def running(self):
        return self.pid != 0

    def start(self):
        if self.running():
            raise Fault(f"{self.name} runs already")
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/root", **self.env}
        with open(self.log, "a", encoding="utf-8") as log:
            self._entered = subprocess.Popen(self.namespaces.enter(*self.arguments), stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, env=environment, start_new_session=True)
        wait_for(f"{self.name} started", lambda: self.pid or self._entered.poll() is not None, 10, 0.005,
                 [self.log])

    def stop(self, number=signal.SIGTERM, seconds=15):
        """Sends the signal and waits for the end; SIGKILL if that takes too long."""
        pid = self.pid
        if not pid:
            return
        os.kill(pid, number)
        try:
            self._entered.wait(seconds)
        except subprocess.TimeoutExpired:
            if self.pid == pid:
                os.kill(pid, signal.SIGKILL)
            self._entered.wait(seconds)

    def wait_for(self, what, condition, seconds):
        """As wait_for; also ends when the program does."""
        def ended_or():
            if not self.running():
                raise Fault(f"{self.name} ended before: {what}\n--- {self.log}\n{tail(self.log)}")
            return condition()
        return wait_for(f"{self.name}: {what}", ended_or, seconds, 0.05, [self.log])
