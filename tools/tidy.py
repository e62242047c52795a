#!/usr/bin/env python3
"""clang-tidy over the sources of src/ and sim/ (tests left out), as many at a time as there are cores.

usage: tools/tidy.py [FILE…]

A file that was clean is not looked at again until it, a header of ours that it includes, its command
line, .clang-tidy or clang-tidy itself has changed. The results are kept outside the tree, and do not depend
on where the tree lies.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/clang"
JOBS = int(os.environ.get("TRANCHE_JOBS") or os.cpu_count() or 1)
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = pathlib.Path(os.environ.get("TRANCHE_CACHE") or pathlib.Path(base) / "tranche") / "tidy"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(command, why):
    done = subprocess.run([str(part) for part in command], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\n{why}")
    return done.stdout


def prepare():
    """Configures the clang preset and generates what the sources include; nothing else is built."""
    run(["cmake", "--preset", "clang"], "cmake --preset clang failed")
    targets = run(["ninja", "-C", BUILD, "-t", "targets", "all"], "ninja failed").splitlines()
    generated = [line.split(":")[0] for line in targets
                 if re.search(r"\.pb\.h:|_generated\.h:", line) and not line.startswith("cmake_object")]
    if generated:
        run(["cmake", "--build", BUILD, "--target", *generated], "generating headers failed")


def commands():
    """{source: compile command} of what is to be checked."""
    found = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"])
        ours = any(path.is_relative_to(ROOT / top) for top in ("src", "sim"))
        if ours and not path.name.endswith("_test.cc"):
            found[path] = entry["command"]
    return found


class Closure:
    """The text of a source and of every header of ours it reaches."""

    def __init__(self):
        self.files = {}

    def includes(self, path):
        if path not in self.files:
            text = path.read_text(errors="replace")
            places = (ROOT / "src", ROOT, path.parent)
            self.files[path] = (text, [place / name for name in INCLUDE.findall(text)
                                       for place in places if (place / name).is_file()])
        return self.files[path]

    def digest(self, source, *more):
        seen, waiting = {}, [source]
        while waiting:
            path = waiting.pop()
            if path not in seen:
                seen[path], following = self.includes(path)
                waiting += following
        whole = hashlib.sha256("\0".join(more).replace(str(ROOT), "").encode())
        for path in sorted(seen):
            whole.update(f"{path.relative_to(ROOT)}\0{seen[path]}\0".encode())
        return whole.hexdigest()[:32]


def tidy(source):
    start = time.monotonic()
    done = subprocess.run(["clang-tidy", "--quiet", "-p", BUILD, source], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout, done.stderr, time.monotonic() - start


def main():
    prepare()
    version = run(["clang-tidy", "--version"], "needs clang-tidy (tools/install-packages clang)")
    settings = (ROOT / ".clang-tidy").read_text()
    closure, cache, work = Closure(), cache_folder(), {}
    everything = commands()
    wanted = [pathlib.Path(name).resolve() for name in sys.argv[1:]] or sorted(everything)
    for source in wanted:
        if source not in everything:
            sys.exit(f"{source}: not compiled by src/ or sim/")
        digest = closure.digest(source, version, settings, everything[source])
        if not (cache / digest).exists():
            work[source] = cache / digest
    print(f"{len(wanted)} files, {len(wanted) - len(work)} known to be clean", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for source, result in zip(work, pool.map(tidy, work)):
            status, findings, errors, seconds = result
            print(f"  {source.relative_to(ROOT)} {seconds:.1f} s", flush=True)
            if status == 0:
                work[source].touch()
            else:
                failed += 1
                print(findings or errors, flush=True)
    print(f"{failed} files with findings")
    return 1 if failed or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
