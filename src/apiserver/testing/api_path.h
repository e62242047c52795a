// What the paths and queries of the API server's requests say, for its stand-in.
#pragma once

#include <string>
#include <string_view>

namespace tranche::apiserver::testing {

// A path taken apart: /api/v1 or /apis/GROUP/VERSION, maybe namespaces/NAME, then a resource, maybe
// a name and a subresource (which here is the object itself).
struct ApiPath {
  std::string prefix;      // "/api/v1"
  std::string space;       // namespace
  std::string resource;    // "configmaps"
  std::string name;        // "": the collection
  std::string collection;  // "/api/v1/namespaces/x/configmaps"

  [[nodiscard]] std::string Path() const { return collection + "/" + name; }

  static ApiPath Of(std::string_view path);
  // Is an object at `path` in this collection? One without a namespace holds those of all.
  [[nodiscard]] bool Holds(const std::string& path) const;
};

// Of "a=b&c=d", unescaped; "" where there is none.
std::string QueryValue(const std::string& query, std::string_view key);

// Whether `path` is `prefix` or lies below it.
bool IsBelow(std::string_view path, std::string_view prefix);

}  // namespace tranche::apiserver::testing
