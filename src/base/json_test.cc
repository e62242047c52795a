#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tranche::base {
namespace {

Json Parsed(std::string_view text) {
  auto json = Json::Parse(text);
  EXPECT_TRUE(json.ok()) << text << ": " << json.status().message();
  return json.ok() ? *json : Json();
}

bool Refused(std::string_view text) {
  const auto json = Json::Parse(text);
  return !json.ok() && json.status().code() == Code::kInvalidArgument;
}

TEST(JsonTest, WritesEveryKindInInsertionOrder) {
  Json json = Json::MakeObject();
  json.Set("z", 1).Set("a", nullptr).Set("text", "a\"b\\c\n").Set("yes", true).Set("half", 0.5);
  json.Set("list", Json::MakeArray({1, "two", Json::MakeArray()}));
  json.Set("empty", Json::MakeObject());
  EXPECT_EQ(json.Dump(),
            R"({"z":1,"a":null,"text":"a\"b\\c\n","yes":true,"half":0.5,"list":[1,"two",[]],)"
            R"("empty":{}})");
  EXPECT_EQ(Json::MakeObject({{"a", 1}}).Dump(2), "{\n  \"a\": 1\n}");
}

TEST(JsonTest, ReadsWhatItWrote) {
  const std::string text =
      R"({"b":[1,-2,0.25,1e300,"ä😀\u0000",true,false,null,{"x":{}}],"a":"\u00e4"})";
  const Json json = Parsed(text);
  EXPECT_EQ(Parsed(json.Dump()), json);
  EXPECT_EQ(json.Find("a")->as_string(), "ä");
  EXPECT_EQ(json.Find("b")->as_array()[4].as_string(), std::string("ä😀\0", 7));
}

TEST(JsonTest, OfAKeyThatComesTwiceTheLastValueCounts) {
  EXPECT_EQ(Parsed(R"({"a":1,"b":2,"a":{"c":3,"c":4},"d":5,"b":[],"a":6})").Dump(),
            R"({"a":6,"b":[],"d":5})");
}

// Whoever may write a ConfigMap must not hold up who reads it: to look through all the keys for
// each of them would take hours here.
TEST(JsonTest, ReadsAndWritesObjectsOfManyKeys) {
  std::string text = "{";
  for (int i = 0; i < 400000; ++i) text += "\"" + std::to_string(i * 4999) + "\":1,";
  text += "\"last\":2}";
  const Json json = Parsed(text);
  EXPECT_EQ(json.as_object().size(), 400001U);
  EXPECT_EQ(json.Dump(), text);
}

TEST(JsonTest, SetReplacesInPlace) {
  Json json = Parsed(R"({"a":1,"b":2})");
  json.Set("a", "new");
  EXPECT_EQ(json.Dump(), R"({"a":"new","b":2})");
}

TEST(JsonTest, FindIsNullWhereThereIsNothing) {
  EXPECT_EQ(Parsed("{}").Find("a"), nullptr);
  EXPECT_EQ(Parsed("[1]").Find("a"), nullptr);
  EXPECT_EQ(Json("text").Find("a"), nullptr);
}

TEST(JsonTest, EqualityIgnoresTheOrderOfMembersOnly) {
  EXPECT_EQ(Parsed(R"({"a":1,"b":[1,2]})"), Parsed(R"({"b":[1,2],"a":1})"));
  EXPECT_FALSE(Parsed(R"({"a":[1,2]})") == Parsed(R"({"a":[2,1]})"));
  EXPECT_FALSE(Parsed(R"({"a":1})") == Parsed(R"({"a":1,"b":1})"));
  EXPECT_FALSE(Parsed(R"({"a":1})") == Parsed(R"({"b":1})"));
  EXPECT_FALSE(Json(1) == Json(1.0));
  EXPECT_FALSE(Json() == Json(false));
  // Deeper down as well.
  EXPECT_EQ(Parsed(R"([{"a":1,"b":2}])"), Parsed(R"([{"b":2,"a":1}])"));
}

TEST(JsonTest, IntegersKeepAllTheirDigits) {
  EXPECT_EQ(Parsed("9223372036854775807").as_int(), INT64_MAX);
  EXPECT_EQ(Parsed("-9223372036854775808").as_int(), INT64_MIN);
  EXPECT_EQ(Json(INT64_MIN).Dump(), "-9223372036854775808");
  EXPECT_EQ(Json(std::uint64_t{1} << 62U).Dump(), "4611686018427387904");
}

TEST(JsonTest, IntegersBeyondInt64AreNumbersAndNeverNegative) {
  EXPECT_TRUE(Parsed("9223372036854775808").is_double());
  EXPECT_DOUBLE_EQ(Parsed("18446744073709551615").as_double(), 18446744073709551615.0);
  EXPECT_DOUBLE_EQ(Parsed("123456789012345678901234567890").as_double(), 1.2345678901234568e29);
  EXPECT_GT(Json(UINT64_MAX).as_double(), 1.8e19);
}

