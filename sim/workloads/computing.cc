#include "sim/workloads/computing.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "sim/workloads/launch_queue.h"

namespace tranche::sim::workloads {
namespace {

using Queues = std::vector<std::unique_ptr<LaunchQueue>>;

bool OpenQueues(Session& session, Queues& queues) {
  for (unsigned i = 0; i < session.settings().streams; ++i) {
    queues.push_back(std::make_unique<LaunchQueue>(session));
    if (!queues.back()->Open()) return false;
  }
  return true;
}

// A burst, its end, a time to think, and again.
void Serve(Session& session, cuda::Stream stream, const std::function<bool()>& burst) {
  const DriverClock& clock = session.clock();
  std::int64_t next = session.begin();
  while (session.Meet(next)) {
    const std::int64_t start = clock.Now();
    if (!burst() || !session.Do(session.cuda().cuStreamSynchronize(stream), "cuStreamSynchronize"))
      return;
    const std::int64_t end = clock.Now();
    Outcome& outcome = session.outcome();
    AddLatency(outcome, end - start, session.draws().Any());
    ++outcome.requests;
    outcome.done = outcome.launched;
    next = end + session.draws().Exponential(session.settings().think_ns);
  }
}

// A chain of kernels as one graph.
bool MakeGraph(Session& session, cuda::GraphExec& executable) {
  const CudaLibrary& cuda = session.cuda();
  cuda::Graph graph = nullptr;
  if (!session.Do(cuda.cuGraphCreate(&graph, 0), "cuGraphCreate")) return false;
  cuda::GraphNode last = nullptr;
  for (unsigned i = 0; i < session.settings().burst; ++i) {
    auto nanoseconds = static_cast<std::uint64_t>(session.DrawKernel());
    void* parameters[] = {&nanoseconds};
    cuda::KernelNodeParamsV1 kernel{};
    kernel.function = session.kernels().spin;
    kernel.grid_x = kernel.grid_y = kernel.grid_z = 1;
    kernel.block_x = kernel.block_y = kernel.block_z = 1;
    kernel.parameters = parameters;
    cuda::GraphNode node = nullptr;
    if (!session.Do(cuda.cuGraphAddKernelNode(&node, graph, i == 0 ? nullptr : &last,
                                              i == 0 ? 0 : 1, &kernel),
                    "cuGraphAddKernelNode")) {
      return false;
    }
    last = node;
  }
  return session.Do(cuda.cuGraphInstantiateWithFlags(&executable, graph, 0),
                    "cuGraphInstantiateWithFlags");
}

bool MakeStream(Session& session, cuda::Stream& stream) {
  return session.Do(session.cuda().cuStreamCreate(&stream, cuda::kStreamNonBlocking),
                    "cuStreamCreate");
}

}  // namespace

void RunStreams(Session& session) {
  Queues queues;
  if (!OpenQueues(session, queues)) return;
  for (std::size_t turn = 0; !session.Over(); ++turn) {
    if (!queues[turn % queues.size()]->Launch()) return;
  }
  for (const auto& queue : queues) queue->Collect();
}

void RunPaced(Session& session) {
  Queues queues;
  if (!OpenQueues(session, queues)) return;
  const std::int64_t period = session.settings().period_ns;
  std::int64_t due = session.begin();
  for (std::size_t turn = 0; session.Meet(due); ++turn) {
    const std::int64_t blocked = session.outcome().blocked_ns;
    if (!queues[turn % queues.size()]->Launch()) return;
    due += period;
    // What is planned moves where the driver's queue was full, which is not the program's lateness.
    if (session.outcome().blocked_ns > blocked) due = std::max(due, session.clock().Now());
  }
  for (const auto& queue : queues) queue->Collect();
}

void RunRequests(Session& session) {
  cuda::Stream stream = nullptr;
  if (!MakeStream(session, stream)) return;
  Serve(session, stream, [&] {
    for (unsigned i = 0; i < session.settings().burst; ++i) {
      if (!session.Launch(stream)) return false;
    }
    return true;
  });
}

void RunGraphs(Session& session) {
  cuda::Stream stream = nullptr;
  cuda::GraphExec graph = nullptr;
  if (!MakeStream(session, stream) || !MakeGraph(session, graph)) return;
  Serve(session, stream, [&] {
    session.outcome().launched += session.settings().burst;
    return session.Do(session.cuda().cuGraphLaunch(graph, stream), "cuGraphLaunch");
  });
}

}  // namespace tranche::sim::workloads
