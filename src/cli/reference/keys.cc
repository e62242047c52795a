#include "cli/reference/keys.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/status.h"
#include "config/load.h"
#include "config/to_json.h"

namespace tranche::cli::reference {

namespace {

constexpr auto kKeys = std::to_array<KeyText>({
    {"version", "text", "`v1`", "", "Version of the format; `v1` is the only one."},
    {"flags", "map", "", "", "What the flags of the programs say too."},
    {"flags.migStrategy", "`none`, `single` or `mixed`", "", "mig-strategy",
     "How MIG devices are advertised."},
    {"flags.failOnInitError", "bool", "", "fail-on-init-error",
     "Exit when there is no working driver; `false`: wait for one."},
    {"flags.mpsRoot", "text", "", "mps-root", "Accepted; MPS is not supported."},
    {"flags.nvidiaDriverRoot", "path", "", "driver-root",
     "Where the driver is installed on the host."},
    {"flags.nvidiaDevRoot", "path", "the driver root", "dev-root",
     "The host directory whose `/dev` holds the device nodes."},
    {"flags.gdrcopyEnabled", "bool", "", "gdrcopy-enabled", "Give containers GDRCopy."},
    {"flags.gdsEnabled", "bool", "", "gds-enabled", "Give containers GPUDirect Storage."},
    {"flags.mofedEnabled", "bool", "", "mofed-enabled", "Give containers the InfiniBand devices."},
    {"flags.useNodeFeatureAPI", "bool", "`true`", "use-node-feature-api",
     "gpu-feature-discovery publishes labels through the NodeFeature object; `false`: it writes "
     "`gfd.outputFile`."},
    {"flags.deviceDiscoveryStrategy", "`auto` or `nvml`", "", "device-discovery-strategy",
     "How devices are found."},
    {"flags.plugin", "map", "", "", "Of the device plugin."},
    {"flags.plugin.passDeviceSpecs", "bool", "", "pass-device-specs",
     "Name the device nodes in each answer to the kubelet."},
    {"flags.plugin.deviceListStrategy",
     "`envvar`, `volume-mounts`, `cdi-annotations`, `cdi-cri`, or a list of them", "",
     "device-list-strategy", "How a container is told its devices."},
    {"flags.plugin.deviceIDStrategy", "`uuid` or `index`", "", "device-id-strategy",
     "How a container is told which devices are its own."},
    {"flags.plugin.cdiAnnotationPrefix", "text", "", "cdi-annotation-prefix",
     "What the keys of CDI annotations start with."},
    {"flags.plugin.nvidiaCTKPath", "path", "", "nvidia-cdi-hook-path",
     "The hook program that the CDI spec names, a path on the host."},
    {"flags.plugin.containerDriverRoot", "path", "", "driver-root-ctr-path",
     "Where the driver root is mounted for the program; where that does not exist, `/`."},
    {"flags.plugin.sharedDevicesAllocationPolicy", "`distributed` or `packed`", "",
     "shared-devices-allocation-policy", "Which replicas are preferred."},
    {"flags.gfd", "map", "", "", "Of gpu-feature-discovery and `tranche agent --labels`."},
    {"flags.gfd.oneshot", "bool", "", "oneshot", "Label once and exit."},
    {"flags.gfd.noTimestamp", "bool", "", "no-timestamp",
     "Leave the label `nvidia.com/gfd.timestamp` out."},
    {"flags.gfd.sleepInterval", "duration, or `infinite`", "", "sleep-interval",
     "The longest time between two looks at the node; `infinite`: look when something happens."},
    {"flags.gfd.outputFile", "path", "", "output-file",
     "Where labels are written without the NodeFeature API; empty: standard output."},
    {"flags.gfd.machineTypeFile", "path", "", "machine-type-file",
     "The file that names the machine's type."},
    {"resources", "map", "", "", "Accepted and not honoured, as upstream does, with a warning."},
    {"resources.gpus", "list", "", "", "As above: `pattern` and `name` of each rule."},
    {"resources.mig", "list", "", "", "As above."},
    {"sharing", "map", "", "", "Which GPUs pods share."},
    {"sharing.timeSlicing", "map", "not shared", "", "Sharing by time."},
    {"sharing.timeSlicing.renameByDefault", "bool", "", "",
     "Shared resources get `.shared` at the end of their name."},
    {"sharing.timeSlicing.failRequestsGreaterThanOne", "bool", "", "",
     "Refuse a container that asks for more than one replica."},
    {"sharing.timeSlicing.resources", "list of maps", "required", "", "The resources to share."},
    {"sharing.timeSlicing.resources[].name", "resource name", "required", "",
     "`nvidia.com/gpu`, or `gpu` for short."},
    {"sharing.timeSlicing.resources[].replicas", "whole number from 1 to 1000000", "required", "",
     "How many replicas each device becomes; 1 means not shared."},
    {"sharing.timeSlicing.resources[].rename", "resource name", "", "",
     "Accepted and not honoured, as upstream does, with a warning; `tranche.resources[].rename` "
     "is."},
    {"sharing.timeSlicing.resources[].devices", "`all`, a number or a list", "`all`", "",
     "Accepted and not honoured, as upstream does, with a warning; `tranche.resources[].devices` "
     "is."},
    {"sharing.mps", "refused", "", "", "Parsed as upstream does, and refused: not supported."},
    {"imex", "map", "", "", "IMEX channels."},
    {"imex.channelIDs", "`[]` or `[0]`", "", "imex-channel-ids", "Channels to inject."},
    {"imex.required", "bool", "", "imex-required", "Fail where the channels are absent."},
    {"tranche", "map", "", "", "Our own settings, which upstream ignores."},
    {"tranche.resources", "list of maps", "", "",
     "More about resources of `sharing.timeSlicing.resources`."},
    {"tranche.resources[].name", "resource name", "required", "",
     "As in `sharing.timeSlicing.resources`."},
    {"tranche.resources[].devices", "`all`, or a list of GPU indices, MIG indices (`0:1`), UUIDs",
     "`all`", "", "Only these devices are shared; the others stay whole."},
    {"tranche.resources[].rename", "resource name", "the name", "",
     "What the shared ones are called."},
    {"tranche.resources[].replicasPerDevice", "map of device to whole number",
     "`replicas` for each", "",
     "Another number of replicas for single devices; 1 means not shared."},
    {"tranche.resources[].allocationPolicy", "`distributed`, `packed` or `spread`",
     "`flags.plugin.sharedDevicesAllocationPolicy`", "",
     "Which replicas are preferred. `spread` gives one pod two replicas of a GPU only where no "
     "other GPU has a free one."},
    {"tranche.resources[].drainBeforeExclusive", "bool", "`false`", "",
     "Offer a whole GPU only once the pods that hold its replicas are gone."},
    {"tranche.resources[].memory", "map", "`tranche.memory`", "",
     "Limits of memory of these devices alone, in place of `tranche.memory`. An entry that names a "
     "whole GPU is the only thing that gives it a limit."},
    {"tranche.resources[].memory.mode", "`off`, `observe` or `enforce`", "`observe`", "",
     "As `tranche.memory.mode`."},
    {"tranche.resources[].memory.limit", "quantity or percent",
     "(device memory - reserve) / replicas", "", "As `tranche.memory.limit`."},
    {"tranche.resources[].memory.max", "quantity or percent", "`limit`", "",
     "As `tranche.memory.max`."},
    {"tranche.resources[].memory.reserve", "quantity or percent", "`512Mi`", "",
     "As `tranche.memory.reserve`."},
    {"tranche.resources[].memory.arbiterAway", "`open` or `closed`", "`open`", "",
     "As `tranche.memory.arbiterAway`."},
    {"tranche.health", "map", "", "", "When a GPU that was unhealthy is healthy again."},
    {"tranche.health.recovery", "`auto`, `reset` or `never`", "", "",
     "`auto`: after a quiet period or a reset, by class of error; `reset`: only after a reset; "
     "`never`: only by the signal USR1."},
    {"tranche.health.quietPeriod", "duration above zero", "", "",
     "How long no further error may come; doubled at each repeat."},
    {"tranche.memory", "map", "absent", "",
     "Limits of memory for pods on devices that are shared ([walls.md](../walls.md)); without the "
     "key it is observed. Enforced where `tranche node` runs with walls."},
    {"tranche.memory.mode", "`off`, `observe` or `enforce`", "", "", "What the limits do."},
    {"tranche.memory.limit", "quantity or percent", "(device memory - reserve) / replicas", "",
     "What a pod may have for each replica that it holds, by device; not more than `max`. A "
     "percent is of the whole device."},
    {"tranche.memory.max", "quantity or percent", "`limit`", "",
     "The most that a pod may ask for by the annotation `tranche.dev/gpu-memory`, for each replica "
     "that it holds. Without it an annotation can only lower a limit."},
    {"tranche.memory.reserve", "quantity or percent", "`512Mi`", "",
     "What no pod gets of a device."},
    {"tranche.memory.arbiterAway", "`open` or `closed`", "", "",
     "Whether pods may go on when nobody arbitrates."},
    {"tranche.time", "map", "absent", "",
     "Shares of time. Checked, but nothing enforces them yet."},
    {"tranche.time.mode", "`off`, `observe` or `enforce`", "", "", "What the shares do."},
    {"tranche.time.weight", "whole number from 1 to 10000", "", "",
     "A pod's weight against another's."},
    {"tranche.time.maxWeight", "whole number from 1 to 10000", "`weight`", "",
     "The most that a pod may ask for."},
    {"tranche.time.min", "percent", "", "", "The share that a pod gets at least."},
    {"tranche.time.max", "percent", "", "", "The share that a pod gets at most."},
    {"tranche.time.class", "name", "", "", "The class of a pod that names none; one of `classes`."},
    {"tranche.time.classes", "list of 1 to 16 names", "", "", "The classes that there are."},
});

// The config of a file that says nothing, with what is optional in it.
const base::Json& Defaults() {
  static const base::Json defaults = [] {
    const auto loaded = config::LoadConfig("tranche: {memory: {}, time: {}}", "", {}, {});
    TRANCHE_CHECK(loaded.ok());
    return config::ToJson(loaded->config);
  }();
  return defaults;
}

}  // namespace

std::span<const KeyText> KeyTexts() { return kKeys; }

std::string DefaultOf(const KeyText& key) {
  if (!key.default_words.empty()) return std::string(key.default_words);
  if (key.type == "map") return "";
  const base::Json* value = &Defaults();
  std::string_view path = key.path;
  while (value != nullptr && !path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    value = value->Find(path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? value->as_string() : value->Dump();
}

}  // namespace tranche::cli::reference