TEST(JsonTest, AnIntegerCountsAsANumber) {
  EXPECT_DOUBLE_EQ(Parsed("7").as_double(), 7.0);
  EXPECT_TRUE(Parsed("7").is_int());
  EXPECT_TRUE(Parsed("7.0").is_double());
}

TEST(JsonTest, ManyTextsMakeAnArray) {
  EXPECT_EQ(Json::MakeTexts({"a", "", "b"}).Dump(), R"(["a","","b"])");
  EXPECT_EQ(Json::MakeTexts({}).Dump(), "[]");
}

TEST(JsonTest, WhatIsWrittenInLinesHasEachMemberOnItsOwn) {
  const Json json = Parsed(R"({"a":[1,[],{}],"b":{"c":null,"d":true},"e":[[2.50]]})");
  EXPECT_EQ(json.Dump(2), R"({
  "a": [
    1,
    [],
    {}
  ],
  "b": {
    "c": null,
    "d": true
  },
  "e": [
    [
      2.5
    ]
  ]
})");
  EXPECT_EQ(Parsed(json.Dump(4)), json);
}

TEST(JsonTest, WhatIsNotPlainIsEscapedInTextsAndKeys) {
  EXPECT_EQ(Json::MakeObject({{"a\"\\\n", "\x01\t\x7f<ü>"}}).Dump(),
            "{\"a\\\"\\\\\\n\":\"\\u0001\\t\x7f<ü>\"}");
  EXPECT_EQ(Json(0.1).Dump(), "0.1");
  EXPECT_EQ(Json(3.0).Dump(), "3.0");
  EXPECT_EQ(Json(1e300).Dump(), "1e+300");
  EXPECT_EQ(Json(-0.0).Dump(), "-0.0");
}

TEST(JsonTest, ANumberIsWrittenByTheFewestDigitsThatMeanIt) {
  const std::pair<double, const char*> numbers[] = {
      {0.0, "0.0"},
      {-3.0, "-3.0"},
      {999999999999999.0, "999999999999999.0"},
      {1e15, "1e+15"},
      {0.0001, "0.0001"},
      {0.00001, "1e-05"},
      {1795793567.125, "1795793567.125"},
      {1.0 / 3, "0.3333333333333333"},
  };
  for (const auto& [number, text] : numbers) {
    EXPECT_EQ(Json(number).Dump(), text);
    EXPECT_EQ(Parsed(text).as_double(), number);
  }
}

TEST(JsonTest, NumbersThatJsonCannotSayAreNull) {
  EXPECT_EQ(Json(std::nan("")).Dump(), "null");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).Dump(), "null");
}

TEST(JsonTest, BytesThatAreNoTextAreReplacedInOutput) {
  EXPECT_EQ(Json(std::string("a\xff") + "b").Dump(),
            "\"a\xef\xbf\xbd"
            "b\"");
  EXPECT_TRUE(Json::Parse(Json("\xc3\x28\xed\xa0\x80").Dump()).ok());
}

TEST(JsonTest, RefusesWhatIsNotJson) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[1,]",
                           "{\"a\":}",
                           "{a:1}",
                           "'a'",
                           "01",
                           "1.",
                           "+1",
                           "nul",
                           "[1 2]",
                           "{} x",
                           "\"a",
                           "\"\n\"",
                           "\"\\x41\"",
                           "\"\\u12\"",
                           "\"\\ud800\"",
                           "\"\xff\"",
                           "NaN",
                           "1e999",
                           "// comment\n1",
                           "[1]]",
                           "\"\\"}) {
    EXPECT_TRUE(Refused(text)) << text;
  }
  EXPECT_TRUE(Refused(std::string_view("1\0", 2)));
}

std::string Nested(int depth, const std::string& inside = "") {
  const auto n = static_cast<std::size_t>(depth);
  return std::string(n, '[') + inside + std::string(n, ']');
}

TEST(JsonTest, DepthIsBounded) {
  EXPECT_TRUE(Json::Parse(Nested(64)).ok());
  EXPECT_TRUE(Refused(Nested(65)));
  EXPECT_TRUE(Refused(std::string(10'000'000, '[')));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_TRUE(Refused(objects));
}

TEST(JsonTest, BracketsInStringsAreNoDepth) {
  EXPECT_TRUE(Json::Parse("\"" + std::string(1000, '[') + "\"").ok());
  EXPECT_TRUE(Json::Parse(Nested(64, R"("\"[[[[\\")")).ok());
  // A quote that is escaped ends no string; one after an escaped backslash does.
  EXPECT_TRUE(Refused("[\"\\\\\"," + Nested(64) + "]"));
  // Closing brackets first do not buy depth.
  EXPECT_TRUE(Refused(std::string(100, ']') + Nested(80)));
}

using JsonDeathTest = ::testing::Test;

TEST(JsonDeathTest, TheWrongKindIsABrokenInvariant) {
  EXPECT_DEATH((void)Json("text").as_int(), "is_int");
  EXPECT_DEATH((void)Json(1).as_string(), "is_string");
  EXPECT_DEATH((void)Json("1").as_double(), "is_double");
}

}  // namespace
}  // namespace tranche::base
