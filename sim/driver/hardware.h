// Devices are the units of the simulated node that compute: its GPUs, or the GPU instances of those
// that MIG has cut, with the memory of each. They follow the node's state.
//
// Threading: one thread.
// Errors: what the state does not have, or has lost, is not found.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/engine/engine.h"
#include "sim/engine/hardware.h"
#include "sim/engine/memory.h"
#include "sim/node/state_reader.h"

namespace tranche::sim::driver {

struct Device {
  unsigned slot = 0;
  std::uint32_t gpu_instance = kWholeGpu;
  std::string identity;  // another one in the same place has another
  engine::UnitId unit = 0;
  std::unique_ptr<engine::DeviceMemory> memory;
  engine::Chip chip;
  std::uint64_t link_rate = 0;  // bytes a second
  std::uint64_t memory_rate = 0;
  std::uint64_t others = 0;  // bytes that are not our clients'
  bool usable = true;        // not lost, not taken out, not cut anew

  [[nodiscard]] std::uint64_t ContextBytes() const;
  [[nodiscard]] engine::Time HostCopyTime(std::uint64_t bytes) const;
  [[nodiscard]] engine::Time DeviceCopyTime(std::uint64_t bytes) const;  // reads and writes
  [[nodiscard]] engine::Time FillTime(std::uint64_t bytes) const;
};

class Devices {
 public:
  Devices(engine::Engine& engine, const engine::Hardware& hardware)
      : engine_(engine), hardware_(hardware) {}

  // Brings devices in step with the node. `on_gone` is told of each that is not usable any longer;
  // it stays as it is for the contexts that it has.
  void Follow(const NodeSnapshot& node, const std::function<void(Device&)>& on_gone);

  // nullptr: no such device, or not one that can be used. A GPU that MIG has cut is found by its
  // instances only.
  [[nodiscard]] Device* Find(std::uint32_t slot, std::uint32_t gpu_instance);
  [[nodiscard]] Device* OfUnit(engine::UnitId unit);
  [[nodiscard]] std::uint32_t ErrorOf(unsigned slot) const;  // for link::Page::device_error
  [[nodiscard]] const std::vector<std::unique_ptr<Device>>& all() const { return devices_; }

 private:
  void Add(Device device);
  static void Occupy(Device& device, std::uint64_t bytes);

  engine::Engine& engine_;
  engine::Hardware hardware_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::uint32_t> errors_;  // by slot
};

}  // namespace tranche::sim::driver
