// What tests of the arbiter begin with: one GPU, two pods, and programs in them (program.h).
#pragma once

#include <gmock/gmock.h>

#include "node/walls/arbiter.h"
#include "node/walls/testing/held_ends_loop.h"
#include "node/walls/testing/program.h"

namespace tranche::node::walls::testing {

inline constexpr char kGpu[] = "GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
inline constexpr char kGreedy[] = "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0001";
inline constexpr char kModest[] = "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0002";
inline constexpr std::uint64_t kGib = 1ULL << 30U;

inline identity::Held Holds(const std::string& pod) {
  return {.pod_namespace = "team",
          .pod = pod,
          .container = "main",
          .device = kGpu,
          .replicas = 1,
          .of_pod = 1,
          .pod_uid = pod == "greedy" ? kGreedy : kModest};
}

class ArbiterBed : public ::testing::Test {
 protected:
  ArbiterBed() : proc_(dir_.path() + "/proc"), real_proc_(identity::NewProc(proc_.root())) {
    std::filesystem::create_directories(proc_.root());
    Begin();
  }

  // A new arbiter, as when the program is started again.
  void Begin() {
    arbiter_.reset();
    arbiter_ = std::make_unique<Arbiter>(
        ends_, *real_proc_,
        Arbiter::Options{.directory = dir_.path() + "/walls",
                         .record = dir_.path() + "/walls.json",
                         .proc_root = proc_.root(),
                         .max_programs = max_programs_},
        Arbiter::Sources{
            .owner =
                [](const identity::PodGroup& group) {
                  const bool greedy = group.pod_uid == kGreedy;
                  return identity::Owner{.pod_namespace = "team",
                                         .pod = greedy ? "greedy" : "modest",
                                         .container = "",
                                         .pod_uid = group.pod_uid};
                },
            .ask_kubelet = [this] { ++asked_kubelet_; },
            .look = [this] { ++looks_; },
            .ask = [this](const std::string& uid) { return asks_[uid]; },
            .tell = [this](News news, const identity::PodRef& /*pod*/,
                           const std::string& /*message*/) { news_.push_back(news); },
            .look_inside =
                [this](unsigned /*pid*/, const std::string& container_id,
                       const std::function<void(Inside)>& done) {
                  looked_into_.push_back(container_id);
                  done(inside_);
                },
            .has_page =
                [this](unsigned pid, const PageIdentity& counters, std::function<void(bool)> done) {
                  if (pages_wait_) {
                    pages_asked_.emplace_back(pid, std::move(done));
                  } else if (const auto has = HasPage(proc_.root(), pid, counters); has.ok()) {
                    done(*has);
                  }
                }});
    arbiter_->Start();
  }
  void Enforce() {
    arbiter_->SetRules(
        {{kGpu,
          {.enforced = true,
           .share = {.device_bytes = 16 * kGib, .max_bytes = 8 * kGib, .replicas = 4}}}});
    arbiter_->SetHeld({Holds("greedy"), Holds("modest")});
  }
  [[nodiscard]] std::string Socket() const { return dir_.path() + "/walls/" + wire::kSocketFile; }
  std::unique_ptr<Program> Start(const std::string& pod, pid_t pid = 0) {
    return std::make_unique<Program>(proc_, pod, Socket(), pid);
  }
  Wall WallOf(const std::string& pod) {
    for (const Wall& wall : arbiter_->Walls()) {
      if (wall.pod.pod == pod) return wall;
    }
    return {};
  }
  // One look, a second after the last one.
  void DriverShows(unsigned pid, std::uint64_t bytes) {
    arbiter_->LookBegins();
    LookEnds(pid, bytes);
  }
  void LookEnds(unsigned pid, std::uint64_t bytes) {
    gpu::Inventory inventory;
    inventory.gpus.push_back({.uuid = kGpu});
    gpu::DeviceUsage device{.uuid = kGpu};
    device.processes.emplace({gpu::RunningProcess{.pid = pid, .memory_bytes = bytes}});
    arbiter_->UsageRead(inventory,
                        {.status = {}, .time_us = time_us_ += 1'000'000, .devices = {device}},
                        [](unsigned /*pid*/) {
                          return identity::PodGroup{.pod_uid = kGreedy, .container_id = "c1"};
                        });
  }
  void DriverShows(unsigned pid, std::uint64_t bytes, int looks) {
    for (int i = 0; i < looks; ++i) DriverShows(pid, bytes);
  }

  base::testing::TempDir dir_;
  base::testing::RealLoop loop_;
  HeldEndsLoop ends_{*loop_};  // what the arbiter has for a loop
  PodProc proc_;
  std::unique_ptr<identity::Proc> real_proc_;
  std::unique_ptr<Arbiter> arbiter_;
  std::size_t max_programs_ = Arbiter::kMaxPrograms;  // from the next Begin on
  std::vector<News> news_;
  std::map<std::string, identity::MemoryAsk> asks_;
  std::uint64_t time_us_ = 1ULL << 62U;  // later than whatever is asked
  Inside inside_;
  std::vector<std::string> looked_into_;
  // Whether what is asked about pages waits for the test's answer, and whose was asked for.
  bool pages_wait_ = false;
  std::vector<std::pair<unsigned, std::function<void(bool)>>> pages_asked_;
  int looks_ = 0;
  int asked_kubelet_ = 0;
};

}  // namespace tranche::node::walls::testing
