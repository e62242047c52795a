#include "base/json_read.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::base {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class JsonReadTest : public ::testing::Test {
 protected:
  const Json json_ = Json::Parse(R"({
    "metadata": {"name": "n1", "labels": {"a.b/c": "d", "count": 3}, "empty": ""},
    "ready": true, "not": false, "replicas": 4, "part": 0.5, "none": null,
    "items": [{"name": "x"}, "one", 2, "two"], "object": {"k": "v"}})")
                         .value();
};

TEST_F(JsonReadTest, APathIsOneKeyOrSeveral) {
  const std::string key = "metadata";
  EXPECT_EQ(TextAt(json_, {"metadata", "name"}), "n1");
  EXPECT_EQ(TextAt(json_, {key, std::string_view("labels"), "a.b/c"}), "d");
  EXPECT_EQ(IntAt(json_, "replicas"), 4);
  EXPECT_EQ(IntAt(json_, {"replicas"}), 4);
  EXPECT_TRUE(ValueAt(json_, key).is_object());
  EXPECT_TRUE(ValueAt(json_, std::string_view(key)).is_object());
}

TEST_F(JsonReadTest, WhatIsMissingOnTheWayReadsAsEmpty) {
  EXPECT_EQ(FindAt(json_, {"metadata", "nothing", "name"}), nullptr);
  EXPECT_EQ(FindAt(json_, {"ready", "name"}), nullptr) << "a key of what is no object";
  EXPECT_EQ(FindAt(json_, {"items", "name"}), nullptr);
  EXPECT_EQ(FindAt(Json(), "name"), nullptr);
  EXPECT_TRUE(ValueAt(json_, {"metadata", "nothing", "name"}).is_null());
  EXPECT_EQ(TextAt(json_, {"metadata", "nothing", "name"}), "");
  EXPECT_THAT(ItemsAt(json_, {"nothing", "items"}), IsEmpty());
}

TEST_F(JsonReadTest, FindTellsNullAndMissingApart) {
  ASSERT_NE(FindAt(json_, "none"), nullptr);
  EXPECT_TRUE(FindAt(json_, "none")->is_null());
}

TEST_F(JsonReadTest, OfAnotherKindReadsAsEmpty) {
  for (const char* key : {"metadata", "ready", "replicas", "part", "none", "items"}) {
    EXPECT_EQ(TextAt(json_, key), "") << key;
    EXPECT_EQ(FindText(json_, key), nullptr) << key;
    EXPECT_EQ(PrintableAt(json_, key), "") << key;
  }
  EXPECT_FALSE(BoolAt(json_, "replicas"));
  EXPECT_EQ(IntAt(json_, "part"), std::nullopt);
  EXPECT_EQ(IntAt(json_, {"metadata", "name"}), std::nullopt);
  EXPECT_EQ(NumberAt(json_, "ready"), std::nullopt);
  EXPECT_THAT(ItemsAt(json_, "metadata"), IsEmpty());
  EXPECT_THAT(MembersAt(json_, "items"), IsEmpty());
  EXPECT_THAT(TextsAt(json_, "object"), IsEmpty());
}

TEST_F(JsonReadTest, Values) {
  EXPECT_TRUE(BoolAt(json_, "ready"));
  EXPECT_FALSE(BoolAt(json_, "not"));
  EXPECT_FALSE(BoolAt(json_, "nothing"));
  EXPECT_EQ(NumberAt(json_, "replicas"), 4.0) << "an integer is a number";
  EXPECT_EQ(NumberAt(json_, "part"), 0.5);
  EXPECT_EQ(ItemsAt(json_, "items").size(), 4U);
  ASSERT_EQ(MembersAt(json_, {"metadata", "labels"}).size(), 2U);
  EXPECT_EQ(MembersAt(json_, {"metadata", "labels"})[0].first, "a.b/c");
}

TEST_F(JsonReadTest, FindTextTellsMissingFromEmpty) {
  ASSERT_NE(FindText(json_, {"metadata", "empty"}), nullptr);
  EXPECT_EQ(*FindText(json_, {"metadata", "empty"}), "");
  EXPECT_EQ(FindText(json_, {"metadata", "nothing"}), nullptr);
}

TEST_F(JsonReadTest, NothingIsCopied) {
  const Json& metadata = *json_.Find("metadata");
  EXPECT_EQ(&ValueAt(json_, "metadata"), &metadata);
  EXPECT_EQ(&TextAt(json_, {"metadata", "name"}), &metadata.Find("name")->as_string());
  EXPECT_EQ(&ItemsAt(json_, "items"), &json_.Find("items")->as_array());
}

TEST_F(JsonReadTest, TextsLeaveOutWhatIsNoText) {
  EXPECT_THAT(TextsAt(json_, "items"), ElementsAre("one", "two"));
}

TEST(PrintableAtTest, HostileTextIsEscapedAndCut) {
  Json json = Json::MakeObject({{"a", "x\x1b[2J"}, {"b", std::string(1000, 'y')}});
  EXPECT_EQ(PrintableAt(json, "a"), "x\\x1b[2J");
  EXPECT_LT(PrintableAt(json, "b").size(), 410U);
  EXPECT_LT(PrintableAt(json, "b", 20).size(), 30U);
}

}  // namespace
}  // namespace tranche::base
