#include <csignal>
#include <memory>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/sim/kubelet.h"
#include "rpc/unix_socket.h"
#include "sim/kubelet/control.h"
#include "sim/kubelet/kubelet.h"

namespace tranche::cli::sim {
namespace {

using base::Status;

Status RefuseWhereAKubeletServes(const SimKubeletOptions& options) {
  const std::string socket = base::JoinPath(options.directory, "kubelet.sock");
  if (options.force || !rpc::ConnectToUnixSocket(socket).ok()) return Status::Ok();
  return {base::Code::kFailedPrecondition,
          "a kubelet serves " + socket + "; --force takes its place"};
}

void Log(const tranche::sim::Event& event) {
  base::LogInfo(event.kind,
                {base::Kv("resource", event.resource), base::Kv("endpoint", event.endpoint),
                 base::Kv("total", event.total), base::Kv("healthy", event.healthy),
                 base::Kv("pod", event.pod), base::Kv("detail", event.detail)});
}

// Deletes every pod, then stops the loop.
void EndPods(base::EventLoop& loop, tranche::sim::Kubelet& kubelet) {
  const std::vector<tranche::sim::Pod> pods = kubelet.Pods();
  if (pods.empty()) return loop.Stop();
  auto left = std::make_shared<std::size_t>(pods.size());
  for (const tranche::sim::Pod& pod : pods) {
    kubelet.DeletePod(pod.spec.name, [&loop, left](const Status&) {
      if (--*left == 0) loop.Stop();
    });
  }
}

}  // namespace

Status ServeSimKubelet(const SimKubeletOptions& options) {
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) return loop.status();
  base::EventLoop& running = **loop;
  tranche::sim::Kubelet* serving = nullptr;
  auto signals = base::WatchSignals(running, {SIGTERM, SIGINT}, [&](int) {
    if (options.end_pods && serving != nullptr)
      return EndPods(running, *std::exchange(serving, nullptr));
    running.Stop();
  });
  if (!signals.ok()) return signals.status();
  TRANCHE_TRY(RefuseWhereAKubeletServes(options));
  TRANCHE_TRY(base::MakeDirectories(base::ParentDirectory(options.control)));
  auto control = tranche::sim::ControlServer::Start(running, options.control);
  if (!control.ok()) return control.status();
  auto kubelet =
      tranche::sim::Kubelet::Start(running, {.plugin_directory = options.directory,
                                             .state_directory = options.state,
                                             .pod_resources_socket = options.pod_resources,
                                             .on_event = [&](const tranche::sim::Event& event) {
                                               Log(event);
                                               (*control)->OnEvent(event);
                                             }});
  if (!kubelet.ok()) return kubelet.status();
  serving = kubelet->get();
  (*control)->SetKubelet(*serving);
  running.Run();
  return Status::Ok();
}

}  // namespace tranche::cli::sim
