"""usage: ./test [TIER…] [FILE.jsonl…] [--keep] [--only SUITE]

Builds what the tiers need and runs them; packages that are missing are installed first (root or sudo).
Without arguments: the quick tiers, unit conformance process demo bench-smoke.

  unit         tests of each room, NVML and CUDA clients on the simulated node, checks of the tree
  conformance  the configuration vectors; a FILE.jsonl named here is run instead of our copy
  process      whole programs under faults, at a tenth of the full repetition counts
  demo         what ./run shows on a simulated node, judged by its exit status, its words and the driver's log
  bench-smoke  each benchmark for a moment
  bench        the benchmarks, in full
  peer         NVIDIA's own device plugin beside ours, on the same nodes
  deploy       the container image and the Helm chart, without a cluster
  cluster      real Kubernetes on this machine (root): a control plane and three nodes with simulated GPUs.
               The first time it builds Kubernetes, about 15 minutes; --only SUITE runs one suite (seed: the
               seed document, command by command; bed, operator, nfd, lifecycle, faults, access, adoption,
               sharing, sight, sight_faults, walls, layouts; or soak, scale: only where named), --keep leaves it up
               and says how to use it
  sight        metrics, alerts and boards, judged by a real Prometheus; the page in a real Chromium; both are fetched
               from Debian
  nvml         only the NVML clients of unit
  driver       the simulated libcuda beside NVIDIA's own libraries, which it fetches from Debian (root)
  shim         the libraries in front of libcuda and NVML, before NVIDIA's own of three versions, and how they get into a
               container, among NVIDIA's own hooks and under runc (root)
  format       clang-format changes nothing
  tidy         clang-tidy and clang's warnings, thread-safety analysis included
  asan tsan    the rooms' unit tests under sanitizers; tsan of those that have threads
  fuzz         each fuzz target for a minute (TRANCHE_FUZZ_SECONDS); inputs differ from run to run, unless
               TRANCHE_FUZZ_SEED=N says otherwise
  soak         process at full counts, numba and tinygrad on a simulated GPU, programs that race and are killed at
               the wall of one pod at full counts (64 processes of 64 threads), ten minutes of fuzzing, the
               cluster's long faults, the seed document on the oldest Kubernetes that is supported upstream, and
               whether the image's Debian packages are behind the security updates that Debian serves
  gpu          the demo on this machine's own GPUs, and how they share their time (bench/gpu)
  all          all but bench and soak; gpu where there is one

A tier that cannot run says what it needs; with CI=true that is a failure, as is a skipped test.
Last line: N passed, N failed. Exit status 1 if anything failed.
"""

import os
import pathlib
import subprocess
import sys
import time

import fuzzing
import tier_counts
from tier_counts import Counts
from tier_session import (HANG_SECONDS, JOBS, ROOT, TOOLS, BuildFailed, Session, Unable, call, clock, install, one,
                          output_of, say)

CI = os.environ.get("CI") == "true"
QUICK = ["unit", "conformance", "process", "demo", "bench-smoke"]
SANITIZERS = ["format", "tidy", "asan", "tsan", "fuzz"]
# What `unit` builds beside the programs: each header compiled alone, so that one that leans on others fails the build.
HEADERS_ALONE = "all_verify_interface_header_sets"


def client_environment(*requirements):
    """Clients nobody here wrote, and NVIDIA's headers, live in a Python environment of their own."""
    python = output_of([TOOLS / "python-env", *requirements])
    return {"TRANCHE_PYTHON": python}


def unit(session):
    environment = client_environment()
    build = session.build("release", f"all {HEADERS_ALONE}")
    return session.ctest(build, "-L", "^(unit|nvml|cuda)$", environment=environment)


def nvml(session):
    environment = client_environment()
    return session.ctest(session.build("release"), "-L", "^nvml$", environment=environment)


