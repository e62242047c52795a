"""What every comparison with NVIDIA's programs does: run both, judge, show, count."""

import concurrent.futures
import json
import sys

from differences import compare

WORKERS = 2
MOST_LINES = 40


def words():
    """The command line's: parts of the names of the cases to run; none: all of them."""
    return [word for word in sys.argv[1:] if not word.startswith("-")]


def unexplained(name, seen, known):
    """Lines about differences that nothing explains; `seen` may hold a text that says why nothing was seen."""
    for program, observation in seen.items():
        if isinstance(observation, str):
            return [f"{program}: {observation}"]
    bare = {program: {key: value for key, value in seen[program].items() if key != "log"} for program in seen}
    return [str(difference) for difference in compare(bare["theirs"], bare["ours"])
            if not known.explains(name, difference)]


def run(all_cases, observe, judge, known):
    """`observe(case)` gives {"theirs": …, "ours": …}, `judge(case, seen, known)` lines; the exit status."""
    chosen = [case for case in all_cases if not words() or any(word in case["name"] for word in words())]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for case, seen in zip(chosen, pool.map(observe, chosen)):
            lines = judge(case, seen, known)
            print(f"{'FAIL' if lines else 'ok  '} {case['name']}", flush=True)
            if "--show" in sys.argv:
                print(json.dumps(seen, indent=1))
            for line in lines[:MOST_LINES]:
                print(f"     {line}")
            if len(lines) > MOST_LINES:
                print(f"     and {len(lines) - MOST_LINES} more")
            passed, failed = passed + (not lines), failed + bool(lines)
    complaints = list(known.complaints(everything_ran=not words()))
    for complaint in complaints:
        print(f"FAIL {complaint}")
    failed += len(complaints)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
