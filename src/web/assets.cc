#include "web/assets.h"

#include <array>

namespace tranche::web {

// Each is made by CMake of the file whose name it has (embed.cmake).
extern const std::string_view kIndexHtml;
extern const std::string_view kPageCss;
extern const std::string_view kPageJs;
extern const std::string_view kChartJs;
extern const std::string_view kFeedJs;
extern const std::string_view kGpuJs;
extern const std::string_view kPartsJs;
extern const std::string_view kTextJs;
extern const std::string_view kIconSvg;

std::span<const Asset> Assets() {
  static constexpr std::size_t kFiles = 9;
  static const std::array<Asset, kFiles> assets = {{
      {"/", "text/html; charset=utf-8", kIndexHtml},
      {"/page.css", "text/css; charset=utf-8", kPageCss},
      {"/page.js", "text/javascript; charset=utf-8", kPageJs},
      {"/chart.js", "text/javascript; charset=utf-8", kChartJs},
      {"/feed.js", "text/javascript; charset=utf-8", kFeedJs},
      {"/gpu.js", "text/javascript; charset=utf-8", kGpuJs},
      {"/parts.js", "text/javascript; charset=utf-8", kPartsJs},
      {"/text.js", "text/javascript; charset=utf-8", kTextJs},
      {"/icon.svg", "image/svg+xml", kIconSvg},
  }};
  return assets;
}

}  // namespace tranche::web
