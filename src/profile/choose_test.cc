#include "profile/choose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tranche::profile {
namespace {

using base::Code;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ChooseProfileTest, SelectedBeatsDefaultBeatsFallbacks) {
  const std::vector<std::string> available = {"default", "dev", "prod"};
  const std::vector<Fallback> fallbacks = {Fallback::kNamed};
  EXPECT_EQ(*ChooseProfile(available, "dev", "prod", fallbacks), "dev");
  EXPECT_EQ(*ChooseProfile(available, "", "prod", fallbacks), "prod");
  EXPECT_EQ(*ChooseProfile(available, "", "", fallbacks), "default");
}

TEST(ChooseProfileTest, FallbacksAreTriedInOrder) {
  const auto choose = [](std::vector<std::string> available, std::vector<Fallback> fallbacks) {
    const auto chosen = ChooseProfile(available, "", "", fallbacks);
    return chosen.ok() ? *chosen : "error: " + chosen.status().message();
  };
  constexpr char kAllFailed[] =
      "error: no config was set, no default was provided, and all fallbacks failed";
  EXPECT_EQ(choose({"a"}, {Fallback::kNamed, Fallback::kSingle}), "a");
  EXPECT_EQ(choose({"a", "b"}, {Fallback::kNamed, Fallback::kSingle}), kAllFailed);
  EXPECT_EQ(choose({"a", "b"}, {Fallback::kSingle, Fallback::kEmpty}), "");
  EXPECT_EQ(choose({"a", "default"}, {Fallback::kEmpty, Fallback::kNamed}), "");
  EXPECT_EQ(choose({"a", "default"}, {Fallback::kNamed, Fallback::kEmpty}), "default");
  EXPECT_EQ(choose({"a"}, {}), kAllFailed);
  EXPECT_EQ(choose({}, {Fallback::kEmpty}), "error: no configuration files available");
}

TEST(ChooseProfileTest, AMissingNameIsAnErrorAndNoFallback) {
  const std::vector<std::string> available = {"default"};
  EXPECT_EQ(ChooseProfile(available, "dev", "default", {Fallback::kNamed}).status().message(),
            "specified config dev does not exist");
  EXPECT_EQ(ChooseProfile(available, "", "prod", {Fallback::kNamed}).status().message(),
            "specified config prod does not exist");
}

TEST(ChooseProfileTest, AMisspeltNameIsToldTheNearest) {
  const std::vector<std::string> available = {"default", "dev"};
  const auto told = [&](const std::string& name) {
    return ChooseProfile(available, name, "", {}).status().message();
  };
  EXPECT_EQ(told("DEV"), "specified config DEV does not exist; did you mean dev?");
  EXPECT_EQ(told("defualt"), "specified config defualt does not exist; did you mean default?");
  EXPECT_EQ(told("training"), "specified config training does not exist");
}

TEST(ChooseProfileTest, NamesThatLeaveTheDirectoryAreRefused) {
  // Were they somehow listed, they would still be refused.
  for (const std::string& name :
       {std::string("../secret"), std::string("a/b"), std::string("/etc"), std::string(".."),
        std::string("..data"), std::string("."), std::string("a\0b", 3)}) {
    const auto chosen = ChooseProfile({name, "default"}, name, "", {});
    EXPECT_EQ(chosen.status().code(), Code::kInvalidArgument) << name;
  }
  EXPECT_EQ(*ChooseProfile({"a..b", ".hidden"}, "a..b", "", {}), "a..b");
  EXPECT_THAT(ChooseProfile({"a"}, "\x1b[2J/", "", {}).status().message(), HasSubstr("\\x1b"));
}

TEST(ParseFallbacksTest, KnowsUpstreamsWords) {
  EXPECT_THAT(*ParseFallbacks({"single", "empty", "named"}),
              ElementsAre(Fallback::kSingle, Fallback::kEmpty, Fallback::kNamed));
  EXPECT_THAT(*ParseFallbacks({}), IsEmpty());
  EXPECT_EQ(ParseFallbacks({"named", "Single"}).status().message(),
            "unknown fallback strategy: Single");
}

}  // namespace
}  // namespace tranche::profile
