// Defaults that several commands have to agree on: the flags of one program, and where other
// commands look for what that program serves or leaves.
//
// Threading: constants.
// Errors: none.
#pragma once

namespace tranche::cli::common {

// The label of a node that names its profile, as NVIDIA's GPU operator uses it.
inline constexpr char kProfileLabel[] = "nvidia.com/device-plugin.config";

// Where the programs listen: `tranche agent`, `tranche node`, and the page of the latter.
inline constexpr int kAgentPort = 9435;
inline constexpr int kNodePort = 9436;
inline constexpr int kPagePort = 9437;

// The kubelet's socket that says which pod holds which device.
inline constexpr char kPodResourcesSocket[] = "/var/lib/kubelet/pod-resources/kubelet.sock";

// Where `tranche agent` and `tranche node` write their status.json.
inline constexpr char kAgentRunDirectory[] = "/run/tranche";
inline constexpr char kNodeRunDirectory[] = "/run/tranche/node";

// The folder of the host from which pods get the shim, and where tranche-hook reports what came of
// each container (hook/report.h).
inline constexpr char kShimDirectory[] = "/var/lib/tranche/shim";
inline constexpr char kBirthsDirectory[] = "/run/tranche/births";

}  // namespace tranche::cli::common
