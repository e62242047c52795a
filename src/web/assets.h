// The files of the page, which are part of the program (src/web/assets).
//
// Threading: constants.
// Errors: none.
#pragma once

#include <span>
#include <string_view>

namespace tranche::web {

struct Asset {
  std::string_view path;  // "/page.js"
  std::string_view content_type;
  std::string_view bytes;
};

std::span<const Asset> Assets();

}  // namespace tranche::web
