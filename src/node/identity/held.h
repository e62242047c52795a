// Which GPUs and MIG devices the kubelet has given to whom, and how many shares each has, from its
// pod-resources socket.
//
// An id there is what a device plugin calls a device: its UUID or its index ("0", "0:1"), and for a
// shared one "::" and the number of the replica. What is no GPU of this node is left out.
//
// Threading: plain functions.
// Errors: none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gpu/device.h"
#include "kubelet/pod_resources.h"

namespace tranche::node::identity {

struct Held {
  std::string pod_namespace;
  std::string pod;
  std::string container;
  std::string device;  // UUID of the GPU or MIG device
  int replicas = 0;    // how many of its ids the container holds
  int of_pod = 0;      // and all containers of the pod together
  // By which the kubelet names the pod's group. The kubelet does not tell it: WithUids fills it in.
  std::string pod_uid;
  friend bool operator==(const Held&, const Held&) = default;
};

// Each container and device once, in no order that means anything.
std::vector<Held> HeldDevices(const std::vector<kubelet::Holding>& holdings,
                              const gpu::Inventory& inventory);

// The shares of a device.
struct Shares {
  std::string resource;  // under which the kubelet gives most of them
  int advertised = 0;    // those that it can give: of an unhealthy device none
  int held = 0;          // also of an unhealthy device
  int free = 0;          // advertised, and not held
  bool shared = false;   // its ids are those of replicas
  friend bool operator==(const Shares&, const Shares&) = default;
};

// By the device's UUID; a device that the kubelet has never heard of has none.
std::map<std::string, Shares> SharesOf(const std::vector<kubelet::Offer>& offers,
                                       const std::vector<kubelet::Holding>& holdings,
                                       const gpu::Inventory& inventory);

}  // namespace tranche::node::identity
