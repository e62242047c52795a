#include "config/schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "config/load.h"

namespace tranche::config {
namespace {

// A file that has `value` at the path, and what the maps above it cannot be without.
std::string At(std::string_view path, const std::string& value) {
  std::string text = value;
  while (!path.empty()) {
    const std::size_t dot = path.rfind('.');
    std::string_view name = path.substr(dot + 1);  // npos + 1 is 0
    const bool item = name.ends_with("[]");
    if (item) name.remove_suffix(2);
    text = "{" + std::string(name) + ": " + (item ? "[" + text + "]" : text) + "}";
    path = dot == std::string_view::npos ? "" : path.substr(0, dot);
  }
  return text;
}

std::string Rest(std::string_view path) {
  if (path == "sharing.timeSlicing") return ", resources: [{name: gpu, replicas: 2}]";
  if (path == "sharing.timeSlicing.resources[]") return ", name: gpu, replicas: 2";
  if (path == "tranche.resources[]") return ", name: gpu";
  if (path.starts_with("resources.") && path.ends_with("[]")) return ", name: gpu, pattern: x";
  return "";
}

std::string_view ParentOf(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? "" : path.substr(0, dot);
}

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('.') + 1); }

// The decoder and the schema know the same keys: every one of the schema means something to the
// decoder, which then refuses a value that is of no kind at all, and a key beside them is told.
TEST(SchemaTest, EveryKeyIsOneThatTheDecoderReads) {
  for (const Key& key : Keys()) {
    if (key.path == "sharing.mps" || key.path == "version") continue;  // refused, and any scalar
    const std::string_view parent = ParentOf(key.path);
    const bool map = std::any_of(Keys().begin(), Keys().end(), [&](const Key& other) {
      return ParentOf(other.path) == key.path ||
             ParentOf(other.path) == std::string(key.path) + "[]";
    });
    const std::string bad = map ? "7" : "{a: b}";
    const std::string text = At(parent, "{" + std::string(NameOf(key.path)) + ": " + bad + "}");
    const Checked checked = CheckConfig(text, {}, {});
    const bool told =
        std::any_of(checked.findings.begin(), checked.findings.end(),
                    [](const auto& one) { return one.severity != Severity::kCannotBeMeant; });
    EXPECT_TRUE(!checked.config || told) << text;
  }
}

TEST(SchemaTest, AKeyBesideThemIsTold) {
  for (const Key& key : Keys()) {
    if (key.path == "sharing.mps") continue;
    const std::string_view parent = ParentOf(key.path);
    const std::string text = At(parent, "{xxxxxxxxxx: 1" + Rest(parent) + "}");
    const Checked checked = CheckConfig(text, {}, {});
    EXPECT_TRUE(std::any_of(checked.findings.begin(), checked.findings.end(),
                            [](const Diagnostic& one) {
                              return one.severity == Severity::kCannotBeMeant &&
                                     one.message.starts_with("unknown key 'xxx");
                            }))
        << text;
  }
}

TEST(SchemaTest, TheDecoderTakesEachWordAndNoOther) {
  for (const Key& key : Keys()) {
    for (const std::string_view word : key.words) {
      EXPECT_TRUE(CheckConfig(At(key.path, std::string(word)), {}, {}).findings.empty()) << word;
      EXPECT_FALSE(CheckConfig(At(key.path, std::string(word) + "x"), {}, {}).config) << word;
    }
  }
}

TEST(SchemaTest, NamesMatchAsUpstreamMatchesThem) {
  EXPECT_NE(FindKey("", "SHARING"), nullptr);
  EXPECT_NE(FindKey("flags.plugin", "DeviceListStrategy"), nullptr);
  EXPECT_EQ(FindKey("sharing.timeSlicing", "Resources"), nullptr);
  EXPECT_EQ(FindKey("tranche", "Memory"), nullptr);
  EXPECT_EQ(FindKey("flags", "sharing"), nullptr);
}

}  // namespace
}  // namespace tranche::config
