"""What each exported function of a libcuda answers to arguments that mean nothing, as tests/conformance/driver
records it of real drivers on a machine without a GPU: with zeros for all arguments, with pointers to zeroed
memory, and both once more after a cuInit that failed. Each call is made in a child process of its own.
"""

import ctypes
import json
import os
import pathlib
import select
import signal
import time

CONFORMANCE = pathlib.Path(__file__).resolve().parents[1] / "conformance/driver"
MODES = ["zeros", "buffers", "zeros_after_failed_init", "buffers_after_failed_init"]
ARGUMENTS = 14  # more than any function has
BUFFERS = [ctypes.create_string_buffer(1 << 16) for _ in range(ARGUMENTS)]  # each child has its own copy
HANG_SECONDS = 60  # only ends what hangs


def recorded(name):
    """call -> mode -> answer, of facts-cuda.jsonl (550) or facts-cuda535.jsonl."""
    lines = (CONFORMANCE / name).read_text().splitlines()
    return {row.pop("call"): row for row in map(json.loads, lines)}


def answer(library, call, mode, init_first=True):
    """The result of one call: its number, "signal N", or "hangs". Without `init_first` a cuInit that a mode asks
    for has been made by this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE):
            signal.signal(number, signal.SIG_DFL)
        if mode.endswith("after_failed_init") and init_first:
            library.cuInit(0)
        function = library[call]
        function.restype = ctypes.c_int
        if mode.startswith("zeros"):
            arguments = [ctypes.c_void_p(0)] * ARGUMENTS
        else:
            arguments = BUFFERS
        result = function(*arguments)
        os.write(writing, str(result).encode())
        os._exit(0)
    os.close(writing)
    text = b""
    try:
        if not select.select([reading], [], [], HANG_SECONDS)[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "hangs"
        text = os.read(reading, 64)
    finally:
        os.close(reading)
    if text:  # it may hang on its way out
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return int(text) if text else f"signal {os.WTERMSIG(status)}"


def main():
    """For trying a library by hand: vectors.py LIBRARY FACTS prints where they differ."""
    import sys
    library = ctypes.CDLL(sys.argv[1])
    begun, differences, count = time.monotonic(), 0, 0
    for call, modes in recorded(sys.argv[2]).items():
        for mode in MODES:
            count += 1
            found = answer(library, call, mode)
            if found != modes[mode]:
                differences += 1
                print(f"{call} {mode}: {found}, recorded {modes[mode]}")
    print(f"{differences} of {count} differ, {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main()
