// Every reason that an Event of ours may have, with what it means and what to do about it. The page
// docs/reference/events.md is made from this table.
//
// A reason is written as a literal, Reason("ConfigApplied"), and one that is not in the table does
// not compile.
//
// Threading: constants.
// Errors: none.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace tranche::daemon {

struct ReasonText {
  std::string_view name;
  std::string_view type;     // "Normal", "Warning", or both
  std::string_view program;  // who raises it
  std::string_view meaning;
  std::string_view advice;
};

inline constexpr auto kReasons = std::to_array<ReasonText>({
    {"AllocationRefused", "Warning", "the device plugin",
     "The kubelet asked for devices that the agent cannot hand out; the pod fails its admission. "
     "The message says why.",
     "Where the message names a device that is gone or unhealthy, let the pod's controller make a "
     "new pod. Where it says that a container may ask for one replica only, change the pod's "
     "request or `failRequestsGreaterThanOne`."},
    {"ConfigApplied", "Normal", "the device plugin",
     "The config that the message names has come into force.", "Nothing."},
    {"ConfigNotFound", "Warning", "config-manager",
     "The node's label, or the default, names a config that is not in the folder of configs. A "
     "link that was made before stays.",
     "Correct the label (`kubectl label node NODE nvidia.com/device-plugin.config=NAME "
     "--overwrite`), or add the config to the ConfigMap."},
    {"ConfigNotKnown", "Warning", "the device plugin",
     "The API server has not said in time which config is wanted. What is in force stays; a node "
     "that has nothing in force registers nothing.",
     "See that the API server can be reached from the node, and that the agent's account may read "
     "the node, the ConfigMap and the ClusterPolicy."},
    {"ConfigNotLinked", "Warning", "config-manager",
     "The link to the chosen config could not be made; it is tried again.",
     "See that the folder of `--config-file-dst` can be written to; the message has the cause."},
    {"ConfigNotReapplied", "Warning", "the device plugin",
     "The GPUs of the node have changed, and the config in force cannot be applied to them. What "
     "is served stays, but for devices that are gone or are others now: those are unhealthy.",
     "Change the config so that it suits the GPUs that are there: `tranche validate FILE` on the "
     "node says what is wrong."},
    {"ConfigRejected", "Warning", "the device plugin",
     "The config that is wanted cannot be used. What was in force stays.",
     "Correct the config; the message names the file, the line and the cause. `tranche validate "
     "FILE` checks it beforehand. It applies by itself once it is right."},
    {"ConfigRestored", "Normal", "the device plugin",
     "A config that had been refused is right again, and is in force.", "Nothing."},
    {"DeviceRecovered", "Normal", "the device plugin",
     "A GPU or MIG device that was unhealthy is advertised as healthy again.", "Nothing."},
    {"DeviceUnhealthy", "Warning", "the device plugin",
     "A GPU or MIG device is no longer healthy: its replicas get no new pods. The message has the "
     "cause: an XID, for example, or that the GPU was cut anew by MIG. Pods that run on it are "
     "left alone.",
     "Wait where the message says after how long it recovers. Else drain the node and reset the "
     "GPU (`nvidia-smi --gpu-reset`) or restart the node; NVIDIA's list of XIDs says what each "
     "means."},
    {"DriverNotReady", "Warning", "the device plugin",
     "The NVIDIA driver does not answer. Nothing is registered until it does; it is asked again "
     "and again.",
     "See with `nvidia-smi` on the node that the driver is loaded, and that "
     "`--driver-root-ctr-path` "
     "is where its root is mounted in the agent's pod."},
    {"DriverStuck", "Warning, or Normal once it is over", "the device plugin",
     "A call to the driver has not returned for 5 s or more. What is served stays, but nothing new "
     "is seen of the GPUs. An agent that starts with a driver like that serves nothing; it goes on "
     "asking.",
     "See whether `nvidia-smi` on the node hangs too, and what the kernel's log says (NVRM). "
     "Mostly only a restart of the node helps."},
    {"GpuLeftOut", "Warning, or Normal once it is over", "the device plugin",
     "The driver lists a GPU or MIG device, but fails to tell what is needed to advertise it. The "
     "others are advertised.",
     "The message has the call that failed, and what helps. The device is advertised as soon as "
     "the driver tells of it."},
    {"GpuNotGiven", "Warning", "`tranche node`",
     "Processes of a pod use a GPU that the kubelet has not given it, mostly by "
     "`NVIDIA_VISIBLE_DEVICES=all` or as a privileged pod.",
     "Where the pod is meant to see all GPUs (a monitor), nothing. Else let it request the GPU, "
     "and keep the runtime from obeying the variable "
     "(`accept-nvidia-visible-devices-envvar-when-unprivileged = false`)."},
    {"GpuPartlyKnown", "Warning", "the device plugin",
     "The driver fails to tell something about a GPU or itself that is not needed to advertise it. "
     "It costs a label or a detail, which the message names.",
     "The message has what helps: mostly `NVIDIA_MIG_MONITOR_DEVICES=all` with CAP_SYS_ADMIN, "
     "where a GPU is cut by MIG."},
    {"LabelUnknown", "Warning", "config-manager",
     "The API server has not told the node's label in time. The node gets the config of a node "
     "without the label until it does.",
     "See that the API server can be reached from the node, and that the account may read the "
     "node."},
    {"LabelsNotPublished", "Warning", "the device plugin",
     "The node's labels could not be brought out; it is tried again.",
     "See the message: mostly the account may not write the NodeFeature object or the node, or the "
     "folder of the features file cannot be written to."},
    {"LabelsPublished", "Normal", "the device plugin",
     "The node's labels are as they should be, after they could not be published.", "Nothing."},
    {"LastGoodConfig", "Normal or Warning", "the device plugin",
     "The last good config is in force: as a warning, because the one that is wanted cannot be "
     "used; else until it is known which one is wanted.",
     "For a warning see `ConfigRejected`."},
    {"LastGoodLost", "Warning", "the device plugin",
     "The file of the last good config was deleted or damaged while the agent ran. The agent "
     "writes it again.",
     "See who else writes to the folder `tranche` beside the plugin's sockets "
     "(`/var/lib/kubelet/device-plugins`), and that its disk is sound."},
    {"LastGoodNotSaved", "Warning", "the device plugin",
     "The config is in force, but could not be stored. A restart together with a bad config would "
     "leave the node without GPUs to offer.",
     "See that the folder of the plugin's sockets (`/var/lib/kubelet/device-plugins`) can be "
     "written to and has room; it is tried again."},
    {"LedgerMismatch", "Warning", "`tranche node`",
     "The driver shows more memory of a pod than the pod's own counters say: its programs allocate "
     "past the shim, or wrote over their counters. The wall of that pod does not hold.",
     "Look at what the pod runs. [walls.md](../walls.md) says what a wall does not stop."},
    {"MemoryLimitBelowUse", "Warning", "`tranche node`",
     "A pod's limit of GPU memory was lowered below what its programs have. They keep that, and "
     "are refused any more until they have freed enough.",
     "Nothing, where that is meant; else raise the annotation `tranche.dev/gpu-memory` again."},
    {"MemoryLimitChanged", "Normal", "`tranche node`",
     "A pod has another limit of GPU memory, as its annotation `tranche.dev/gpu-memory` asks. The "
     "message has the old and the new one.",
     "Nothing."},
    {"MemoryLimitInvalid", "Warning", "`tranche node`",
     "What the annotation of a pod asks for cannot be used: it is no quantity and no percent, or "
     "it is for a single container, which is not supported yet. The limit stays as it is.",
     "Write a quantity (`10Gi`) or a percent of the device (`25%`) into `tranche.dev/gpu-memory`."},
    {"MemoryLimitReduced", "Warning", "`tranche node`",
     "A pod was given less GPU memory than the profile says, because the rest of the GPU is "
     "granted to pods that were there before.",
     "Nothing, where that is meant; else lower `tranche.memory.limit`, or the number of replicas."},
    {"MemoryLimitRefused", "Warning", "`tranche node`",
     "The annotation of a pod asks for more GPU memory than the profile allows, or than other pods "
     "leave. The message says which, and what the limit is. What others leave later, the pod gets "
     "then.",
     "Ask for less, raise `tranche.memory.max` in the profile, or wait until other pods end."},
    {"NoHttp", "Warning", "the device plugin, `tranche node`",
     "Nothing listens for `/metrics`, `/livez` and `/readyz`: the address is taken. It is tried "
     "again.",
     "Wait while one agent takes over from another. Else find who holds the port, or choose "
     "another by `--listen`."},
    {"NoPage", "Warning", "`tranche node`",
     "The address of the page is taken, so it cannot be looked at; it is tried again. Metrics and "
     "all else are served.",
     "See who listens there, or choose another address with `--page-listen`; empty for none."},
    {"NoUsableGpu", "Warning, or Normal once it is over", "the device plugin",
     "The driver answers, but lists no GPU, or none that can be used. Nothing is registered.",
     "See with `nvidia-smi -L` on the node what there is; `GpuLeftOut` says of each GPU why it "
     "cannot be used. A GPU that comes is noticed."},
    {"PodUnwalled", "Warning", "`tranche node`",
     "A pod has a limit of GPU memory that is enforced, and a program of it is on the GPU without "
     "keeping to it. The message says why.",
     "[walls.md](../walls.md#pods-without-a-wall) says for each reason what to do. A pod that was "
     "made before walls were asked for has its wall once it is made anew."},
    {"SharedWithEarlierPods", "Warning", "the device plugin",
     "A pod was given a GPU on which pods still run that were admitted under an earlier config. "
     "More pods share it than the config says, until those have ended.",
     "Nothing, or end the earlier pods. `tranche.resources[].drainBeforeExclusive` offers a whole "
     "GPU only once they are gone."},
    {"TakingOver", "Normal", "the device plugin",
     "Another agent serves this node, and this one takes its place.",
     "Nothing while a DaemonSet is rolled. Else remove the plugin that is not wanted; the message "
     "names it."},
    {"TookOver", "Normal", "the device plugin",
     "The agent that served this node before has gone, and this one is the only one.", "Nothing."},
    {"WallsNotInstalled", "Warning, or Normal once it is over", "the device plugin, `tranche node`",
     "The config asks for memory walls (`memory: {mode: enforce}`), and new pods get none: nothing "
     "on the node publishes the library that keeps to them, or it cannot be published. Pods run as "
     "they would without a wall.",
     "Where `tranche-node` is not installed with `node.walls=true`, install it so; else see the "
     "message, and `tranche node`'s status and log."},
    {"Yielded", "Normal", "the device plugin",
     "A newer agent serves this node, and this one stands by.", "As for `TakingOver`."},
});

// Its place in kReasons; kReasons.size() where it has none. (Not a pointer: g++ 12 refuses to
// compare one in a constant expression under -fsanitize=undefined, https://gcc.gnu.org/PR71962.)
constexpr std::size_t FindReason(std::string_view name) {
  std::size_t place = 0;
  while (place < kReasons.size() && kReasons[place].name != name) ++place;
  return place;
}

class Reason {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): call sites read raise(type, "ConfigApplied", …).
  consteval Reason(const char* name) : place_(FindReason(name)) {
    if (place_ == kReasons.size()) NotInTheTable();
  }

  [[nodiscard]] constexpr std::string_view name() const { return kReasons[place_].name; }
  // NOLINTNEXTLINE(google-explicit-constructor): where it is only shown, a reason is its name.
  operator std::string() const { return std::string(name()); }

 private:
  // Not constexpr: a constructor that comes here is no constant, and does not compile.
  static void NotInTheTable() {}

  std::size_t place_;
};

}  // namespace tranche::daemon
