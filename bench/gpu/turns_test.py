"""What is made of two probes' gaps, for a GPU whose turns are known."""

import sys
import unittest

sys.dont_write_bytecode = True

import turns  # noqa: E402

US = 1000


def probes(turn_us, switch_us, turns_each):
    """Two processes that take turns; the second begins a little later and ends earlier."""
    both = [[], []]
    at = 0
    for number in range(2 * turns_each):
        both[number % 2].append((at, at + turn_us * US))
        at += (turn_us + switch_us) * US
    return [{"begin_ns": spans[0][0], "end_ns": spans[-1][1],
             "gaps": [[a[1], b[0]] for a, b in zip(spans, spans[1:])]} for spans in both]


class Turns(unittest.TestCase):
    def test_turns_gaps_and_switches(self):
        seen = turns.analyse(probes(1024, 50, 100))
        self.assertEqual(seen["run_us"]["median"], 1024)
        self.assertEqual(seen["gap_us"]["median"], 1024 + 2 * 50)
        self.assertEqual(seen["switch_us"]["median"], 50)
        self.assertAlmostEqual(sum(seen["computing_share"]), 1024 / 1074, delta=0.02)
        filled = [edge for edge, count in seen["run_histogram"] if count]
        self.assertEqual(filled, [1200])

    def test_processes_that_are_never_interrupted(self):
        seen = turns.analyse([{"begin_ns": 0, "end_ns": 10 * US, "gaps": []},
                              {"begin_ns": 5 * US, "end_ns": 20 * US, "gaps": []}])
        self.assertIsNone(seen["gap_us"])
        self.assertIsNone(seen["switch_us"])


if __name__ == "__main__":
    unittest.main()
