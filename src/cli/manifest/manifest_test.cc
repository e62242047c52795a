#include "cli/manifest/manifest.h"

#include <gtest/gtest.h>

#include <utility>

#include "base/testing/heap.h"
#include "config/load.h"

namespace tranche::cli::manifest {
namespace {

constexpr char kConfig[] = "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2}]}}\n";

std::vector<FoundProfile> Find(const std::string& text) { return ReadManifest(text).profiles; }

std::string What(const std::string& text) {
  const Manifest manifest = ReadManifest(text);
  EXPECT_TRUE(manifest.empty()) << text;
  return manifest.passed.empty() ? "" : manifest.passed.front().what;
}

// The findings of the only profile, with their places in the file.
std::vector<std::string> Findings(const std::string& text) {
  std::vector<std::string> out;
  for (const FoundProfile& one : Find(text)) {
    for (const auto& finding : config::CheckConfig(one.text, {}, {}).findings) {
      const auto placed = one.origin.InFile(finding);
      out.push_back(std::to_string(placed.line) + ":" + std::to_string(placed.column) + " " +
                    placed.message);
    }
  }
  return out;
}

TEST(ReadManifestTest, ABareConfigIsOneProfileWithoutAName) {
  const auto found = Find(kConfig);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "");
  EXPECT_EQ(found[0].carrier, "");
  for (const char* text : {"version: v1\n", "{\"sharing\": null}", "",
                           "sharring: {timeSlicing: {}}\n", "# nothing\n", "timeSlicing: {}\n"}) {
    EXPECT_EQ(Find(text).size(), 1U) << text;
  }
}

TEST(ReadManifestTest, AConfigMapAndAFragmentHoldMany) {
  const std::string data = "data:\n  a: |\n    version: v1\n  b: ''\n";
  const auto found = Find("kind: ConfigMap\nmetadata: {name: cm}\n" + data);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].carrier, "ConfigMap cm");
  EXPECT_EQ(Find(data).size(), 2U);
  EXPECT_EQ(
      Find("apiVersion: v1\nkind: List\nitems:\n- kind: ConfigMap\n  data: {a: 'version: v1'}\n")
          .size(),
      1U);
}

TEST(ReadManifestTest, FindsThemAmongOtherDocuments) {
  const Manifest manifest = ReadManifest(
      "kind: Namespace\nmetadata: {name: gpu}\n---\nkind: ConfigMap\ndata:\n  a: |\n    version: "
      "v1\n--- \nkind: Deployment\n");
  ASSERT_EQ(manifest.profiles.size(), 1U);
  EXPECT_EQ(manifest.profiles[0].name, "a");
  EXPECT_EQ(manifest.profiles[0].line, 7);
  ASSERT_EQ(manifest.passed.size(), 2U);
  EXPECT_EQ(manifest.passed[0].what, "Namespace gpu");
  EXPECT_EQ(manifest.passed[1].what, "Deployment");
  EXPECT_EQ(manifest.passed[1].line, 9);
}

TEST(ReadManifestTest, ChartsValuesCarryThemWhereverTheyLie) {
  const std::string map = "config: {map: {dev: 'version: v1'}}\n";
  EXPECT_EQ(Find(map).size(), 1U);
  EXPECT_EQ(Find("nvidia-device-plugin:\n  " + map).size(), 1U);
  EXPECT_EQ(Find("devicePlugin: {config: {create: true, data: {dev: 'version: v1'}}}\n").size(),
            1U);
  const auto release = Find("kind: HelmRelease\nmetadata: {name: p}\nspec: {values: {" +
                            map.substr(0, map.size() - 1) + "}}\n");
  ASSERT_EQ(release.size(), 1U);
  EXPECT_EQ(release[0].carrier, "HelmRelease p");
  EXPECT_EQ(Find("kind: Application\nspec: {source: {helm: {valuesObject: {config: {map: {a: "
                 "'version: v1'}}}}}}\n")
                .size(),
            1U);
}

