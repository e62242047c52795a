#include "sim/driver/status.h"

#include <unistd.h>

#include <utility>

#include "base/time.h"

namespace tranche::sim::driver {

using base::Json;

Json DriverJson(const ServeOptions& options, const DriverClock& clock, Time now) {
  return Json::MakeObject({{"event", "driver"},
                           {"ns", now},
                           {"pid", static_cast<std::int64_t>(getpid())},
                           {"root", options.root},
                           {"time", base::Rfc3339Now()},
                           {"epoch_ns", clock.epoch_ns},
                           {"time_scale", clock.scale},
                           {"slice_ns", options.hardware.slice},
                           {"switch_cost_ns", options.hardware.switch_cost}});
}

Json StatusJson(const ServeOptions& options, const DriverClock& clock, const Machine& machine,
                const LogFile& file) {
  Json json = DriverJson(options, clock, clock.Now());
  json.Set("event", "status");
  Json devices = Json::MakeArray();
  for (const auto& device : machine.all_devices()) {
    if (!device->usable) continue;
    devices.Append(Json::MakeObject({{"slot", device->slot},
                                     {"gpu_instance", InstanceJson(device->gpu_instance)},
                                     {"memory_bytes", device->memory->capacity()},
                                     {"free_bytes", device->memory->Free()}}));
  }
  json.Set("devices", std::move(devices));
  json.Set("lateness", LatenessJson(machine.accounts().TotalLateness()));
  machine.accounts().Describe(&json);
  json.Set("log_lines_lost", file.lost());
  return json;
}

}  // namespace tranche::sim::driver
