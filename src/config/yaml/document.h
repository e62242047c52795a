// The text of a file's first YAML document, as the library has to get it: it knows fewer line
// breaks than YAML 1.1, takes what YAML does not allow, and reads on into the documents behind the
// first.
//
// Threading: plain functions, safe on any thread.
// Errors: a Failure with the line, in the words of upstream's library.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/yaml/node.h"

namespace tranche::config::yaml {

// `text` up to the marker that ends its first document, with every line break of YAML 1.1 (CR, CR
// LF, NEL, LS, PS) as LF. What is behind that document may be anything, as with upstream.
std::optional<Failure> FirstDocument(std::string_view text, std::string& out);

}  // namespace tranche::config::yaml
