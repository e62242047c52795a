// Decoder decodes as Go's encoding/json does: it calls a wrong type by the same name, and reports
// the same one of several errors.
//
// Go keeps the first type error and goes on, but stops at once at an error of a type that decodes
// itself; the latter wins.
//
// Threading: one thread at a time. A Decoder is used for one text.
// Errors: failure() is the error that counts, with its place in the text.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "config/yaml/node.h"

namespace tranche::config {

using yaml::Failure;
using yaml::Mark;
using yaml::Node;

class Decoder {
 public:
  // A key of a struct and what to do with its value.
  struct Field {
    std::string_view name;
    std::function<void(const Node&)> decode;
  };
  // How Go calls a struct: "v1.Flags" and "Flags".
  struct Struct {
    std::string_view go_type;
    std::string_view go_name;
  };

  // Keys match without regard to case, an exact match first; null does nothing, and what matches
  // nothing is passed over.
  void DecodeStruct(const Node& node, const Struct& as, const std::vector<Field>& fields);

  // A type that decodes itself from a map: keys match exactly. False when `node` is no map (null
  // is an empty one) and the error is recorded.
  bool OpenMap(const Node& node);

  // null clears.
  void Bool(const Node& node, std::optional<bool>& out);
  void String(const Node& node, std::optional<std::string>& out);

  void TypeError(const Node& node, std::string_view go_type);  // kept if it is the first; goes on
  void StopWithTypeError(const Node& node, std::string_view go_type);
  void Stop(const Node& node, std::string message);
  [[nodiscard]] bool stopped() const { return stop_.has_value(); }
  [[nodiscard]] std::optional<Failure> failure() const { return stop_ ? stop_ : first_; }

 private:
  [[nodiscard]] std::string TypeErrorText(const Node& node, std::string_view go_type) const;

  std::vector<std::string_view> path_;  // keys down to here, for Go's error texts
  std::string_view struct_name_;
  std::optional<Failure> stop_;
  std::optional<Failure> first_;
};

// The value as an integer if Go would take it as one: an int, or a float that prints as digits.
std::optional<std::int64_t> GoInteger(const Node& node);

}  // namespace tranche::config