def conformance(session):
    """Prints each case; of our own copy also shows that the runner can fail."""
    build = session.build("release")
    files = session.files or [ROOT / "tests/conformance/config-vectors.jsonl"]
    done = subprocess.run([build / "bin/conformance", *files], stdout=subprocess.PIPE, text=True)
    say(done.stdout)
    counts = tier_counts.of_output(done.stdout) or Counts(failed=1, notes=["the runner counted nothing"])
    if done.returncode != 0 and counts.failed == 0:
        counts.failed = 1
    if not session.files:
        counts += session.ctest(build, "-R", "^conformance_can_fail$")
    return counts


def process(session, repeat=10, timeout=HANG_SECONDS):
    # Half of the cores at most: an agent waits only so long for some things (tests/process/rig.h).
    return session.ctest(session.build("release"), "-L", "^process$", jobs=max(1, JOBS // 2),
                         timeout=timeout, environment={"TRANCHE_REPEAT": str(repeat)})


def demo(session):
    return session.ctest(session.build("release"), "-L", "^demo$", jobs=1)


def bench_smoke(session):
    return session.ctest(session.build("release"), "-L", "^bench-smoke$", jobs=1)


def bench(session):
    """The parts alone, and whole programs beside NVIDIA's plugin; tables here, JSON in the build folder."""
    install("go")
    folder = output_of([ROOT / "tests/peer/build"])
    build = session.build("release")
    counts = Counts()
    results = build / "bench-results"
    results.mkdir(exist_ok=True)
    for program in sorted((build / "bench").glob("*_bench")):
        say(f"-- {program.name}")
        output = results / f"{program.name}.json"
        if program.name == "plugin_bench":
            options = [f"--peer={folder}", f"--json={output}"]
        else:
            options = [f"--benchmark_out={output}"]
        counts += one(call([program, *options]))
    say("-- native")
    counts += one(call([sys.executable, "-B", ROOT / "bench/native/run.py", build,
                        f"--json={results / 'native.json'}"]))
    say("-- sight")
    counts += one(call([sys.executable, "-B", ROOT / "bench/sight/run.py", build,
                        f"--json={results / 'sight.json'}"]))
    say("-- walls")
    counts += one(call([sys.executable, "-B", ROOT / "bench/walls/run.py", build,
                        f"--json={results / 'walls.json'}"]))
    return counts if counts.total() else Counts(failed=1, notes=["no benchmark was built"])


def peer(session):
    install("go")
    folder = output_of([ROOT / "tests/peer/build"])
    return session.ctest(session.build("release"), "-L", "^peer$", jobs=1,
                         environment={"TRANCHE_PEER_DIR": folder})


def deploy(session):
    """The real helm renders the chart; the image is made of the release build, and run in a root of its own."""
    install("go", "deploy")
    folders = dict(line.split() for line in output_of([ROOT / "tests/cluster/build", "helm"]).splitlines())
    return session.ctest(session.build("release"), "-L", "^deploy$",
                         environment={"TRANCHE_HELM": str(pathlib.Path(folders["helm"]) / "helm")})


def sight(session):
    """A real Prometheus, fetched and unpacked outside the tree, watches whole programs; a real Chromium shows the page."""
    install("sight")
    environment = {"TRANCHE_PROMETHEUS": output_of([TOOLS / "prometheus"])}
    return session.ctest(session.build("release", "product"), "-L", "^sight$", jobs=1, environment=environment)


def cluster(session):
    """Suites on real Kubernetes; with --only seed only the programs that the seed document needs are built."""
    return on_cluster(session, session.cluster_options)


def on_cluster(session, options):
    if os.geteuid() != 0:
        raise Unable("root: a cluster consists of namespaces, mounts and cgroups")
    install("go", "cluster")
    session.build("release", "product")
    parts = ["--seed"] if "--only" in options else []
    if call([ROOT / "tests/cluster/build", *parts], stdout=subprocess.DEVNULL) != 0:
        return Counts(failed=1, notes=["tests/cluster/build failed"])
    running = subprocess.Popen([sys.executable, "-B", ROOT / "tests/cluster/run.py", *options],
                               cwd=ROOT, stdout=subprocess.PIPE, text=True)
    text = []
    try:
        for line in running.stdout:
            print(line, end="", flush=True)
            text.append(line)
        status = running.wait()
    except KeyboardInterrupt:
        running.wait(60)  # it takes the cluster down
        raise
    counts = tier_counts.of_output("".join(text)) or Counts(failed=1, notes=["the suites counted nothing"])
    if status != 0 and counts.failed == 0:
        counts.failed = 1
    return counts


def formatting(_session):
    install("clang")
    return one(call([TOOLS / "format", "--check"]))


def driver(session):
    """NVIDIA's libcuda of the versions that we simulate: proprietary, fetched by checksum, kept outside the tree."""
    if os.geteuid() != 0:
        raise Unable("root: the real library makes device nodes, and runs with a /dev of its own")
    environment = {"TRANCHE_DRIVERS": output_of([TOOLS / "real-drivers"])}
    build = session.build("release", "tranche tranche_sim_home")
    return session.ctest(build, "-L", "^driver$", environment=environment)


def shim(session):
    """Before NVIDIA's libcuda and libnvidia-ml, fetched as for the tier `driver`, under its libcudart, and among the
    hooks of its container toolkit."""
    if os.geteuid() != 0:
        raise Unable("root: the real library makes device nodes, and runs with a /dev of its own")
    install("go")
    parts = dict(line.split() for line in output_of([ROOT / "tests/cluster/build", "toolkit", "toolkit-1.19",
                                                     "runc"]).splitlines())
    environment = {"TRANCHE_DRIVERS": output_of([TOOLS / "real-drivers"]),
                   "TRANCHE_NVML_DRIVERS": output_of([TOOLS / "real-drivers", "libnvidia-ml"]), **client_environment(),
                   "TRANCHE_TOOLKITS": f"{parts['toolkit']}:{parts['toolkit-1.19']}", "TRANCHE_RUNC": parts["runc"]}
    build = session.build("release", "tranche tranche_sim_home tranche_shim")
    return session.ctest(build, "-L", "^shim$", environment=environment)


def tidy(_session):
    install("clang")
    return one(call([sys.executable, "-B", TOOLS / "tidy.py"]))


# The rooms in which there is more than one thread: what tsan has a say in. (sim/node's sequence lock is
# between processes and rests on fences, which tsan does not model.)
THREADED = ["base_test", "base_disk_test", "gpu_test", "gpu_nvml_test", "apiserver_test",
            "apiserver_tls_test", "agent_serve_test", "profile_test", "daemon_test", "sim_kubelet_test"]


def rooms_only(session, preset, environment, programs=()):
    """The rooms' unit tests, without randomised addresses: they upset the thread sanitizer."""
    build = session.build(preset, " ".join(programs) or "unit_tests")
    fixed = ["setarch", "-R"]
    if subprocess.run([*fixed, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        fixed = []
    selection = ["-R", f"^({'|'.join(programs)})$"] if programs else ["-LE", "^(check|stepped)$"]
    return session.ctest(build, "-L", "^unit$", *selection, wrapper=fixed, environment=environment)


def asan(session):
    return rooms_only(session, "asan", {
        "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1"})


def tsan(session):
    return rooms_only(session, "tsan", {
        "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1"}, THREADED)


def fuzz(session, seconds=None):
    install("clang")
    seconds = seconds or int(os.environ.get("TRANCHE_FUZZ_SECONDS") or 60)
    seed = int(os.environ.get("TRANCHE_FUZZ_SEED") or 0)
    folder = session.build("fuzz", "fuzz_targets") / "fuzz"
    programs = sorted(folder.glob("*_fuzz"))
    counts = Counts()
    for first in range(0, len(programs), JOBS):
        side_by_side = programs[first:first + JOBS]
        for status, note in fuzzing.together(folder, side_by_side, seconds, seed):
            counts += Counts(one(status).passed, one(status).failed, notes=[note] if note else [])
    return counts if programs else Counts(failed=1, notes=["no fuzz target was built"])


def compilers(session):
    environment = client_environment(ROOT / "tests/cuda/compilers/requirements.txt")
    return session.ctest(session.build("release"), "-L", "^compilers$", environment=environment)


def soak(session):
    counts = process(session, repeat=100, timeout=6 * HANG_SECONDS)
    counts += compilers(session)
    counts += session.ctest(session.build("release"), "-L", "^walls-full$", timeout=6 * HANG_SECONDS,
                            environment=client_environment())
    counts += fuzz(session, seconds=600)
    counts += one(call([ROOT / "deploy/image/build", "--updates"]))
    counts += on_cluster(session, ["--only", "soak"])
    return counts + on_cluster(session, ["--only", "seed", "--oldest"])


def gpu(session):
    if not pathlib.Path("/dev/nvidiactl").exists():
        raise Unable("an NVIDIA GPU and its driver on this machine")
    build = session.build("release")
    try:
        counts = one(call([build / "bin/tranche", "demo"], timeout=HANG_SECONDS))
    except subprocess.TimeoutExpired:
        counts = Counts(failed=1, notes=[f"the demo did not end within {HANG_SECONDS} s"])
    return counts + one(call([sys.executable, "-B", ROOT / "bench/gpu/run.py", build,
                              "--json", build / "bench-results"]))


TIERS = {"unit": unit, "conformance": conformance, "process": process, "demo": demo,
         "bench-smoke": bench_smoke, "bench": bench, "peer": peer, "cluster": cluster, "deploy": deploy,
         "sight": sight, "nvml": nvml, "driver": driver, "shim": shim,
         "format": formatting, "tidy": tidy, "asan": asan, "tsan": tsan, "fuzz": fuzz,
         "soak": soak, "gpu": gpu}


def cluster_options(arguments):
    """--keep and --only SUITE go to the cluster tier; the rest, and those."""
    rest, options = [], []
    arguments = list(arguments)
    while arguments:
        argument = arguments.pop(0)
        if argument == "--keep":
            options.append(argument)
        elif argument == "--only":
            if not arguments:
                sys.exit("--only needs the name of a suite")
            options += [argument, arguments.pop(0)]
        else:
            rest.append(argument)
    return rest, options


def chosen(arguments):
    """Tiers in order without repetition, and the files named."""
    files = [str(pathlib.Path(argument).resolve()) for argument in arguments
             if argument.endswith(".jsonl")]
    names = [argument for argument in arguments if not argument.endswith(".jsonl")]
    if not names:
        names = ["conformance"] if files else QUICK
    expanded = []
    for name in names:
        if name == "all":
            expanded += QUICK + ["driver", "shim", "peer", "deploy", "sight", "cluster"] + SANITIZERS
            expanded += ["gpu"] if pathlib.Path("/dev/nvidiactl").exists() else []
        elif name in TIERS:
            expanded.append(name)
        else:
            sys.exit(f"no tier '{name}' (./test --help lists them)")
    return list(dict.fromkeys(expanded)), files


def run_tier(session, name):
    say(f"\n== {name}")
    start = time.monotonic()
    try:
        counts = TIERS[name](session)
    except BuildFailed as failure:
        counts = Counts(failed=1, notes=[f"the build failed: {failure}"])
    except Unable as needs:
        counts = Counts(failed=1 if CI else 0, notes=[f"cannot run: needs {needs}"])
    if CI and counts.skipped:
        counts.notes.append(f"{counts.skipped} skipped tests count as failed with CI=true")
        counts.failed, counts.skipped = counts.failed + counts.skipped, 0
    return counts, time.monotonic() - start


def main():
    arguments, options = cluster_options(sys.argv[1:])
    names, files = chosen(arguments)
    if options and "cluster" not in names:
        sys.exit("--keep and --only are for the tier cluster")
    session = Session(files, options)
    say(f"tiers: {' '.join(names)}")
    total, lines, start = Counts(), [], time.monotonic()
    for name in names:
        counts, seconds = run_tier(session, name)
        skipped = f", {counts.skipped} skipped" if counts.skipped else ""
        line = f"{name:12} {counts.passed:6} passed {counts.failed:4} failed{skipped}  {clock(seconds)}"
        say(f"== {line}")
        lines.append("\n             ".join([line, *counts.notes]))
        total += counts
    say(f"\nSummary ({clock(time.monotonic() - start)})\n  " + "\n  ".join(lines))
    say(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
