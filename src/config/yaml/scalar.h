// Determines what a YAML 1.1 scalar means to Go's yaml.v2 (which sigs.k8s.io/yaml uses), and how
// Go's encoding/json writes it back.
//
// Threading: plain functions, safe on any thread.
// Errors: ResolveScalar returns an error text, KeyText an empty optional; the others do not fail.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/yaml/node.h"

namespace tranche::config::yaml {

// Fills `node`'s kind and value from a scalar. `tag` is "" for a plain scalar, "!" for a quoted
// one, otherwise the full tag ("tag:yaml.org,2002:int"). Returns an error text, or nothing.
std::optional<std::string> ResolveScalar(std::string_view tag, std::string_view text, Node& node);

// A number as Go's encoding/json writes a float64: 4, 4.5, 1e+21.
std::string GoFloatText(double number);

// A map key as text: numbers and booleans become what sigs.k8s.io/yaml makes of them. Nothing for
// kinds that cannot be a key of a JSON object.
std::optional<std::string> KeyText(const Node& node);

// The node as Go's encoding/json writes it (sorted keys, no spaces, <>& escaped), cut after
// `max_bytes`: for error messages.
std::string CompactJson(const Node& node, std::size_t max_bytes = 1024);

}  // namespace tranche::config::yaml
