// Replica ids: "UUID::k" for the k-th share of a device, "UUID" for a whole one. They are made
// where the kubelet is told of devices, and read where it asks; all else counts replicas.
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

// A device with several replicas has the ids UUID::0 to UUID::(replicas-1); one with a single
// replica is not shared, and its UUID is its only id. IdOf is the k-th of them.
std::string IdOf(std::string_view device, int replicas, int k);
// Whether `id`, which is of the device, is one of them.
[[nodiscard]] constexpr bool IsAmongIds(const ReplicaId& id, int replicas) {
  return (id.replica < 0) == (replicas == 1) && id.replica < replicas;
}

// The devices behind `ids`, each once, in first-seen order.
std::vector<std::string> DevicesOf(const std::vector<std::string>& ids);

}  // namespace tranche::share
