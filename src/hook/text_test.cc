#include "hook/text.h"

#include <gtest/gtest.h>

#include <string>

#include "hook/json.h"

namespace tranche::hook {
namespace {

std::string Escaped(std::string_view text) {
  return std::string(Line<255>().AddEscaped(text).view());
}

// What a reader of JSON makes of it.
std::string ReadAgain(std::string_view text) {
  std::string json = "\"" + Escaped(text) + "\"";
  JsonReader reader(json.data(), json.size());
  std::string_view value;
  return reader.ReadString(&value) ? std::string(value) : "none";
}

TEST(AddEscaped, WhatIsAsciiStaysAndItsSpecialCharactersAreEscaped) {
  EXPECT_EQ(Escaped("/usr/lib/libcuda.so.1 ~"), "/usr/lib/libcuda.so.1 ~");
  EXPECT_EQ(Escaped("\"\\\n\x1b[31m\x7f"), R"(\"\\\u000a\u001b[31m\u007f)");
  EXPECT_EQ(Escaped(std::string_view("a\0b", 3)), R"(a\u0000b)");
}

TEST(AddEscaped, NamesInAnyLanguageAreReadAsTheyWere) {
  EXPECT_EQ(Escaped("/\u00e9\u20ac"), R"(/\u00e9\u20ac)");
  EXPECT_EQ(Escaped("\U0001F600"), R"(\ud83d\ude00)");
  EXPECT_EQ(Escaped("\u0085"), R"(\u0085)") << "a control character of terminals";
  for (const std::string name :
       {"/d\u00e9p\u00f4t", "/\u5171\u4eab", "\u007f\u0080\u07ff\u0800\ud7ff\uffff"}) {
    EXPECT_EQ(ReadAgain(name), name);
  }
}

TEST(AddEscaped, WhatIsNoUtf8IsSaidToBeNone) {
  constexpr char kNone[] = R"(\ufffd)";
  for (const char* byte : {"\x80", "\xbf", "\xc3", "\xf8", "\xff"}) EXPECT_EQ(Escaped(byte), kNone);
  EXPECT_EQ(Escaped("\xe2\x82"), std::string(kNone) + kNone) << "cut";
  EXPECT_EQ(Escaped("\xc0\x80"), std::string(kNone) + kNone) << "longer than it need be";
  EXPECT_EQ(Escaped("\xed\xa0\x80"), std::string(kNone) + kNone + kNone) << "half of a pair";
  EXPECT_EQ(Escaped("\xf4\x90\x80\x80").size(), 24U) << "past the last character";
  EXPECT_EQ(Escaped("\xc3x"), std::string(kNone) + "x") << "what follows is not swallowed";
}

TEST(AddEscaped, TakesSixBytesForAByteAtMost) {
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      EXPECT_LE(Escaped(text).size(), 12U);
      EXPECT_NE(ReadAgain(text), "none");
    }
  }
}

}  // namespace
}  // namespace tranche::hook
