"""Runs fuzz targets side by side, each from the seed corpus of its name in fuzz/corpus."""

import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def together(folder, programs, seconds):
    """The exit status of each program; what one finds is kept in folder/artifacts."""
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
            command = [program, new, corpus, f"-max_total_time={seconds}", "-rss_limit_mb=2048",
                       "-timeout=10", f"-artifact_prefix={artifacts}/{program.name}-"]
            running.append((program, subprocess.Popen(command, stdout=log, stderr=log), log))
        for program, child, log in running:
            status = child.wait()
            log.close()
            lines = pathlib.Path(log.name).read_text(errors="replace").splitlines()
            print("\n".join([f"{program.name}:"] + lines[-(1 if status == 0 else 60):]), flush=True)
            yield status
