#!/usr/bin/env python3
"""What each command says of its exit codes: in its --help, and in docs/reference/exit-codes.md.

Commands are found as a person finds them, in the --help of the programs. TRANCHE_BIN_DIR names the folder
of the programs.
"""

import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ.get("TRANCHE_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
PROGRAMS = pathlib.Path(os.environ.get("TRANCHE_BIN_DIR") or SOURCE / "build/release/bin")
PAGE = SOURCE / "docs/reference/exit-codes.md"

# Where commands are: the words before their name, and the program.
ROOTS = {"tranche": "tranche", "kubectl tranche": "kubectl-tranche"}
# Programs of upstream's under its names, whose --help is as upstream's, and a command that --help leaves out.
WITHOUT_COMMANDS = {"nvidia-device-plugin", "gpu-feature-discovery", "config-manager", "mps-control-daemon",
                    "tranche reference"}


def table(page):
    """{command: what its exit codes mean}"""
    return {row[1]: row[2].replace("`", "") for row in re.finditer(r"^\| `([^|]+)` \| (.+) \|$", page, re.M)}


def subcommands(text):
    block = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
    return re.findall(r"^  (\S+) ", block[1], re.M) if block else []


def said(text):
    """What a --help says of exit codes, on one line; None where it says nothing."""
    found = re.search(r"^Exit status: ((?:.+\n)*?.*?\.)$", text, re.M)
    return " ".join(found[1].removesuffix(".").split()) if found else None


def problems(helps, rows):
    """What is wrong with the --help of commands, {command: text}, beside the rows of the table."""
    used = set()
    for command, text in helps.items():
        # Commands that have theirs in common are one row: "tranche sim (kubelet and pods)".
        own = {row for row in rows if row == command or command.startswith(row.partition(" (")[0] + " ")}
        if not own:
            yield f"{command}: no row in {PAGE.name}"
        elif said(text) is None:
            yield f"{command}: its --help says nothing of exit codes"
        elif not any(rows[row] == said(text) for row in own):
            yield f"{command}: its --help says {said(text)!r}, {PAGE.name} {[rows[row] for row in own]}"
        used |= {row for row in own if rows[row] == said(text)}
    for row in rows:
        if row not in used | WITHOUT_COMMANDS:
            yield f"{row}: no such command"


def help_of(program, words):
    done = subprocess.run([PROGRAMS / program, *words, "--help"], text=True, stdout=subprocess.PIPE, check=True)
    return done.stdout


def all_helps(name, program, words=()):
    """The --help of every command below `words` that has no commands of its own."""
    text = help_of(program, words)
    below = subcommands(text)
    if not below:
        return {" ".join((name, *words)): text}
    found = {}
    for word in below:
        found.update(all_helps(name, program, (*words, word)))
    return found


class ExitCodesTest(unittest.TestCase):
    def test_every_command_has_its_row_and_says_the_same(self):
        helps = {}
        for name, program in ROOTS.items():
            helps.update(all_helps(name, program))
        self.assertIn("tranche sim pod run", helps)
        self.assertIn("kubectl tranche profile", helps)
        self.assertEqual(list(problems(helps, table(PAGE.read_text()))), [])


class ControlTest(unittest.TestCase):
    """Each of the mistakes is found."""

    ROWS = {"tranche a": "0 done; 1 it failed", "tranche sim (pods)": "0 done"}
    HELPS = {"tranche a": "Exit status: 0 done; 1 it\nfailed.\nExample:\n  tranche a\n",
             "tranche sim run": "Exit status: 0 done.\n"}

    def test_nothing_is_wrong(self):
        self.assertEqual(list(problems(self.HELPS, self.ROWS)), [])

    def test_a_command_without_a_row(self):
        self.assertEqual(list(problems({**self.HELPS, "tranche b": "Exit status: 0 done.\n"}, self.ROWS)),
                         ["tranche b: no row in exit-codes.md"])

    def test_a_command_that_says_nothing(self):
        self.assertIn("tranche sim run: its --help says nothing of exit codes",
                      problems({**self.HELPS, "tranche sim run": "Example:\n"}, self.ROWS))

    def test_a_command_that_says_something_else(self):
        (first, *_) = problems({**self.HELPS, "tranche a": "Exit status: 0 done.\n"}, self.ROWS)
        self.assertIn("tranche a: its --help says '0 done'", first)

    def test_a_row_without_a_command(self):
        self.assertEqual(list(problems(self.HELPS, {**self.ROWS, "tranche old": "0 done"})),
                         ["tranche old: no such command"])

    def test_the_table_is_read(self):
        self.assertEqual(table("| command | exit codes |\n|---|---|\n| `a b` | 0 done; 1 as `c` |\n"),
                         {"a b": "0 done; 1 as c"})


if __name__ == "__main__":
    unittest.main()
