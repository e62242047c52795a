// Replica ids are "UUID::k" for the k-th share of a device, and "UUID" for a whole one.
//
// The form is upstream's and is what kubelets have in their checkpoints.
//
// Threading: plain functions, safe on any thread.
// Errors: none; what is not a replica's id counts as the id of a whole device.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tranche::share {

struct ReplicaId {
  std::string_view device;  // the UUID
  int replica = -1;         // -1: not a replica
};

// Splits at the last "::" that is followed by digits only; anything else is a whole device's id.
ReplicaId ParseReplicaId(std::string_view id);
std::string MakeReplicaId(std::string_view device, int replica);
[[nodiscard]] bool IsReplicaId(std::string_view id);  // upstream's test: contains "::"

// The devices behind `ids`, each once, in first-seen order.
std::vector<std::string> DevicesOf(const std::vector<std::string>& ids);

}  // namespace tranche::share
