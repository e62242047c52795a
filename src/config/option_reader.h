// OptionReader reads the values of the `tranche:` key with strict types and our own error texts.
//
// Threading: one thread at a time. An OptionReader is used for one key.
// Errors: each one becomes a finding, with path and line, and reading goes on; the value that was
// returned for it means nothing.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/load.h"
#include "config/yaml/node.h"

namespace tranche::config {

using yaml::Node;

// As upstream's `devices` list takes them, and nothing longer than a UUID can be.
bool IsOptionDevice(std::string_view text);

class OptionReader {
 public:
  struct Option {
    std::string_view key;
    std::function<void(const Node&)> read;
  };

  OptionReader(std::string path, std::vector<Diagnostic>& findings)
      : path_{std::move(path)}, findings_(findings) {}

  // Reads the keys of a map; null is an empty map, and a key whose value is null is left out.
  void Map(const Node& node, const std::vector<Option>& options);

  // One of the words. YAML 1.1 reads a bare `off` as false: that is the word all the same.
  template <class E, std::size_t N>
  E Word(const Node& node, const std::array<std::pair<std::string_view, E>, N>& words) {
    std::vector<std::string> known;
    const std::string text = WordText(node);
    for (const auto& [word, value] : words) {
      if (word == text) return value;
      known.emplace_back(word);
    }
    FailWord(node, text, known);
    return words.front().second;
  }

  bool Bool(const Node& node);
  std::int64_t Integer(const Node& node, std::int64_t least, std::int64_t most);
  std::string Name(const Node& node);          // [a-z0-9-], up to 63
  std::string ResourceName(const Node& node);  // fully qualified
  std::string Device(const Node& node);
  std::chrono::nanoseconds Period(const Node& node);  // a duration above zero
  MemoryAmount Memory(const Node& node);              // a quantity or a percent
  Milli Percent(const Node& node);

  void Fail(const Node& node, const std::string& message, const std::string& instead = "");
  [[nodiscard]] int errors() const { return errors_; }

 private:
  void Find(Diagnostic one);
  static std::string WordText(const Node& node);
  void FailWord(const Node& node, const std::string& text, const std::vector<std::string>& known);

  std::vector<std::string> path_;
  std::vector<Diagnostic>& findings_;
  int errors_ = 0;
};

}  // namespace tranche::config
