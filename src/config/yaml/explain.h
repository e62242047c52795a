// Says why a text cannot be read as YAML: the library's words, or what people do that leads to
// them.
//
// Threading: a plain function, safe on any thread.
// Errors: none; what is wrong is the answer.
#pragma once

#include <string_view>

#include "config/yaml/diagnostic.h"
#include "config/yaml/node.h"

namespace tranche::config::yaml {

// True where the text has a placeholder of a template engine, `{{ … }}`, that nobody filled in.
bool IsTemplate(std::string_view text);
inline constexpr std::string_view kFillTemplate =
    "fill the template in first, as `helm template` does";

// `failure` is what ParseYaml said of the text.
Diagnostic ExplainYaml(std::string_view text, const Failure& failure);

}  // namespace tranche::config::yaml
