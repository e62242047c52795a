// Which GPUs the demo's pods were given replicas of.
//
// Threading: plain functions of values.
// Errors: none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gpu/device.h"
#include "sim/kubelet/kubelet.h"

namespace tranche::cli::node {

// How many pods are on each GPU, by its UUID.
using PodsByGpu = std::map<std::string, int>;

// Of those that run.
PodsByGpu FindPlaces(const gpu::Inventory& inventory, const std::vector<tranche::sim::Pod>& pods);
// "GPU 0: 2 pods, GPU 1: 2 pods"
std::string PlacesText(const gpu::Inventory& inventory, const PodsByGpu& places);
// Equally many on each GPU, give or take the one that cannot be divided.
bool AreEven(const PodsByGpu& places);

}  // namespace tranche::cli::node
