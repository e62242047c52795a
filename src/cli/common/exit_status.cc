#include "cli/common/exit_status.h"

#include <algorithm>
#include <array>

#include "base/status.h"

namespace tranche::cli::common {

namespace {

constexpr auto kTexts = std::to_array<ExitStatusText>({
    {"tranche agent",
     "0 ended as told; 1 flags that make no sense, a driver that is required and absent, or no "
     "room for its threads (pids.max)"},
    {"tranche node", "0 ended as told; 1 flags that make no sense"},
    {"nvidia-device-plugin", "as `tranche agent`"},
    {"gpu-feature-discovery",
     "0 ended as told, or --oneshot and done; 1 flags or a config that make no sense, a driver "
     "that is required and absent at the start, or --oneshot and not done"},
    {"config-manager",
     "0 ended as told, or --oneshot and done; 1 flags that make no sense, no way to reach an API "
     "server, or --oneshot and not done"},
    {"mps-control-daemon", "0 for --help and --version; 1 else, as MPS is not supported"},
    {"tranche validate",
     "0 all valid; 1 a config is invalid; 2 not a sharing config, or unreadable"},
    {"tranche status", "0 ready and well; 1 degraded; 2 no agent, or unreadable"},
    {"tranche top",
     "0 ended as told, or printed once and all is well; 1 printed once, and something is degraded; "
     "2 no answer to print"},
    {"tranche cleanup", "0 done; 1 an agent runs, or something could not be removed"},
    {"tranche demo", "0 as told; 1 a step was not; 2 it could not be set up"},
    {"tranche completion", "0 done; 2 a shell that it does not know"},
    {"tranche reference", "0 done; 1 a page could not be written"},
    {"tranche sim (the node and its GPUs)", "0 done; 1 refused, or failed"},
    {"tranche sim (kubelet and pods)",
     "0 done; 1 the kubelet said no, or a pod was refused; 2 no kubelet there; 3 a pod has to wait "
     "(pod run), or the count did not come in time (wait)"},
    {"tranche sim workload",
     "0 done, which for leak, greedy and storm includes being refused memory; 1 no node or program "
     "there, another call failed, or a result was wrong; 2 called wrongly"},
    {"tranche sim driver", "0 ended as told; 1 it could not serve, or another serves the node"},
    {"tranche sim (what a driver has done)",
     "0 done; 1 it failed; 2 no driver has served the node"},
    {"kubectl tranche status",
     "0 all is well; 1 something is degraded; 2 no answer from the cluster"},
    {"kubectl tranche top",
     "0 all is well; 1 a node does not answer, or is degraded; 2 no answer from any node"},
    {"kubectl tranche pods",
     "0 all is well; 1 a node does not answer, or is degraded; 2 no answer from any node"},
    {"kubectl tranche validate",
     "0 all valid; 1 a config is invalid; 2 not a sharing config, or unreadable"},
    {"kubectl tranche profile",
     "0 in force; 1 labelled, but not in force (it says why); 2 not labelled, or nobody can tell"},
});

// Lines of at most 90 columns.
std::string Wrapped(std::string_view text) {
  constexpr std::size_t kWidth = 90;
  std::string out;
  while (text.size() > kWidth) {
    const std::size_t end = text.rfind(' ', kWidth);
    if (end == std::string_view::npos) break;
    out += std::string(text.substr(0, end)) + '\n';
    text.remove_prefix(end + 1);
  }
  return out + std::string(text) + '\n';
}

}  // namespace

std::span<const ExitStatusText> ExitStatuses() { return kTexts; }

std::string ExitStatus(std::string_view command) {
  const auto* found = std::ranges::find(kTexts, command, &ExitStatusText::command);
  TRANCHE_CHECK(found != kTexts.end());
  return Wrapped("Exit status: " + std::string(found->meaning) + ".");
}

}  // namespace tranche::cli::common
