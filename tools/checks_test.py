#!/usr/bin/env python3
"""The checks themselves: each must pass a good tree and fail each kind of bad one."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent
ROOT = TOOLS.parent

MAP = """
<!-- layers -->
| folder | may include |
|---|---|
| `src/base` | |
| `src/pure` | `src/base/status.h` |
| `src/agent` | `src/base` `src/pure` |
| `sim` | `src/base` |
| `sim/kubelet` | `src/agent` |
<!-- end -->
<!-- wrapped -->
| header | only in |
|---|---|
| `heavy/` `grpc` | `src/base/wrap.cc` |
<!-- end -->
"""


class Tree(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.root = pathlib.Path(self._folder.name).resolve()

    def write(self, path, text=""):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def run_tool(self, *arguments):
        done = subprocess.run([str(part) for part in arguments], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


class LayersTest(Tree):
    def setUp(self):
        super().setUp()
        self.write("docs/architecture.md", MAP)
        self.write("src/base/status.h")
        self.write("src/base/loop.h")
        self.write("src/base/wrap.cc", "#include <heavy/thing.h>\n")
        self.write("src/pure/sum.h", '#include "base/status.h"\n')
        self.write("src/agent/agent.h", '#include "base/loop.h"\n  #  include "pure/sum.h"\n')
        self.write("sim/kubelet/kubelet.cc", '#include "agent/agent.h"\n#include <vector>\n')

    def check(self):
        return self.run_tool(TOOLS / "check_layers", self.root)

    def assert_refused(self, path, text, words):
        self.write(path, text)
        code, output = self.check()
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)

    def test_accepts_what_the_tables_allow(self):
        code, output = self.check()
        self.assertEqual((code, output), (0, "6 files, 0 errors\n"))

    def test_refuses_an_upward_include(self):
        self.assert_refused("src/base/loop.h", '\n#include "agent/agent.h"\n',
                            "src/base/loop.h:2: src/base may not include src/agent/agent.h")

    def test_refuses_an_upward_include_in_angle_brackets(self):
        self.assert_refused("src/base/loop.h", "#include <agent/agent.h>\n", "may not include")

    def test_refuses_an_upward_include_from_a_test(self):
        self.assert_refused("src/pure/sum_test.cc", '#include "agent/agent.h"\n', "may not include")

    def test_refuses_a_file_where_only_another_is_allowed(self):
        self.assert_refused("src/pure/sum.h", '#include "base/loop.h"\n', "src/base/loop.h")

    def test_refuses_an_upward_generated_header(self):
        self.assert_refused("src/base/loop.h", '#include "agent/api.pb.h"\n', "src/agent/api.pb.h")

    def test_a_folder_does_not_inherit_what_its_parent_may(self):
        self.assert_refused("sim/kubelet/kubelet.cc", '#include "base/loop.h"\n', "sim/kubelet may")

    def test_refuses_a_wrapped_library_elsewhere(self):
        self.assert_refused("src/agent/agent.h", "#include <heavy/thing.h>\n", "<heavy/thing.h>")
        self.assert_refused("src/agent/agent.h", "#include <grpcpp/grpcpp.h>\n", "<grpcpp/grpcpp.h>")

    def test_refuses_a_file_that_does_not_exist(self):
        self.assert_refused("src/agent/agent.h", '#include "gone.h"\n',
                            '"gone.h" is no file')

    def test_refuses_a_folder_missing_from_the_table(self):
        self.assert_refused("src/stray/x.cc", "", "missing from the layer table")

    def test_a_room_may_include_the_rooms_inside_it_with_and_without_a_row(self):
        self.write("src/base/inner/part.h")
        self.write("sim/kubelet/pod.h")
        self.write("src/base/loop.h", '#include "base/inner/part.h"\n')
        self.write("sim/node.cc", '#include "sim/kubelet/pod.h"\n')
        self.assertEqual(self.check()[0], 0, self.check()[1])

    def test_a_room_inside_another_may_include_what_its_own_row_says(self):
        self.write("sim/node.h")
        self.assert_refused("sim/kubelet/kubelet.cc", '#include "sim/node.h"\n', "sim/kubelet may not")

    def test_a_row_may_stand_before_its_folder_and_still_counts(self):
        row = "| `src/agent/wire` | `src/base` |\n"
        self.write("docs/architecture.md", MAP.replace("| `sim` |", row + "| `sim` |"))
        self.assertEqual(self.check()[0], 0, self.check()[1])
        self.assert_refused("src/agent/wire/frame.h", '#include "pure/sum.h"\n', "src/agent/wire may not")

    def test_refuses_a_circle_in_the_table(self):
        self.write("docs/architecture.md", MAP.replace("| `src/base` | |", "| `src/base` | `sim/kubelet` |"))
        code, output = self.check()
        self.assertEqual(code, 1, output)
        self.assertIn("circle: src/base -> sim/kubelet -> src/agent -> src/base", output)

    def test_refuses_to_pass_an_empty_tree_or_a_map_without_tables(self):
        self.write("docs/architecture.md", "no table")
        self.assertNotEqual(self.check()[0], 0)
        with tempfile.TemporaryDirectory() as empty:
            (pathlib.Path(empty) / "docs").mkdir()
            (pathlib.Path(empty) / "docs/architecture.md").write_text(MAP)
            self.assertNotEqual(self.run_tool(TOOLS / "check_layers", empty)[0], 0)


LISTS = """
cmake_minimum_required(VERSION 3.25)
project(tree LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
enable_testing()
add_library(room STATIC src/room/a.cc {tests})
target_sources(room PUBLIC FILE_SET HEADERS BASE_DIRS src FILES {headers})
add_test(NAME whole COMMAND python3 {scripts})
"""


class RegisteredTest(Tree):
    def setUp(self):
        super().setUp()
        self.write("src/room/a.h", "#pragma once\n#include <string>\nstd::string A();\n")
        self.write("src/room/a.cc", '#include "room/a.h"\n')
        self.write("src/room/a_test.cc")
        self.write("tests/process/whole_test.py")
        self.write("fuzz/CMakeLists.txt", "tranche_fuzz(parser)\n")
        self.write("fuzz/parser_fuzz.cc")

    def configure(self, tests="src/room/a_test.cc", headers="src/room/a.h",
                  scripts="${CMAKE_SOURCE_DIR}/tests/process/whole_test.py"):
        values = {"tests": tests, "headers": headers, "scripts": scripts}
        text = LISTS
        for name, value in values.items():
            text = text.replace("{%s}" % name, value)
        self.write("CMakeLists.txt", text)
        subprocess.run(["cmake", "-G", "Ninja", "-S", self.root, "-B", self.root / "build"],
                       check=True, capture_output=True)

    def check(self):
        return self.run_tool(TOOLS / "check_registered", self.root / "build", self.root)

    def assert_refused(self, words):
        code, output = self.check()
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)

    def test_accepts_a_tree_where_all_is_registered(self):
        self.configure()
        self.assertEqual(self.check(), (0, "0 unregistered\n"))

    def test_refuses_a_test_nobody_compiles(self):
        self.configure(tests="")
        self.assert_refused("a_test.cc: no target compiles it")

    def test_refuses_a_process_test_nobody_runs(self):
        self.configure(scripts="--version")
        self.assert_refused("whole_test.py: ctest does not run it")

    def test_refuses_a_header_in_no_list(self):
        self.configure(headers="")
        self.assert_refused("a.h: in no HEADERS list")

    def test_refuses_an_unlisted_fuzz_target(self):
        self.configure()
        self.write("fuzz/other_fuzz.cc")
        self.assert_refused("other_fuzz.cc: not in fuzz/CMakeLists.txt")

    def test_the_header_check_fails_on_a_header_that_leans_on_others(self):
        self.configure()
        build = ["cmake", "--build", self.root / "build", "--target",
                 "all_verify_interface_header_sets"]
        self.assertEqual(subprocess.run(build, capture_output=True).returncode, 0)
        self.write("src/room/a.h", "#pragma once\nstd::string A();\n")
        self.assertNotEqual(subprocess.run(build, capture_output=True).returncode, 0)


class PythonTest(Tree):
    def setUp(self):
        super().setUp()
        self.write("tools/good.py", "import os\nprint(os.sep)\n")
        self.write("build/left/over.py", "import os\n")
        self.write("deploy/script", "#!/bin/sh\nimport os\n")

    def check(self):
        return self.run_tool(TOOLS / "check_python", self.root)

    def assert_refused(self, path, text, words):
        self.write(path, text)
        code, output = self.check()
        self.assertEqual(code, 1, output)
        self.assertIn(f"{path}:{words}", output)

    def test_accepts_good_python_and_leaves_the_build_folder_out(self):
        self.assertEqual(self.check(), (0, "1 files, 0 problems\n"))

    def test_refuses_an_unused_import(self):
        self.assert_refused("tests/room/case.py", "\nimport re\n", "2:1: 're' imported but unused")

    def test_refuses_an_undefined_name(self):
        self.assert_refused("tools/good.py", "print(gone)\n", "1:7: undefined name 'gone'")

    def test_refuses_what_is_no_python(self):
        self.assert_refused("tools/good.py", "def\n", "1:")

    def test_reads_scripts_without_a_suffix(self):
        self.assert_refused("deploy/script", "#!/usr/bin/env python3\nimport re\n", "2:1: 're' imported")

    def test_refuses_to_pass_an_empty_tree(self):
        with tempfile.TemporaryDirectory() as empty:
            self.assertEqual(self.run_tool(TOOLS / "check_python", empty), (1, "0 files, 0 problems\n"))


class ClusterSuitesTest(Tree):
    """`run.py --list` on a copy of the cluster tests."""

    def setUp(self):
        super().setUp()
        shutil.copytree(ROOT / "tests/cluster", self.root / "tests/cluster")
        shutil.copytree(ROOT / "tests/sight", self.root / "tests/sight")  # Prometheus is started by the same module
        # Suites read versions from these when they are imported.
        self.write("CMakeLists.txt", (ROOT / "CMakeLists.txt").read_text())
        self.write("deploy/chart/tranche/Chart.yaml", (ROOT / "deploy/chart/tranche/Chart.yaml").read_text())

    def check(self):
        return self.run_tool(self.root / "tests/cluster/run.py", "--list")

    def assert_refused(self, text, words):
        self.write("tests/cluster/suites/broken_suite.py", text)
        code, output = self.check()
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)

    def test_lists_every_suite(self):
        code, output = self.check()
        self.assertEqual(code, 0, output)
        there = {path.stem.removesuffix("_suite") for path in (ROOT / "tests/cluster/suites").glob("*_suite.py")}
        self.assertEqual({line.split()[0] for line in output.splitlines()}, there)

    def test_refuses_a_suite_without_cases(self):
        self.assert_refused("import bed\n", "has no attribute 'cases'")

    def test_refuses_a_suite_that_imports_what_is_gone(self):
        self.assert_refused("from bed import gone\n", "cannot import name 'gone'")


TROUBLES = """# Troubles

<!-- run by tests/cluster/walk.py -->
```console
kubectl get node NODE -o jsonpath='{.status}' | jq '."x"'
kubectl -n NAMESPACE delete \\
  pod POD
kubectl label node NODE key=PROFILE
```

Say `kubectl get node NODE`.

<!-- messages -->
| you see | it means |
|---|---|
| `config: … is wrong` | It is. |
<!-- end -->
<!-- events -->
| reason | it means |
|---|---|
| `Spoilt` | It is. |
<!-- end -->
"""

WALK = """# kubectl drain node
COUNT = '''kubectl get node {} -o jsonpath='{{.status}}' | jq '."x"''''
walk.cluster.kubectl("-n", SPACE, "delete", "pod", f"{name}")
walk.sh("kubectl label node "
        f"{name} key=dev")
"""


class DocsTest(Tree):
    def setUp(self):
        super().setUp()
        self.write("README.md", "# Top\n\nSee [troubles](docs/troubleshooting.md#troubles) and [above](#top), "
                                "`src/room/`, `src/room/a.cc: Make`.\n")
        self.write("docs/troubleshooting.md", TROUBLES)
        self.write("tests/cluster/walk.py", WALK)
        self.write("src/room/a.cc", '// Break() is not here.\nint Make() { Say("config: " + name + " is "\n  "wrong", '
                                    '"Spoilt"); }\n')

    def check(self):
        return self.run_tool(TOOLS / "check_docs", self.root)

    def assert_refused(self, page, text, words):
        self.write(page, text)
        code, output = self.check()
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)

    def test_accepts_what_is_so(self):
        code, output = self.check()
        self.assertEqual((code, output.splitlines()[-1]), (0, "17 statements, 0 wrong"), output)

    def test_refuses_a_link_that_leads_nowhere(self):
        self.assert_refused("README.md", "[x](docs/gone.md)", "README.md:1: the link leads to no file")
        self.assert_refused("README.md", "[x](../outside.md)", "the link leads to no file")
        self.assert_refused("README.md", "[x](docs/troubleshooting.md#gone)", "no such heading")

    def test_refuses_a_file_or_folder_that_is_not_there(self):
        self.assert_refused("README.md", "`src/room/b.cc`", "no such file or folder: src/room/b.cc")
        self.assert_refused("README.md", "`src/rom`", "no such file or folder: src/rom")

    def test_refuses_a_function_that_is_not_there(self):
        self.assert_refused("README.md", "`src/room/b.cc: Make`", "no such file: src/room/b.cc")
        self.assert_refused("README.md", "`src/room/a.cc: Mak`", "src/room/a.cc has no Mak()")
        self.assert_refused("README.md", "`src/room/a.cc:\nMak`", "README.md:1: backticks that close on another line")

    def test_a_comment_defines_no_function_and_runs_no_command(self):
        self.assert_refused("README.md", "`src/room/a.cc: Break`", "has no Break()")
        self.assert_refused("docs/troubleshooting.md", TROUBLES.replace("label node NODE key=PROFILE", "drain node"),
                            "does not run: kubectl drain node")

    def test_refuses_a_command_that_its_test_does_not_run(self):
        for old, new in (("delete", "remove"), ("jq", "yq"), ("key=PROFILE", "kez=PROFILE"),
                         ("label node NODE key=PROFILE", "label key=PROFILE node")):
            self.assert_refused("docs/troubleshooting.md", TROUBLES.replace(old, new), "does not run: kubectl")

    def test_refuses_commands_of_no_test(self):
        for old, new, words in (
                ("<!-- run by tests/cluster/walk.py -->", "It is:", "commands without the test that runs them"),
                ("walk.py", "gone.py", "no such test"), ("```console", "```", "a block without a language"),
                ("`kubectl get", "`kubectl edit", "a command that no block of the page has: kubectl edit")):
            self.assert_refused("docs/troubleshooting.md", TROUBLES.replace(old, new), words)

    def test_a_test_that_names_the_page_reads_its_commands_from_there(self):
        self.write("docs/moving.md", "# Moving\n\n## Out\n\n<!-- run by tests/cluster/move.py -->\n```console\nkubectl go\n```\n")
        self.write("tests/cluster/move.py", 'Page("docs/moving.md").commands("Out")\n')
        self.assertEqual(self.check()[0], 0)
        self.assert_refused("tests/cluster/move.py", 'Page("docs/moving.md").commands("In")\n',
                            "tests/cluster/move.py does not read the section: Out")

    def test_refuses_what_the_program_does_not_say(self):
        for old, new in (("is wrong", "is wrogn"), ("Spoilt", "Spoil")):
            self.assert_refused("docs/troubleshooting.md", TROUBLES.replace(old, new), "nothing in src/ says")

    def test_refuses_to_pass_where_there_is_nothing_to_check(self):
        with tempfile.TemporaryDirectory() as empty:
            self.assertNotEqual(self.run_tool(TOOLS / "check_docs", empty)[0], 0)


class OrderTest(Tree):
    """What tells that the list of the agent's functions has grown stale."""

    def check(self, gone):
        names = [f"_ZN7tranche3one{number}Ev" for number in range(40)]
        self.write("program.s", "".join(f".globl {name}\n{name}:\n" for name in names[gone:]))
        subprocess.run(["as", self.root / "program.s", "-o", self.root / "program.o"], check=True)
        self.write("list", "\n".join(names + [f"grpc_{number}" for number in range(400)]))
        return self.run_tool(TOOLS / "check_order", self.root / "program.o", self.root / "list")

    def test_a_list_may_lag_behind(self):
        self.assertEqual(self.check(gone=0), (0, "0 of 40 functions of ours are no longer in the program\n"))
        self.assertEqual(self.check(gone=2)[0], 0)

    def test_but_not_far(self):
        status, said = self.check(gone=3)
        self.assertEqual(status, 1)
        self.assertIn("stale", said)
        self.assertIn("_ZN7tranche3one2Ev", said)
        self.assertNotIn("_ZN7tranche3one3Ev", said)


if __name__ == "__main__":
    unittest.main()
