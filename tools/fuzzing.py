"""Runs fuzz targets side by side, each from the seed corpus of its name in fuzz/corpus."""

import base64
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def together(folder, programs, seconds, seed=0):
    """The exit status of each program, and what is to be said of one that found something.

    What one finds is kept in folder/artifacts. With the same seed a program tries the same inputs
    in the same order; with 0 others at each run.
    """
    artifacts = folder / "artifacts"
    artifacts.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as found:
        running = []
        for program in programs:
            print(f"-- {program.name} for {seconds} s", flush=True)
            new = pathlib.Path(found) / program.name
            new.mkdir()
            log = open(folder / f"{program.name}.log", "w", encoding="utf-8")
            corpus = ROOT / "fuzz/corpus" / program.name.removesuffix("_fuzz")
            command = [program, new, corpus, f"-max_total_time={seconds}", f"-seed={seed}",
                       "-rss_limit_mb=2048", "-timeout=10", f"-artifact_prefix={artifacts}/{program.name}-"]
            running.append((program, subprocess.Popen(command, stdout=log, stderr=log), log))
        for program, child, log in running:
            status = child.wait()
            log.close()
            lines = pathlib.Path(log.name).read_text(errors="replace").splitlines()
            print("\n".join([f"{program.name}:"] + lines[-(1 if status == 0 else 60):]), flush=True)
            yield status, f"{program.name} failed: {found_input(log.name)}" if status else ""


def found_input(log):
    """The input that the log of a target ends with, so that it can be tried elsewhere."""
    marker = "Test unit written to "
    for line in pathlib.Path(log).read_text(errors="replace").splitlines():
        if marker in line:
            path = pathlib.Path(line.split(marker, 1)[1])
            text = base64.b64encode(path.read_bytes()[:3000]).decode()
            return f"{path}, the beginning of which is in base64: {text}"
    return f"no input was written; see {log}"