TEST(ReadManifestTest, ADefaultIsTheNameOfAProfileThatIsThere) {
  const auto told = [](const std::string& name) {
    const auto found = Find("config:\n  default: " + name + "\n  map: {dev: 'version: v1'}\n");
    return found.size() < 2 ? ""
                            : found.back().broken->message + "; " + found.back().broken->instead;
  };
  EXPECT_EQ(told("dev"), "");
  EXPECT_EQ(told("\"\""), "");
  EXPECT_EQ(told("DEV"),
            "config.default names no profile that is here; write the name of a profile, dev");
  EXPECT_EQ(
      told("'version: v1'"),
      "config.default holds a config, a name is wanted; write the name of a profile, one of dev");
}

TEST(ReadManifestTest, TextOfValuesIsReadInItsPlace) {
  const std::string application =
      "kind: Application\nspec:\n  sources:\n  - helm:\n      values: |\n        config:\n"
      "          map:\n            dev: |\n              version: v1\n              sharring: {}\n";
  EXPECT_EQ(Findings(application),
            std::vector<std::string>{"10:15 unknown key 'sharring' at the top level"});
}

TEST(ReadManifestTest, LinesAndColumnsAreThoseOfTheFile) {
  EXPECT_EQ(
      Findings("kind: ConfigMap\ndata:\n  a: |\n    version: v1\n    sharing:\n      nope: 1\n"
               "  b: |  # two\n\n    version: v2\n"),
      (std::vector<std::string>{"6:7 unknown key 'nope' in sharing",
                                "9:14 version: \"v2\" is not known"}));
  // Quoted, only the line at which it begins is known.
  EXPECT_EQ(Findings("kind: ConfigMap\ndata:\n  a: \"version: v1\\nsharring: {}\\n\"\n"),
            std::vector<std::string>{
                "3:0 unknown key 'sharring' at the top level (on line 2 of this text)"});
}

TEST(ReadManifestTest, OtherYamlIsNamed) {
  EXPECT_EQ(What("schedulerName: kai\n"), "a map with the key schedulerName");
  EXPECT_EQ(What("a: 1\nb: 2\nc: 3\nd: 4\ne: 5\n"), "a map with the keys a, b, c, d, …");
  EXPECT_EQ(What("- a\n"), "a list");
  EXPECT_EQ(What("text\n"), "a text without keys");
  EXPECT_EQ(What("kind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\n"), "ConfigMap x");
  EXPECT_EQ(What("version: '3'\nservices: {}\n"), "a map with the keys version, services");
  EXPECT_EQ(What("kind: ConfigMap\nmetadata: {name: m}\ndata:\n  config.yaml: |\n    version: v1\n"
                 "    mig-configs: {}\n"),
            "ConfigMap m, a config of mig-parted (the MIG manager)");
  EXPECT_EQ(What("version: v1\nmig-configs: {}\n"), "a config of mig-parted (the MIG manager)");
}

TEST(ReadManifestTest, WhatIsNoYamlIsUnreadableUnlessItIsMeantAsAConfig) {
  const Manifest manifest = ReadManifest("kind: Pod\n---\na: [\n");
  ASSERT_EQ(manifest.unreadable.size(), 1U);
  EXPECT_GE(manifest.unreadable[0].line, 3);
  EXPECT_EQ(Find("version: v1\nsharing:\n\ttimeSlicing:\n").size(), 1U);
}

TEST(ReadManifestTest, AClusterPolicyNamesItsConfigMap) {
  const Manifest manifest = ReadManifest(
      "kind: ClusterPolicy\nmetadata: {name: cp}\nspec:\n  devicePlugin:\n    config: {name: cm, "
      "default: dev}\n");
  ASSERT_EQ(manifest.references.size(), 1U);
  EXPECT_EQ(manifest.references[0].from, "ClusterPolicy cp");
  EXPECT_EQ(manifest.references[0].config_map, "cm");
  EXPECT_EQ(manifest.references[0].profile, "dev");
}

