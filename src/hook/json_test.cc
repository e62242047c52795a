#include "hook/json.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace tranche::hook {
namespace {

// The value of the member `key` of an object, "" where there is none.
std::string Member(std::string text, std::string_view key) {
  JsonReader reader(text.data(), text.size());
  std::string_view name;
  std::string_view value;
  if (!reader.EnterObject()) return "no object";
  while (reader.NextMember(&name)) {
    if (name == key) {
      reader.ReadString(&value);
    } else {
      reader.Skip();
    }
  }
  return reader.broken() ? "broken" : std::string(value);
}

TEST(JsonReader, FindsAStringAmongValuesOfEveryKind) {
  constexpr char kText[] =
      R"( {"a": {"b": [1, "}", {"id": "inner"}]}, "n": -1.5e3, "t": true, "z": null,
          "s": "\"]", "id" : "outer" , "after": []} )";
  EXPECT_EQ(Member(kText, "id"), "outer");
  EXPECT_EQ(Member(kText, "s"), "\"]");
  EXPECT_EQ(Member(kText, "absent"), "");
}

TEST(JsonReader, DecodesEscapes) {
  EXPECT_EQ(Member(R"({"id":"\"\\\/\b\f\n\r\t"})", "id"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(Member(R"({"id":"\u0041\u00e9\u20ac"})", "id"), "A\u00e9\u20ac");
  EXPECT_EQ(Member(R"({"\u0069d":"by an escaped name"})", "id"), "by an escaped name");
}

TEST(JsonReader, AValueOfAnotherKindIsSkipped) {
  EXPECT_EQ(Member(R"({"id":{"id":"x"},"b":1})", "id"), "");
  EXPECT_EQ(Member(R"({"id":null})", "id"), "");
  EXPECT_EQ(Member(R"([{"id":"x"}])", "id"), "no object");
}

TEST(JsonReader, WhatIsNoJsonIsBroken) {
  for (const char* text :
       {"{", R"({"id")", R"({"id":)", R"({"id":"x)", R"({"id":"x")", R"({"id":"\q"})",
        R"({"id":"\u12"})", R"({id:1})", R"({"a":[1,2})", R"({"a":}})"}) {
    EXPECT_EQ(Member(text, "absent") == "broken" || Member(text, "id") == "broken", true) << text;
  }
}

TEST(JsonReader, DepthCostsNothing) {
  const std::string deep = R"({"a":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_EQ(Member(deep + R"(,"id":"x"})", "id"), "x");
  EXPECT_EQ(Member(deep.substr(0, 1'000'000), "id"), "broken");
}

}  // namespace
}  // namespace tranche::hook
