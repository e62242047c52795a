#include "cli/manifest/mend.h"

#include <gtest/gtest.h>

#include "cli/manifest/manifest.h"
#include "config/load.h"

namespace tranche::cli::manifest {
namespace {

// The seed document's ConfigMap, as it comes out of the page.
constexpr char kPasted[] =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\nname: device-plugin-config\n"
    "namespace: gpu-operator\ndata:\ndefault: |\nversion: v1\nsharing:\ntimeSlicing:\n"
    "renameByDefault: false\nfailRequestsGreaterThanOne: true\nresources:\n- name: nvidia.com/gpu\n"
    "replicas: 4\n- name: nvidia.com/mig-1g.10gb\nreplicas: 2\ndev: |\nversion: v1\n"
    "# for notebooks\nflags:\nmigStrategy: none\nsharing:\ntimeSlicing:\nresources:\n"
    "- name: nvidia.com/gpu\nreplicas: 8\ntranche:\nmemory:\nmode: observe\n";

constexpr char kMended[] =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: device-plugin-config\n"
    "  namespace: gpu-operator\ndata:\n  default: |\n    version: v1\n    sharing:\n"
    "      timeSlicing:\n        renameByDefault: false\n"
    "        failRequestsGreaterThanOne: true\n        resources:\n"
    "          - name: nvidia.com/gpu\n            replicas: 4\n"
    "          - name: nvidia.com/mig-1g.10gb\n            replicas: 2\n  dev: |\n    version: v1\n"
    "    # for notebooks\n    flags:\n      migStrategy: none\n    sharing:\n      timeSlicing:\n"
    "        resources:\n          - name: nvidia.com/gpu\n            replicas: 8\n    tranche:\n"
    "      memory:\n        mode: observe\n";

TEST(MendTest, LostIndentationComesBack) { EXPECT_EQ(Mend(kPasted).value_or(""), kMended); }

TEST(MendTest, WhatWasMendedCanBeUsed) {
  const Manifest manifest = ReadManifest(kMended);
  ASSERT_EQ(manifest.profiles.size(), 2U);
  for (const FoundProfile& one : manifest.profiles) {
    const config::Checked checked = config::CheckConfig(one.text, {}, {});
    EXPECT_TRUE(checked.config) << one.name;
    EXPECT_EQ(checked.config->time_slicing.resources.back().replicas, one.name == "dev" ? 8 : 2);
  }
}

TEST(MendTest, OnlyTheBrokenDocumentOfSeveralIsTouched) {
  const std::string other = "kind: Pod\nmetadata: {name: a}\n---\n";
  EXPECT_EQ(Mend(other + kPasted).value_or(""), other + kMended);
}

TEST(MendTest, AMappingBecomesText) {
  EXPECT_EQ(
      Mend("kind: ConfigMap\ndata:\n  any:  \n    version: v1\n    sharing: {}\n").value_or(""),
      "kind: ConfigMap\ndata:\n  any: |\n    version: v1\n    sharing: {}\n");
}

TEST(MendTest, WhatIsWellOrCanMeanMoreThanOneThingIsLeft) {
  EXPECT_FALSE(Mend(kMended));
  EXPECT_FALSE(Mend("version: v1\n"));
  EXPECT_FALSE(Mend(""));
  EXPECT_FALSE(Mend("kind: ConfigMap\ndata:\n  any: {version: v1, sharing: {}}\n"));
  // A key that nothing knows could belong anywhere.
  EXPECT_FALSE(Mend("kind: ConfigMap\ndata:\nany: |\nversion: v1\nsharing:\ncolour: red\n"));
}

// A mend that would not be read as the same profiles is none.
TEST(MendTest, WhatWouldBeBrokenOnceMoreIsNotPrinted) {
  const std::string head = "kind: ConfigMap\ndata:\n  any:\n";
  EXPECT_FALSE(Mend(head + "    version: v1\n  # a comment\n    sharing: {}\n"));
  EXPECT_FALSE(
      Mend("kind: ConfigMap\nmetadata: {name: &a x}\ndata:\n  any:\n    version: *a\n"
           "    sharing: {}\n"));
}

TEST(MendTest, FoldedTextAndTheEndOfADocumentAreMendedToo) {
  EXPECT_EQ(Mend("kind: ConfigMap\ndata:\nany: >-\nversion: v1\nsharing:\n...\n").value_or(""),
            "kind: ConfigMap\ndata:\n  any: |-\n    version: v1\n    sharing:\n...\n");
}

// A text that has kept its indentation below a key that has lost its own.
TEST(MendTest, AProfileThatStandsBesideDataIsMovedWithItsText) {
  const std::string pasted =
      "kind: ConfigMap\nmetadata:\nname: cm\ndata:\nany: |-\n    version: v1\n\n    # shared\n"
      "    sharing:\n      timeSlicing: {resources: []}\n# the other\ndev: >\n  version: v1\n";
  const std::string mended =
      "kind: ConfigMap\nmetadata:\n  name: cm\ndata:\n  any: |-\n      version: v1\n\n"
      "      # shared\n      sharing:\n        timeSlicing: {resources: []}\n# the other\n"
      "  dev: |\n    version: v1\n";
  EXPECT_EQ(Mend(pasted).value_or(""), mended);
}

TEST(MendTest, OnlyTheProfileThatStandsBesideDataIsMoved) {
  const std::string well = "data:\n  a: |\n    version: v1\n    sharing: {}\n";
  const std::string tail = "metadata:\n  name: cm\n";
  EXPECT_EQ(Mend("kind: ConfigMap\n" + well + "b: |\n version: v1\n" + tail).value_or(""),
            "kind: ConfigMap\n" + well + "  b: |\n   version: v1\n" + tail);
}

TEST(MendTest, ATextOfWhichOnlyAPartHasKeptItsIndentationIsLeft) {
  const std::string head = "kind: ConfigMap\ndata:\nany: |-\n";
  EXPECT_FALSE(Mend(head + "  version: v1\nsharing:\n  timeSlicing: {}\n"));
  EXPECT_FALSE(Mend(head + "version: v1\n  sharing: {}\n"));
  EXPECT_FALSE(Mend(head + "  version: v1\n# a comment\n  sharing: {}\n"));
}

TEST(MendTest, FoldedTextIsWrittenLineByLine) {
  const std::string head = "kind: ConfigMap\ndata:\n";
  const std::string text =
      "\n    version: v1\n    sharing:\n      timeSlicing:\n"
      "        resources: [{name: gpu, replicas: 2}]\n";
  EXPECT_EQ(Mend(head + "  a: >-" + text + "  b: |" + text).value_or(""),
            head + "  a: |-" + text + "  b: |" + text);
  EXPECT_FALSE(Mend(head + "  a: &x >" + text));
}

TEST(MendTest, LinesEndAsTheyEnded) {
  EXPECT_EQ(Mend("kind: ConfigMap\r\ndata:\r\n  any:\r\n    version: v1\r\n").value_or(""),
            "kind: ConfigMap\r\ndata:\r\n  any: |\r\n    version: v1\r\n");
}

}  // namespace
}  // namespace tranche::cli::manifest
