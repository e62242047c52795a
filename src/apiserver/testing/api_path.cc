#include "apiserver/testing/api_path.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace tranche::apiserver::testing {

namespace {

std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const std::string hex(text.substr(i + 1, 2));
      out += static_cast<char>(std::strtol(hex.c_str(), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t at = text.find(separator);
    if (at != 0) parts.push_back(Unescape(text.substr(0, at)));
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + 1);
  }
  return parts;
}

}  // namespace

ApiPath ApiPath::Of(std::string_view path) {
  const std::vector<std::string> parts = Split(path, '/');
  ApiPath place;
  std::size_t at = 0;
  const std::size_t head = !parts.empty() && parts[0] == "apis" ? 3 : 2;
  for (; at < std::min(head, parts.size()); ++at) place.prefix += "/" + parts[at];
  place.collection = place.prefix;
  if (parts.size() > at + 2 && parts[at] == "namespaces") {
    place.space = parts[at + 1];
    place.collection += "/namespaces/" + place.space;
    at += 2;
  }
  if (at < parts.size()) place.resource = parts[at++];
  place.collection += "/" + place.resource;
  if (at < parts.size()) place.name = parts[at];
  return place;
}

bool ApiPath::Holds(const std::string& path) const {
  const ApiPath other = Of(path);
  return !other.name.empty() && other.prefix == prefix && other.resource == resource &&
         (space.empty() || other.space == space);
}

std::string QueryValue(const std::string& query, std::string_view key) {
  for (const std::string& part : Split(query, '&')) {
    if (part.starts_with(key) && part.size() > key.size() && part[key.size()] == '=') {
      return part.substr(key.size() + 1);
    }
  }
  return {};
}

bool IsBelow(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) &&
         (path.size() == prefix.size() || path[prefix.size()] == '/' || prefix.ends_with('/'));
}

}  // namespace tranche::apiserver::testing
