// What a container runtime tells a createContainer hook: the state on its standard input, and the
// bundle's config.json. Only what the search for libraries needs is kept.
//
// Format: OCI runtime specification (runtime.md "State", config.md). Environment and paths are the
// image's and hostile.
//
// Threading: plain functions of values.
// Errors: what is missing or of another kind is empty; false where the text is not JSON.
#pragma once

#include <cstddef>
#include <string_view>

#include "hook/text.h"

namespace tranche::hook {

using Strings = List<std::string_view, 512>;

struct Birth {
  std::string_view id;
  std::string_view bundle;
  std::string_view root;          // of the container: absolute, or relative to the bundle
  std::string_view folder;        // in which its program starts
  std::string_view library_path;  // LD_LIBRARY_PATH of its program
  Strings mounts;                 // where something is mounted in it
  Strings cached;                 // folders that hooks tell ldconfig of
  Strings links;                  // symbolic links that hooks make
};

// Both change the text; the views in `birth` point into it.
bool ReadState(char* text, std::size_t size, Birth* birth);
bool ReadConfig(char* text, std::size_t size, Birth* birth);

}  // namespace tranche::hook
