#include "cli/node/manifest.h"

#include <gtest/gtest.h>

#include "config/load.h"

namespace tranche::cli::node {
namespace {

constexpr char kConfig[] = "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2}]}}\n";

std::vector<FoundProfile> Find(const std::string& text) {
  auto found = FindProfiles(text, "f");
  EXPECT_TRUE(found.ok()) << found.status().message();
  return found.ok() ? *std::move(found) : std::vector<FoundProfile>();
}

TEST(FindProfilesTest, ABareConfigIsOneProfileWithoutAName) {
  const auto found = Find(kConfig);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "");
  EXPECT_EQ(Find("version: v1\n").size(), 1U);
  EXPECT_EQ(Find("{\"sharing\": null}").size(), 1U);
  EXPECT_EQ(Find("").size(), 1U);
  EXPECT_EQ(Find("sharring: {}\n").size(), 1U);  // misspelt, but meant
}

TEST(FindProfilesTest, AConfigMapAndAFragmentHoldMany) {
  const std::string data = "data:\n  a: |\n    version: v1\n  b: ''\n";
  EXPECT_EQ(Find("kind: ConfigMap\napiVersion: v1\n" + data).size(), 2U);
  EXPECT_EQ(Find(data).size(), 2U);
  EXPECT_EQ(
      Find("apiVersion: v1\nkind: List\nitems:\n- kind: ConfigMap\n  data: {a: 'version: v1'}\n")
          .size(),
      1U);
}

TEST(FindProfilesTest, FindsThemAmongOtherDocuments) {
  const auto found = Find(
      "kind: Namespace\n---\nkind: ConfigMap\ndata:\n  a: |\n    version: v1\n---\n"
      "kind: Deployment\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "a");
  EXPECT_EQ(found[0].line, 6);
}

TEST(FindProfilesTest, OtherYamlHoldsNone) {
  for (const char* text :
       {"schedulerName: kai\n", "- a\n", "env:\n- name: x\n", "kind: ConfigMap\ndata: {a: b}\n",
        "resources: {limits: {cpu: 1}}\n", "version: '3'\nservices: {}\n", "text\n"}) {
    EXPECT_TRUE(Find(text).empty()) << text;
  }
  EXPECT_FALSE(FindProfiles("a: [\n", "f").ok());
}

TEST(FindProfilesTest, LinesAndColumnsAreThoseOfTheFile) {
  const std::string manifest =
      "kind: ConfigMap\ndata:\n  a: |\n    version: v1\n    sharing:\n      nope: 1\n"
      "  b: |  # two\n\n    version: v2\n";
  const auto found = Find(manifest);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].indent, 4);
  const auto a = config::LoadConfig(found[0].text, "f", {}, {}, found[0].first_line);
  ASSERT_TRUE(a.ok());
  ASSERT_EQ(a->warnings.size(), 1U);
  EXPECT_EQ(a->warnings[0].line, 6);
  EXPECT_EQ(a->warnings[0].column + found[0].indent, 7);
  const auto b = config::LoadConfig(found[1].text, "f", {}, {}, found[1].first_line);
  EXPECT_NE(b.status().message().find("(f:9)"), std::string::npos) << b.status().message();
}

TEST(FindProfilesTest, LinesOfALaterDocumentAreThoseOfTheFile) {
  const auto found = Find("kind: Namespace\n---\n# two\n---\nversion: v1\nnope: 1\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].line, 5);
  const auto loaded = config::LoadConfig(found[0].text, "f", {}, {}, found[0].first_line);
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->warnings.size(), 1U);
  EXPECT_EQ(loaded->warnings[0].line, 6);
  EXPECT_FALSE(FindProfiles("kind: Namespace\n---\na: [\n", "f").ok());
}

TEST(FindProfilesTest, OnlySoManyConfigsMayBeInOneFile) {
  std::string text;
  for (std::size_t i = 0; i < kMaxProfiles; ++i) text += "---\nversion: v1\n";
  EXPECT_EQ(Find("kind: Namespace\n" + text).size(), kMaxProfiles);
  const auto more = FindProfiles("kind: Namespace\n" + text + "---\nversion: v1\n", "f");
  EXPECT_EQ(more.status().message(), "f holds more than 1000 configs: split it into several files");
}

}  // namespace
}  // namespace tranche::cli::node
