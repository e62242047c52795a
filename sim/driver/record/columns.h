// How reports on a driver write numbers and names, and tables of them.
//
// Threading: plain functions.
// Errors: none.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tranche::sim::driver {

std::string Milliseconds(std::int64_t ns);
std::string Mebibytes(std::int64_t bytes);
// "4711 (trainer)".
std::string NameOf(std::int64_t pid, const std::string& name);

// Where a process had contexts: slots and GPU instances, the whole GPU first.
using Places = std::set<std::pair<std::int64_t, std::optional<std::int64_t>>>;
std::string PlacesText(const Places& places);  // "0:gi1,2"

// The first row is the head. The first column is aligned on the left, the others on the right.
std::string Table(const std::vector<std::vector<std::string>>& rows);

}  // namespace tranche::sim::driver
