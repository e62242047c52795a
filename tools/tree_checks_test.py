#!/usr/bin/env python3
"""check_rooms and check_sizes: each must pass a good tree and fail each kind of bad one."""

import tempfile
import unittest

from checks_test import TOOLS, Tree


OPENING = "// A thing.\n//\n// Threading: any thread.\n// Errors: none.\n"


class RoomsTest(Tree):
    def setUp(self):
        super().setUp()
        self.write("src/base/loop.h", OPENING + "namespace tranche::base {\n}  // namespace tranche::base\n")
        self.write("src/base/loop_epoll.cc", '#include "base/loop.h"\n')
        self.write("src/base/testing/fake.h", "namespace tranche::base::testing {\n}\n")
        self.write("src/agent/serve/set.h",
                   OPENING + '#include "base/loop.h"\nnamespace tranche::agent::serve {\n}\n')
        self.write("src/agent/serve/set.cc", '#include "agent/serve/set.h"\n#include "pure/sum.h"\n')
        self.write("src/agent/serve/set_test.cc")
        self.write("src/pure/sum.h",
                   OPENING + "namespace tranche::base {\nclass Loop;\n}\nnamespace tranche::pure {\n}\n")
        self.write("src/apps/tranche.cc", "int main() {}\n")
        self.write("sim/node/node.h", "namespace tranche::sim {\n}\n")
        self.write("src/base/CMakeLists.txt", "tranche_add_library(base HEADERS loop.h SOURCES loop_epoll.cc)")
        self.write("src/pure/CMakeLists.txt", "tranche_add_library(pure HEADERS sum.h)")
        self.lists("DEPENDS tranche::base PRIVATE tranche_pure")

    def lists(self, dependencies):
        self.write("src/agent/serve/CMakeLists.txt", "tranche_add_library(agent_serve  # serves\n"
                   f"  HEADERS set.h\n  SOURCES set.cc\n  {dependencies})")

    def assert_refused(self, words):
        code, output = self.run_tool(TOOLS / "check_rooms", self.root)
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)

    def test_accepts_rooms_that_are_what_they_say(self):
        self.assertEqual(self.run_tool(TOOLS / "check_rooms", self.root), (0, "9 files, 0 errors\n"))

    def test_refuses_a_circle_of_folders(self):
        self.write("src/pure/sum.cc", '#include "agent/serve/set.h"\n')
        self.assert_refused("src/agent/serve -> src/pure (src/agent/serve/set.cc:2), "
                            "src/pure -> src/agent/serve (src/pure/sum.cc:1)")

    def test_a_test_makes_no_circle(self):
        self.write("src/pure/sum_test.cc", '#include "agent/serve/set.h"\n')
        self.assertEqual(self.run_tool(TOOLS / "check_rooms", self.root)[0], 0)

    def test_refuses_a_library_that_is_not_named(self):
        self.lists("DEPENDS tranche::base")
        self.assert_refused("set.cc:2: library agent_serve includes pure/sum.h without tranche::pure")

    def test_refuses_a_private_library_in_a_public_header(self):
        self.lists("PRIVATE tranche::base tranche::pure")
        self.assert_refused("set.h:5: library agent_serve includes base/loop.h without tranche::base in its DEPENDS")

    def test_a_stand_in_may_use_what_the_tests_are_linked_with(self):
        self.write("src/agent/serve/testing/rig.h",
                   '#include "pure/sum.h"\nnamespace tranche::agent::serve::testing {\n}\n')
        library = "DEPENDS tranche::base HEADERS set.h testing/rig.h SOURCES"
        self.lists(library)
        self.assert_refused("testing/rig.h:1: library agent_serve includes pure/sum.h")
        self.lists(f"{library} TEST_DEPENDS tranche::pure PRIVATE tranche::pure")
        self.assertEqual(self.run_tool(TOOLS / "check_rooms", self.root)[0], 0)

    def test_refuses_libraries_in_a_circle(self):
        self.write("src/base/CMakeLists.txt",
                   "tranche_add_library(base HEADERS loop.h DEPENDS tranche::agent_serve)")
        self.assert_refused("libraries depend on each other in a circle: agent_serve -> base -> agent_serve")

    def test_refuses_a_source_whose_header_nobody_finds(self):
        self.write("src/base/epoll.cc")
        self.assert_refused("src/base/epoll.cc: no header beside it")
        self.write("src/agent/serve/loop_epoll.cc")
        self.assert_refused("src/agent/serve/loop_epoll.cc: no header beside it")

    def test_refuses_a_namespace_that_is_not_the_folder(self):
        self.write("src/agent/serve/set.h", "namespace tranche::agent {\nclass Set {\n};\n}\n")
        self.assert_refused("set.h: namespace tranche::agent, where its folder says tranche::agent::serve")
        self.write("src/base/testing/fake.h", "namespace tranche::base {\nint A();\n}\n")
        self.assert_refused("fake.h: namespace tranche::base, where its folder says tranche::base::testing")
        self.write("sim/node/node.h", "namespace tranche::node {\nint A();\n}\n")
        self.assert_refused("node.h: namespace tranche::node, where its folder says tranche::sim")

    def test_refuses_a_header_without_a_namespace(self):
        self.write("src/base/loop.h", "int A();\n")
        self.assert_refused("src/base/loop.h: declares nothing in namespace tranche::base")

    def test_refuses_a_header_that_does_not_say_its_threading_or_its_errors(self):
        body = "namespace tranche::base {\n}\n"
        self.write("src/base/loop.h", OPENING.replace("Threading: ", "") + body)
        self.assert_refused("src/base/loop.h: its opening comment has no Threading:\n")
        self.write("src/base/loop.h", OPENING.replace("Errors: none.", "Errors:") + body)
        self.assert_refused("src/base/loop.h: its opening comment has no Errors:\n")
        self.write("src/base/loop.h", "#pragma once\n" + OPENING + body)
        self.assert_refused("src/base/loop.h: its opening comment has no Threading: and no Errors:")

    def test_refuses_to_pass_an_empty_tree(self):
        with tempfile.TemporaryDirectory() as empty:
            self.assertNotEqual(self.run_tool(TOOLS / "check_rooms", empty)[0], 0)


