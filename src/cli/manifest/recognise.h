// Tells what is meant as a sharing config from everything else that is written in YAML.
//
// Threading: pure; any thread.
// Errors: none.
#pragma once

#include <string>
#include <string_view>

#include "config/yaml/node.h"

namespace tranche::cli::manifest {

// A map that is meant as a config: one with a key that only a config has, or with one that is
// misspelt and holds what belongs below it, or `version: v1` without keys of anything else.
bool LooksLikeConfig(const config::yaml::Node& root);

// The same of a text; one that cannot be read is meant as a config if it begins like one.
bool TextLooksLikeConfig(const std::string& text);

// The config of another program, which has a version of the same form; "" if it is none.
std::string Stranger(const config::yaml::Node& root);

// Whether a text that cannot be read as YAML has to do with sharing GPUs at all.
bool MentionsSharing(std::string_view text);

}  // namespace tranche::cli::manifest
