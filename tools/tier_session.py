"""What a tier of ./test needs while it runs: commands, packages, builds and ctest."""

import os
import pathlib
import subprocess
import time

import tier_counts
from tier_counts import Counts

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / "tools"
JOBS = int(os.environ.get("TRANCHE_JOBS") or os.cpu_count() or 1)
# No test judges a duration: this only ends what hangs, on however slow a machine. Tests set no limit of their own.
HANG_SECONDS = 1200


class Unable(Exception):
    """The tier cannot run here; the text says what it needs."""


class BuildFailed(Exception):
    pass


def say(text):
    print(text, flush=True)


def call(command, **more):
    """Runs a command with its output on ours; its exit status."""
    return subprocess.run([str(part) for part in command], cwd=ROOT, **more).returncode


def output_of(command):
    done = subprocess.run([str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Unable(f"{pathlib.Path(command[0]).relative_to(ROOT)} failed (see above)")
    return done.stdout.strip()


def install(*groups):
    if call([TOOLS / "install-packages", *groups]) != 0:
        raise Unable("packages that could not be installed (see above)")


class Session:
    """One run of ./test: what has been built so far, and the files named for conformance."""

    def __init__(self, files, cluster_options=()):
        self.files = files
        self.cluster_options = cluster_options
        self.built = {}

    def build(self, preset, target="all"):
        """Builds the targets (their names, apart by spaces) that this run has not built yet."""
        built = self.built.setdefault(preset, set())
        if built.issuperset(target.split()):
            return ROOT / "build" / preset
        start = time.monotonic()
        say(f"-- building {target} in build/{preset} ({JOBS} jobs)")
        configure = subprocess.run(["cmake", "--preset", preset], cwd=ROOT, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if configure.returncode != 0:
            say(configure.stdout)
            raise BuildFailed(f"cmake --preset {preset}")
        environment = dict(os.environ, NINJA_STATUS="[%f/%t %es] ")
        if call(["cmake", "--build", f"build/{preset}", "--target", *target.split(), "--parallel", JOBS],
                env=environment) != 0:
            raise BuildFailed(f"cmake --build build/{preset} --target {target}")
        say(f"-- built in {clock(time.monotonic() - start)}")
        built.update(target.split())
        return ROOT / "build" / preset

    def ctest(self, build, *selection, jobs=JOBS, timeout=HANG_SECONDS, wrapper=(), environment=None):
        """Runs the selected tests, and counts the cases inside them."""
        report = build / "ctest-report.xml"
        report.unlink(missing_ok=True)
        command = [*wrapper, "ctest", "--test-dir", build, *selection, "--output-on-failure",
                   "--no-tests=error", "--parallel", jobs, "--timeout", timeout,
                   "--test-output-size-passed", 1 << 24, "--test-output-size-failed", 1 << 24,
                   "--output-junit", report]
        status = call(command, env=dict(os.environ, **(environment or {})))
        if not report.exists():
            return Counts(failed=1, notes=["ctest ran nothing"])
        counts = tier_counts.of_junit(report)
        if status != 0 and counts.failed == 0:
            counts.failed = 1
        return counts


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def one(status):
    return Counts(passed=1) if status == 0 else Counts(failed=1)
