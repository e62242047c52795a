#include "node/status/devices.h"

#include <utility>

namespace tranche::node::status {

std::vector<ShownDevice> ShownDevices(const gpu::Inventory& inventory, const sight::Sight& sight) {
  std::vector<ShownDevice> all;
  const auto add = [&](ShownDevice device) {
    const auto account = sight.accounts().find(device.uuid);
    if (account == sight.accounts().end()) return;
    device.account = &account->second;
    if (const auto usage = sight.usage().find(device.uuid); usage != sight.usage().end()) {
      device.usage = &usage->second;
    }
    all.push_back(std::move(device));
  };
  for (const gpu::Gpu& gpu : inventory.gpus) {
    const std::string index = std::to_string(gpu.index);
    add({.gpu = &gpu, .mig = nullptr, .uuid = gpu.uuid, .index = index, .cut = gpu.mig_enabled});
    for (const gpu::MigDevice& mig : gpu.mig_devices) {
      add({.gpu = &gpu,
           .mig = &mig,
           .uuid = mig.uuid,
           .index = index + ":" + std::to_string(mig.index)});
    }
  }
  return all;
}

}  // namespace tranche::node::status
