#include "cli/reference/keys.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "cli/common/flag_table.h"
#include "cli/common/upstream_flags.h"
#include "config/schema.h"

namespace tranche::cli::reference {
namespace {

// What a key is, said once for whoever reads the file and once for whoever reads the page.
TEST(KeysTest, ThePageHasTheKeysOfTheSchemaInItsOrder) {
  std::vector<std::string> schema;
  for (const config::Key& key : config::Keys()) {
    // Rules that are not honoured are not described one by one.
    if (!key.path.starts_with("resources.") || key.path.find("[]") == std::string_view::npos) {
      schema.emplace_back(key.path);
    }
  }
  std::vector<std::string> page;
  for (const KeyText& key : KeyTexts()) page.emplace_back(key.path);
  EXPECT_EQ(page, schema);
}

TEST(KeysTest, TheWordsOfThePageAreThoseOfTheSchema) {
  for (const KeyText& text : KeyTexts()) {
    const std::size_t dot = text.path.rfind('.');
    const bool nested = dot != std::string_view::npos;
    const config::Key* key = config::FindKey(nested ? text.path.substr(0, dot) : "",
                                             nested ? text.path.substr(dot + 1) : text.path);
    ASSERT_NE(key, nullptr) << text.path;
    for (const std::string_view word : key->words) {
      EXPECT_NE(text.type.find("`" + std::string(word) + "`"), std::string_view::npos)
          << text.path << " " << word;
    }
  }
}

TEST(KeysTest, EveryFlagThatAKeyNamesIsOneOfUpstreams) {
  std::set<std::string> flags;
  for (const common::FlagGroup& group :
       {common::UpstreamPluginFlags(), common::UpstreamFeatureDiscoveryFlags()}) {
    for (const common::FlagSpec& flag : group.flags) flags.insert(flag.name);
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
