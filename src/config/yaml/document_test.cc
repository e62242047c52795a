// Where a file's first document begins and ends. What upstream says of each was seen with
// sigs.k8s.io/yaml v1.6.0.
#include "config/yaml/document.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tranche::config::yaml {
namespace {

std::string First(const std::string& text) {
  std::string out;
  const auto failure = FirstDocument(text, out);
  return failure ? failure->message : out;
}

TEST(FirstDocumentTest, WhatIsBehindItMayBeAnything) {
  for (const std::string end :
       {"...\n", "... text\n", "...\tx\n", "...\ngarbage: [\n", "---\nx: [\n", "---", "--- 'abc\n",
        "...\n%FOO\n", "...\n: : :\n"}) {
    EXPECT_EQ(First("version: v1\n" + end), "version: v1\n") << end;
    EXPECT_EQ(First("# a\n\n---\nversion: v1\n" + end), "# a\n\n---\nversion: v1\n") << end;
    EXPECT_EQ(First("--- {version: v1}\n" + end), "--- {version: v1}\n") << end;
  }
  EXPECT_EQ(First("---\n---\nx: [\n"), "---\n");
}

TEST(FirstDocumentTest, OnlyAMarkerEndsIt) {
  for (const std::string text :
       {"a: |\n  ---\n  ...\n", "....: a\n", "----\n", "---x: 1\n", " ...\n", "a\n ---\nb\n"}) {
    EXPECT_EQ(First(text), text);
  }
}

TEST(FirstDocumentTest, DirectivesAreThoseOfYaml11) {
  const std::string body = "---\nversion: v1\n";
  for (const std::string good :
       {"%YAML 1.1\n", "# a\n%YAML\t1.1 # b\n", "%TAG ! tag:example.com,2000:\n"}) {
    EXPECT_EQ(First(good + body), good + body);
  }
  for (const std::string other : {"%YAML 1.2\n", "%YAML 1.3\n", "%YAML 2.0\n"}) {
    EXPECT_EQ(First(other + body),
              "error converting YAML to JSON: yaml: line 1: found incompatible YAML document");
  }
  EXPECT_EQ(First("\n%FOO bar\n" + body),
            "error converting YAML to JSON: yaml: line 2: found unknown directive name");
  EXPECT_EQ(First("%YAML 1.1\nversion: v1\n"),
            "error converting YAML to JSON: yaml: line 2: did not find expected <document start>");
  EXPECT_EQ(First("# a\n...\nversion: v1\n"),
            "error converting YAML to JSON: yaml: line 2: did not find expected node content");
}

}  // namespace
}  // namespace tranche::config::yaml