# Twenty data members, and much else that is none.
TWENTY = """
class Full final : public Base {
 public:
  explicit Full(int a, Options options = {}) : one_{a}, two_(0) { three_ = [&] { int x; return x; }(); }
  template <class T> void Take(T value) { std::map<int, T> local; }
  Full& operator=(const Full&) = delete;
  int Method(std::function<void(int)> then) const;
  static int count;
  enum class Kind { kA, kB };
  struct Part { int a, b; };
  using Task = std::function<void(int, int)>;

 private:
  int one_{1}, two_ = 2;
  std::map<int, std::string> three_ = {{1, "a;{"}};  // int x;
  std::function<void(int)> four_ = [](int a) { use(a); };
  void (*five_)(int);
  int six_ TRANCHE_GUARDED_BY(mutex_) = 0;
  Part seven_, eight_, nine_, ten_;
  int a_, b_, c_, d_, e_, f_, g_, h_, i_, j_;
};
"""


class SizesTest(Tree):
    def setUp(self):
        super().setUp()
        # A copy, so that what the tree of the day exempts does not count.
        for name in ("check_sizes", "source_tree.py"):
            self.write(f"tools/{name}", (TOOLS / name).read_text())
        self.exempt("")
        self.write("src/base/full.h", TWENTY)

    def exempt(self, entries):
        text = (TOOLS / "check_sizes").read_text()
        begin, end = text.index("EXEMPT = {"), text.index("\n}\n", text.index("EXEMPT = {"))
        self.write("tools/check_sizes", text[:begin] + "EXEMPT = {\n" + entries + text[end:])
        (self.root / "tools/check_sizes").chmod(0o755)

    def check(self):
        return self.run_tool(self.root / "tools/check_sizes")

    def assert_refused(self, words):
        code, output = self.check()
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)

    def test_accepts_what_is_just_small_enough(self):
        self.write("src/base/long.cc", "\n" * 400)
        for number in range(38):
            self.write(f"src/base/a{number}.h")
            self.write(f"src/base/testing/a{number}.h")
        self.assertEqual(self.check(), (0, "79 files, 0 errors\n"))

    def test_refuses_a_folder_of_41_files(self):
        for number in range(40):
            self.write(f"src/base/a{number}.h")
        self.assert_refused("src/base: 41 sources and headers")

    def test_refuses_a_long_file_of_every_kind(self):
        for path in ("src/a/a.cc", "sim/a.h", "tools/a.py", "tests/a/a_test.cc", "bench/a.cc", "fuzz/a.cc"):
            self.write(path, "\n" * 401)
            self.assert_refused(f"{path}: 401 lines")

    def test_refuses_a_class_of_21_data_members(self):
        for one_more in ("  int more_;\n", "  std::pair<int, int> more_{1, 2};\n", "  int* more_ = nullptr;\n",
                         "  const std::function<int(int)>& more_;\n", "  struct { int a; } more_;\n"):
            self.write("src/base/full.h", TWENTY.replace(" private:\n", " private:\n" + one_more))
            self.assert_refused("src/base/full.h:Full: 21 data members")

    def test_a_struct_is_exempt_until_it_hides_something(self):
        record = TWENTY.replace("class Full", "struct Full").replace("int one_{1}", "int k_, one_{1}")
        self.write("src/base/full.h", record.replace(" private:\n", ""))
        self.assertEqual(self.check()[0], 0, self.check()[1])
        self.write("src/base/full.h", record)
        self.assert_refused("src/base/full.h:Full: 21 data members")

    def test_an_exemption_holds_for_what_it_names_and_only_while_it_is_needed(self):
        self.write("src/base/long.cc", "\n" * 401)
        self.exempt('    "src/base/long.cc": "a table",')
        self.assertEqual(self.check()[0], 0, self.check()[1])
        self.write("src/base/other.cc", "\n" * 401)
        self.assert_refused("src/base/other.cc: 401 lines")
        self.write("src/base/long.cc", "")
        self.assert_refused("src/base/long.cc: is not too large")

    def test_refuses_to_pass_an_empty_tree(self):
        with tempfile.TemporaryDirectory() as empty:
            self.assertNotEqual(self.run_tool(TOOLS / "check_sizes", empty)[0], 0)


if __name__ == "__main__":
    unittest.main()
