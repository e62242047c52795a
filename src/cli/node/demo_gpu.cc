#include "cli/node/demo_gpu.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "share/replica.h"
#include "sim/node/files.h"
#include "sim/node/home.h"
#include "sim/stage/stage.h"

namespace tranche::cli::node {

using base::Status;

Status NotAsTold(const std::string& what) { return {base::Code::kFailedPrecondition, what}; }

DemoGpu::DemoGpu(tranche::sim::Stage& stage, std::string resource, std::string uuid)
    : stage_(stage), resource_(std::move(resource)), uuid_(std::move(uuid)) {}

Status DemoGpu::MakeRoom() {
  auto home = tranche::sim::FindSimHome();
  if (!home.ok()) return home.status();
  program_ = base::JoinPath(home->path, "tranche-workload");
  const auto node = stage_.node()->Read();
  for (slot_ = 0; slot_ < node.gpus.size(); ++slot_) {
    if (node.gpus[slot_].uuid == uuid_) break;
  }
  if (slot_ == node.gpus.size()) return NotAsTold("the simulated node has no GPU " + uuid_);
  for (const tranche::sim::Pod& pod : stage_.kubelet().Pods()) {
    const bool ours = std::any_of(pod.devices.begin(), pod.devices.end(), [&](const auto& device) {
      return share::ParseReplicaId(device.id).device == uuid_;
    });
    if (ours || pod.ended()) TRANCHE_TRY(stage_.DeletePod(pod.spec.name));
  }
  return Status::Ok();
}

Status DemoGpu::EndAll() {
  for (const auto& [name, pid] : pods_) TRANCHE_TRY(stage_.DeletePod(name));
  pods_.clear();
  for (const std::string& name : aside_) TRANCHE_TRY(stage_.DeletePod(name));
  aside_.clear();
  return Status::Ok();
}

tranche::sim::GpuState DemoGpu::State() const { return stage_.node()->Read().gpus.at(slot_); }

Status DemoGpu::Start(const DemoPod& pod_text) {
  constexpr int kMostAside = 64;
  const std::string& name = pod_text.name;
  tranche::sim::PodSpec spec;
  spec.name = name;
  spec.requests = {{resource_, 1}};
  // On a node the container toolkit hides the other GPUs, and the loader knows the driver's folder.
  spec.env = {{"LD_LIBRARY_PATH", tranche::sim::LibraryDirectory(stage_.driver_root())}};
  spec.command = {"sh", "-c",
                  fmt::format("[ \"$NVIDIA_VISIBLE_DEVICES\" = {} ] || exec sleep infinity\n{}\n"
                              "CUDA_VISIBLE_DEVICES=$NVIDIA_VISIBLE_DEVICES exec {} {} {}{}",
                              uuid_, pod_text.before, pod_text.through, program_, pod_text.workload,
                              pod_text.output.empty() ? "" : " > " + pod_text.output)};
  while (aside_.size() < kMostAside) {
    auto pod = stage_.RunPod(spec);
    if (!pod.ok()) return pod.status();
    if (pod->phase != tranche::sim::PodPhase::kRunning && !pod->ended()) {
      return NotAsTold("pod " + name + " does not run: " + pod->message);
    }
    const auto seen = pod->given.env.find("NVIDIA_VISIBLE_DEVICES");
    if (seen != pod->given.env.end() && seen->second == uuid_) {
      pods_[name] = static_cast<pid_t>(pod->pid);
      return Status::Ok();
    }
    TRANCHE_TRY(stage_.DeletePod(name));
    tranche::sim::PodSpec other;
    other.name = fmt::format("aside-{}", aside_.size() + 1);
    other.requests = spec.requests;
    auto placed = stage_.RunPod(other);
    if (!placed.ok()) return placed.status();
    aside_.push_back(other.name);
  }
  return NotAsTold("no replica of " + uuid_ + " was given to pod " + name);
}

}  // namespace tranche::cli::node