TEST(ReadManifestTest, ManyDocumentsCostNoMoreThanTheirText) {
  std::string many;
  for (int i = 0; i < 250'000; ++i) many += "---\n";
  EXPECT_EQ(SplitDocuments(many).size(), 0U);
  std::string small;
  for (int i = 0; i < 20'000; ++i) small += "---\na: 1\n";
  std::size_t bytes = 0;
  for (const Document& one : SplitDocuments(small)) bytes += one.text.size();
  EXPECT_LE(bytes, small.size() + 1);
}

TEST(ReadManifestTest, OnlySoManyConfigsMayBeInOneFile) {
  std::string documents;
  std::string map = "kind: ConfigMap\ndata:\n";
  for (std::size_t i = 0; i < kMaxProfiles; ++i) {
    documents += "---\nversion: v1\n";
    map += "  p" + std::to_string(i) + ": \"version: v1\"\n";
  }
  for (const auto& [file, one_more] :
       {std::pair(documents, "---\nversion: v1\n"), std::pair(map, "  more: \"version: v1\"\n")}) {
    EXPECT_EQ(Find(file).size(), kMaxProfiles);
    EXPECT_TRUE(ReadManifest(file).unreadable.empty());
    const auto too_many = ReadManifest(file + one_more).unreadable;
    ASSERT_EQ(too_many.size(), 1U);
    EXPECT_EQ(too_many[0].message, "there are more than 1000 configs or objects in this file");
  }
}

// 1 MiB of nothing but document markers: what is read of it takes memory in proportion.
TEST(ReadManifestTest, ManyDocumentMarkersTakeNoMoreThanTheirShare) {
  std::string text;
  while (text.size() < (1U << 20U)) text += "---\nkind: A\n";
  for (const std::string& file : {text, std::string(1U << 20U, '\n') + "---\nversion: v1\n"}) {
    const base::testing::HeapWatch heap;
    ReadManifest(file);
    EXPECT_LE(heap.Most(), (4U << 20U) + 24 * file.size());
  }
}

// Words that a config has too, in files of others.
TEST(ReadManifestTest, FilesOfOthersAreNotTakenForConfigs) {
  for (const char* text :
       {"branch: main\n", "sharding: {shards: 2}\n", "string: a\n", "flags: {unit: {paths: [a]}}\n",
        "version: v1\nfoo: bar\n", "kind: ConfigMap\ndata: {settings: 'branch: main'}\n",
        "kind: ConfigMap\ndata: {a: \"version: v1\\nfoo: bar\\n\"}\n"}) {
    EXPECT_TRUE(Find(text).empty()) << text;
  }
  for (const char* text :
       {"flags: {migStrategy: none}\n", "sharring: {timeSlicing: {}}\n",
        "version: v1\nmigStrategy: single\n", "apiVersion: v1\nversion: v1\nsharing: {}\n"}) {
    EXPECT_EQ(Find(text).size(), 1U) << text;
  }
}

TEST(ReadManifestTest, ValuesOfTheChartMayHaveKeysOfAConfigBesideTheirProfiles) {
  const auto found =
      Find("migStrategy: mixed\nfailOnInitError: false\nconfig: {map: {default: 'version: v1'}}\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "default");
}

TEST(ReadManifestTest, EveryDocumentIsLookedAtAndABareOneBehindTheFirstIsNotRead) {
  const Manifest torn = ReadManifest(
      "kind: Pod\n---\na: [\n---\nkind: ConfigMap\ndata: {dev: 'version: v1'}\n---\nb: ]\n");
  EXPECT_EQ(torn.unreadable.size(), 2U);
  EXPECT_EQ(torn.profiles.size(), 1U);
  const auto bare = Find("version: v1\n---\nversion: v1\nsharing: {}\n");
  ASSERT_EQ(bare.size(), 2U);
  EXPECT_FALSE(bare[0].broken);
  ASSERT_TRUE(bare[1].broken);
  EXPECT_NE(bare[1].broken->message.find("only the first document"), std::string::npos);
}

// Of a quoted text only the line at which it begins is known, whatever is found in it.
TEST(ReadManifestTest, WhatIsBrokenInAQuotedTextIsToldAtItsBeginning) {
  const auto found = Find(
      "kind: HelmChart\nspec:\n  valuesContent: \"\\n\\n\\n\\nconfig: {map: {a: 'version: v1', b: "
      "[x]}}\\n\"\n");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1].line, 3);
  EXPECT_EQ(found[1].broken->line, 3);
}

// The sentence of the only profile, which its carrier does not carry.
std::string Broken(const std::string& text) {
  const auto found = Find(text);
  if (found.size() != 1 || !found[0].broken) return "";
  return config::FormatDiagnostic("f", *found[0].broken);
}

TEST(ReadManifestTest, AProfileBesideDataIsToldWhereItBelongs) {
  EXPECT_EQ(Broken("kind: ConfigMap\ndata:\nany: |-\n  version: v1\n  sharing: {}\n"),
            "f:3:1: error: data.any has lost its indentation: it stands beside data and not below "
            "it; indent \"any: |-\" and its text by two spaces more (--fix prints it so)");
  // A text of something else is none of ours.
  EXPECT_TRUE(Find("kind: ConfigMap\ndata:\nany: |-\n  some: text\n").empty());
  EXPECT_TRUE(Find("kind: Secret\ndata:\nany: |-\n  version: v1\n").empty());
}

TEST(ReadManifestTest, FoldedTextIsExplained) {
  const std::string head = "kind: ConfigMap\ndata:\n  any: ";
  const std::string text = "\n    version: v1\n    sharing:\n      timeSlicing: {}\n";
  const std::string told =
      "f:3:3: error: data.any is folded text: \">\" joins its lines to one; write \"any: |\"";
  EXPECT_EQ(Broken(head + ">" + text), told);
  EXPECT_EQ(Broken(head + "&a >-" + text), told);
  // Folding harms no text of one line, and no text between quotes begins with it.
  EXPECT_FALSE(Find(head + ">\n    version: v1\n").at(0).broken);
  EXPECT_FALSE(Find(head + "'version: v1 sharing: > x'\n").at(0).broken);
}

TEST(ReadManifestTest, AMissingSpaceIsToldInItsPlace) {
  EXPECT_EQ(Findings("kind: ConfigMap\ndata:\n  any: |\n    version: v1\n    flags:\n"
                     "      migStrategy: none\n      failOnInitError:true\n"),
            std::vector<std::string>{"7:7 failOnInitError:true has no space after the colon"});
  const auto unreadable = ReadManifest("kind: ConfigMap\nmetadata:\n  name:x\n  a: b\n").unreadable;
  ASSERT_EQ(unreadable.size(), 1U);
  EXPECT_EQ(unreadable[0].line, 3);
  EXPECT_EQ(unreadable[0].instead, "write name: x");
}

TEST(ReadManifestTest, WhatIsNoTextInAConfigMapIsBroken) {
  const auto found = Find("kind: ConfigMap\ndata: {a: 'version: v1', b: [x], c: true}\n");
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[1].broken->message, "data.b is a list; a ConfigMap holds text");
  EXPECT_EQ(found[2].broken->message, "data.c is no text; a ConfigMap holds text");
}

// An alias costs a line, and may name a text of any size.
TEST(ReadManifestTest, ATextThatAliasesNameManyTimesIsReadAFewTimes) {
  std::string text = "t: &t |\n";
  for (int i = 0; i < 10'000; ++i) text += "  a: {values: 1}\n";
  text += "many:\n";
  for (int i = 0; i < 500; ++i) text += "- values: *t\n";
  text += "config:\n  map:\n    a: 'version: v1'\n";
  for (int i = 0; i < 500; ++i) text += "    p" + std::to_string(i) + ": *t\n";
  std::size_t bytes = 0;
  const base::testing::HeapWatch heap;
  for (const FoundProfile& one : ReadManifest(text).profiles) bytes += one.text.size();
  EXPECT_LE(bytes, 8 * text.size());
  EXPECT_LE(heap.Most(), 64 * text.size() + (8U << 20U));
}

}  // namespace
}  // namespace tranche::cli::manifest
