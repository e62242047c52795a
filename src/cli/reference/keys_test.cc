#include "cli/reference/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "config/flag_table.h"
#include "config/load.h"
#include "config/upstream_flags.h"

namespace tranche::cli::reference {
namespace {

using ::testing::IsEmpty;

// Below which path a file has the key that nothing knows.
const std::map<std::string, std::string>& Probes() {
  static const std::map<std::string, std::string> kProbes{
      {"", "{xxxxxxxxxx: 1}"},
      {"flags", "{flags: {xxxxxxxxxx: 1}}"},
      {"flags.plugin", "{flags: {plugin: {xxxxxxxxxx: 1}}}"},
      {"flags.gfd", "{flags: {gfd: {xxxxxxxxxx: 1}}}"},
      {"resources", "{resources: {xxxxxxxxxx: 1}}"},
      {"sharing", "{sharing: {xxxxxxxxxx: 1}}"},
      {"sharing.timeSlicing",
       "{sharing: {timeSlicing: {xxxxxxxxxx: 1, resources: [{name: gpu, replicas: 2}]}}}"},
      {"sharing.timeSlicing.resources[]",
       "{sharing: {timeSlicing: {resources: [{xxxxxxxxxx: 1, name: gpu, replicas: 2}]}}}"},
      {"imex", "{imex: {xxxxxxxxxx: 1}}"},
      {"tranche", "{tranche: {xxxxxxxxxx: 1}}"},
      {"tranche.resources[]", "{tranche: {resources: [{xxxxxxxxxx: 1, name: gpu}]}}"},
      {"tranche.health", "{tranche: {health: {xxxxxxxxxx: 1}}}"},
      {"tranche.memory", "{tranche: {memory: {xxxxxxxxxx: 1}}}"},
      {"tranche.time", "{tranche: {time: {xxxxxxxxxx: 1}}}"}};
  return kProbes;
}

// The keys that the decoder names when it meets one that it does not know.
std::set<std::string> KnownToTheDecoder(const std::string& text) {
  std::set<std::string> keys;
  const auto loaded = config::LoadConfig(text, "", {}, {});
  if (!loaded.ok()) return keys;
  for (const config::Diagnostic& warning : loaded->warnings) {
    constexpr std::string_view kBefore = "(known here: ";
    const std::size_t at = warning.message.find(kBefore);
    if (!warning.unknown_key || at == std::string::npos) continue;
    std::string_view rest = std::string_view(warning.message).substr(at + kBefore.size());
    rest.remove_suffix(1);
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(", "), rest.size());
      keys.emplace(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 2, rest.size()));
    }
  }
  return keys;
}

std::pair<std::string, std::string> ParentAndKey(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return {"", std::string(path)};
  return {std::string(path.substr(0, dot)), std::string(path.substr(dot + 1))};
}

std::map<std::string, std::set<std::string>> KeysByParent() {
  std::map<std::string, std::set<std::string>> keys;
  for (const KeyText& key : KeyTexts()) {
    const auto [parent, name] = ParentAndKey(key.path);
    keys[parent].insert(name);
  }
  return keys;
}

TEST(KeysTest, TheTableHasWhatTheDecoderKnowsAndNothingElse) {
  for (const auto& [parent, keys] : KeysByParent()) {
    ASSERT_TRUE(Probes().contains(parent)) << parent;
    EXPECT_EQ(KnownToTheDecoder(Probes().at(parent)), keys) << parent;
  }
}

TEST(KeysTest, EveryMapOfTheTableIsProbed) {
  const auto keys = KeysByParent();
  for (const KeyText& key : KeyTexts()) {
    if (key.type == "map") {
      EXPECT_TRUE(keys.contains(std::string(key.path))) << key.path;
    }
    if (key.type == "list of maps") {
      EXPECT_TRUE(keys.contains(std::string(key.path) + "[]")) << key.path;
    }
  }
}

TEST(KeysTest, ADecoderThatNamesNoKeysIsFound) {
  EXPECT_THAT(KnownToTheDecoder("{version: v1}"), IsEmpty());
  EXPECT_THAT(KnownToTheDecoder("{sharring: 1}"), IsEmpty()) << "a near name is named alone";
}

TEST(KeysTest, EveryFlagThatAKeyNamesIsOneOfUpstreams) {
  std::set<std::string> flags;
  for (const config::FlagGroup& group :
       {config::UpstreamPluginFlags(), config::UpstreamFeatureDiscoveryFlags()}) {
    for (const config::FlagSpec& flag : group.flags) flags.insert(flag.name);
  }
  for (const KeyText& key : KeyTexts()) {
    if (key.flag.empty()) continue;
    EXPECT_TRUE(flags.contains(std::string(key.flag))) << key.path;
  }
}

TEST(KeysTest, DefaultsAreThoseOfTheConfig) {
  std::map<std::string, std::string> defaults;
  for (const KeyText& key : KeyTexts()) defaults[std::string(key.path)] = DefaultOf(key);
  EXPECT_EQ(defaults["flags.migStrategy"], "none");
  EXPECT_EQ(defaults["flags.failOnInitError"], "true");
  EXPECT_EQ(defaults["flags.nvidiaDevRoot"], "the driver root");
  EXPECT_EQ(defaults["tranche.time.weight"], "100");
  EXPECT_EQ(defaults["tranche.memory.mode"], "observe");
  EXPECT_EQ(defaults["tranche"], "");
}

}  // namespace
}  // namespace tranche::cli::reference
