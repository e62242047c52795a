// What a config may cost: heap bytes for bytes of YAML, whatever stands in it. Each text is either
// read or refused; neither may take more than the bound.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/heap.h"
#include "config/load.h"
#include "config/yaml/tree.h"

namespace tranche::config {
namespace {

using ::testing::HasSubstr;

// A text of few bytes may take a little more: kFewNodes values, and what stands in one bracket.
constexpr std::size_t kFloor = 6U << 20U;
constexpr std::size_t kHeapPerByte = 16;

// `parts` one after another up to `bytes`, between a head and a tail.
std::string Many(const std::string& head, const std::function<std::string(int)>& part,
                 const std::string& tail, std::size_t bytes = kMaxConfigBytes) {
  std::string text = head;
  for (int i = 0;; ++i) {
    const std::string next = part(i);
    if (text.size() + next.size() + tail.size() > bytes) break;
    text += next;
  }
  return text + tail;
}

std::size_t Cost(const std::string& text, base::Status& status) {
  const base::testing::HeapWatch heap;
  const auto loaded = LoadConfig(text, "f", {}, {});
  status = loaded.status();
  return heap.Most();
}

struct Shape {
  std::string name;
  std::function<std::string(std::size_t bytes)> text;
};

std::vector<Shape> Shapes() {
  const auto number = [](int i) { return std::to_string(i); };
  const auto shape = [](std::string name, std::string head, std::function<std::string(int)> part,
                        std::string tail) {
    return Shape{std::move(name), [=](std::size_t bytes) { return Many(head, part, tail, bytes); }};
  };
  return {
      shape(
          "keys", "", [=](int i) { return number(i) + ":\n"; }, ""),
      shape(
          "keys in one line", "{", [=](int i) { return number(i) + ","; }, "}\n"),
      shape(
          "the same key", "{", [](int) { return "a,"; }, "}\n"),
      shape(
          "a list in one line", "[", [](int) { return "1,"; }, "]\n"),
      shape(
          "a list in lines", "[", [](int) { return "1,\n"; }, "]\n"),
      shape(
          "items", "", [](int) { return "-\n"; }, ""),
      shape(
          "empty lists", "[", [](int) { return "[],"; }, "]\n"),
      shape(
          "lists side by side", "[", [](int) { return "[]"; }, "]\n"),
      shape(
          "empty maps in lines", "", [](int) { return "- {}\n"; }, ""),
      shape(
          "pairs in one line", "[", [](int) { return "a: 1,"; }, "]\n"),
      shape(
          "questions", "[", [](int) { return "? a,"; }, "]\n"),
      shape(
          "anchors", "[", [=](int i) { return "&" + number(i) + " 1,\n"; }, "]\n"),
      shape(
          "aliases", "[&a 1,", [](int) { return "*a,\n"; }, "]\n"),
      shape(
          "tags", "[", [](int) { return "!!str a,\n"; }, "]\n"),
      shape(
          "long values", "", [=](int i) { return number(i) + ": " + std::string(900, 'x') + "\n"; },
          ""),
      shape(
          "one value", "a: '", [](int) { return "x"; }, "'\n"),
      shape(
          "a block", "a: |\n", [](int) { return "  line\n"; }, ""),
      shape(
          "comments", "", [](int) { return "# a, b: [c]\n"; }, ""),
      shape(
          "documents", "", [](int) { return "---\n"; }, ""),
      shape(
          "quoted keys", "", [=](int i) { return "\"" + number(i) + "\": [1, 2]\n"; }, ""),
      shape(
          "resources", "sharing:\n  timeSlicing:\n    resources:\n",
          [](int) { return "    - name: nvidia.com/gpu\n      replicas: 4\n"; }, ""),
      shape(
          "resources in short", "sharing: {timeSlicing: {resources: [",
          [](int) { return "{name: gpu,replicas: 4},\n"; }, "]}}\n"),
      shape(
          "options", "tranche:\n  resources:\n",
          [=](int i) { return "  - name: nvidia.com/g" + number(i) + "\n    devices: [0]\n"; }, ""),
  };
}

TEST(LoadMemoryTest, TheHeapIsCounted) {
  const base::testing::HeapWatch heap;
  { const std::vector<char> block(1U << 20U); }
  EXPECT_GE(heap.Most(), 1U << 20U);
  EXPECT_LT(heap.Most(), 2U << 20U);
}

TEST(LoadMemoryTest, HeapIsBoundedByTheSizeOfTheText) {
  for (const Shape& shape : Shapes()) {
    for (const std::size_t bytes : {std::size_t{4096}, std::size_t{64U << 10U}, kMaxConfigBytes}) {
      const std::string text = shape.text(bytes);
      base::Status status;
      const std::size_t cost = Cost(text, status);
      EXPECT_LE(cost, kFloor + kHeapPerByte * text.size())
          << shape.name << " of " << text.size() << " bytes: " << status.message();
    }
  }
}

// 300 keys merged into each of many maps: far more entries than text.
TEST(LoadMemoryTest, MergesCountAsWhatTheyMake) {
  std::string text = "base: &b {";
  for (int i = 0; i < 300; ++i) text += std::to_string(i) + ": 1, ";
  text += "}\n";
  for (int i = 0; i < 3000; ++i) text += "m" + std::to_string(i) + ": {<<: *b}\n";
  base::Status status;
  EXPECT_LE(Cost(text, status), kFloor + kHeapPerByte * text.size());
  EXPECT_THAT(status.message(), HasSubstr("may have 10000 values"));
}

TEST(LoadMemoryTest, TooManyValuesAreRefusedEarlyWithTheirLine) {
  const std::string text = Many(
      "", [](int i) { return std::to_string(i) + ":\n"; }, "");
  base::Status status;
  Cost(text, status);
  EXPECT_THAT(status.message(),
              HasSubstr("f:43690:1: a text of 1048570 bytes may have 43690 values: "
                        "write fewer, or split the config into several profiles"));
}

TEST(LoadMemoryTest, TooMuchInOneBracketIsRefusedWithItsLine) {
  const std::string text =
      "version: v1\nx: [\n" + Many(
                                  "", [](int) { return "1,\n"; }, "]\n", 100'000);
  base::Status status;
  Cost(text, status);
  EXPECT_THAT(status.message(),
              HasSubstr("f:20002: more than 20000 commas, colons and brackets within "
                        "one bracket: write lines without brackets instead"));
}

// More than any config has: 2,000 resources, and a list of 3,000 devices in one line.
TEST(LoadMemoryTest, WhatPeopleWriteIsFarFromTheLimits) {
  std::string text = "version: v1\nsharing:\n  timeSlicing:\n    resources:\n";
  for (int i = 0; i < 2000; ++i) {
    text += "    - name: nvidia.com/gpu-" + std::to_string(i) + "\n      replicas: 4\n";
  }
  text += "    - name: nvidia.com/gpu\n      replicas: 2\n      devices: [";
  for (int i = 0; i < 3000; ++i) text += std::to_string(i) + ", ";
  text += "]\n";
  base::Status status;
  Cost(text, status);
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(LoadMemoryTest, OfVeryManyWarningsTheFirstAreKeptAndTheRestIsCounted) {
  std::string text = "version: v1\nsharing:\n  timeSlicing:\n    resources:\n";
  for (int i = 0; i < 1000; ++i) {
    text += "    - name: nvidia.com/gpu\n      replicas: 2\n      rename: gpu-" +
            std::to_string(i) + "\n      devices: [0]\n";
  }
  const auto loaded = LoadConfig(text, "f", {}, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ASSERT_EQ(loaded->warnings.size(), kMaxFindings + 1);
  EXPECT_THAT(loaded->warnings.back().message, HasSubstr(" more findings are left out"));
}

}  // namespace
}  // namespace tranche::config
