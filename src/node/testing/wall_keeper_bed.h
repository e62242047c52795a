// A WallKeeper among the parts that it asks, in virtual time: driver, API server, kubelet, /proc
// and the workers are stand-ins, and this process is a program of the pod "running". The fixture of
// the tests of WallKeeper.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "gpu/testing/inventories.h"
#include "node/identity/testing/fake_proc.h"
#include "node/testing/pod_object.h"
#include "node/wall_keeper.h"
#include "node/walls/testing/program.h"
#include "wire/ledger.h"
#include "wire/message.h"

namespace tranche::node::testing {

inline constexpr std::uint64_t kMib = 1ULL << 20U;
inline const std::string kGpu = gpu::testing::LongUuid(0);
inline const std::string kRunning = "8d3c1e0f5a6b79c2d4e1f0a9b8c7d6e5";
inline const std::string kOther = "0000000000000000000000000000000b";

class WallKeeperBed : public ::testing::Test {
 protected:
  WallKeeperBed() {
    std::filesystem::create_directories(root_ / "births");
    std::filesystem::create_directories(root_ / "image");
    std::ofstream(root_ / "image/tranche-hook") << "hook";
    std::ofstream(root_ / "image/libcuda.tranche-12000.so.1") << "library";
    inventory_.gpus[0].memory_bytes = 100 * kMib;
    PutPod("running", kRunning);
  }

  // What programs in pods are to have; "" for a file that is no config.
  void Write(const std::string& memory, const std::string& flags = "{}") {
    EXPECT_TRUE(base::WriteFileAtomic(root_ / "config.yaml",
                                      memory.empty()
                                          ? "version: v7\n"
                                          : "version: v1\nflags: " + flags +
                                                "\nsharing: {timeSlicing: {resources: [{name: "
                                                "nvidia.com/gpu, replicas: 4}]}}\n"
                                                "tranche: {memory: " +
                                                memory + "}\n")
                    .ok());
    if (config_) config_->Start();
    loop_.AdvanceBy(std::chrono::seconds(1));
  }
  static std::string Enforce(const std::string& limit) {
    return "{mode: enforce, reserve: 0, limit: " + limit + ", max: 60Mi}";
  }
  void PutPod(const std::string& name, const std::string& hash, const std::string& memory = "") {
    api_.Put("/api/v1/namespaces/team/pods/" + name,
             PodObject({.hash = hash, .ids = {hash + hash}, .memory = memory}));
    loop_.RunPosted();
  }
  void RemovePod(const std::string& name) {
    api_.Remove("/api/v1/namespaces/team/pods/" + name);
    loop_.RunPosted();
  }
  // What the kubelet says that these pods hold, one share of the GPU each.
  void Hold(const std::vector<std::string>& pods) {
    held_.clear();
    for (const std::string& pod : pods) {
      held_.push_back(
          {"team", pod, "main", "nvidia.com/gpu", {kGpu + "::" + std::to_string(held_.size())}});
    }
  }

  // The program ends; what it has written stays.
  void End() {
    keeper_.reset();
    config_.reset();
    kubelet_.reset();
    owners_.reset();
  }
  // The program begins, or begins again.
  void Begin() {
    End();
    owners_ = NewOwners();
    config_.emplace(
        loop_,
        FollowedConfig::Options{.files = {.config_file = root_ / "config.yaml"}, .cluster = {}},
        [this] { keeper_->ApplyConfig(inventory_); });
    kubelet_ = NewKubelet();
    auto looks = std::make_unique<base::disk::testing::FakeWorker>(loop_);
    looks_worker_ = looks.get();
    keeper_ = std::make_unique<WallKeeper>(
        loop_,
        WallKeeper::Options{
            .directory = root_ / "walls",
            .record = root_ / "walls.json",
            .inside = {.proc = root_ / "proc", .shims = "", .births = root_ / "births"},
            .delivery = {.source = root_ / "image",
                         .files = root_ / "shim",
                         .walls = root_ / "walls",
                         .cdi_directories = {root_ / "cdi"},
                         .runs_here = true}},
        std::move(looks),
        WallKeeper::Parts{.config = *config_,
                          .owners = *owners_,
                          .kubelet = *kubelet_,
                          .events = events_,
                          .disk = disk_},
        WallKeeper::Owner{.status_changed = [this] { ++status_changes_; },
                          .look = [this] { ++looks_; }});
    if (connected_) owners_->Connect(api_);
    loop_.AdvanceBy(std::chrono::seconds(1));
    kubelet_->SetInventory(inventory_);
    kubelet_->Start();
    keeper_->Start();
    config_->Start();
    loop_.AdvanceBy(std::chrono::seconds(1));
  }

  // ---- this process as a program of the pod ----

  // Whether an answer came.
  template <class Request, class Answer>
  bool Ask(const Request& request, Answer& answer, int (&fds)[2]) {
    const base::UniqueFd socket(
        walls::testing::Connect(root_ / "walls/" + std::string(wire::kSocketFile)));
    if (!socket.valid()) return false;
    send(socket.get(), &request, sizeof request, MSG_NOSIGNAL);
    loop_.RunPosted();
    return walls::testing::Receive(socket.get(), answer, fds, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  }
  // nullopt: nobody answers.
  std::optional<wire::Status> Hello(std::uint16_t version = wire::kVersion) {
    const wire::Hello hello{.header = {wire::kMagic, version, wire::Kind::kHello}, .image = 1};
    wire::HelloAnswer answer{};
    int fds[2] = {-1, -1};
    if (!Ask(hello, answer, fds)) return std::nullopt;
    const base::UniqueFd limits(fds[0]);
    const base::UniqueFd counters(fds[1]);
    if (answer.status != wire::Status::kOk) return answer.status;
    attached_.slot = answer.slot;
    attached_.counters = static_cast<wire::Counters*>(mmap(
        nullptr, sizeof(wire::Counters), PROT_READ | PROT_WRITE, MAP_SHARED, counters.get(), 0));
    return answer.status;
  }
  // Allocates as a program does that has attached.
  bool Reserve(std::uint64_t bytes) {
    return wire::Reserve(*attached_.counters, attached_.slot, 0, wire::Part::kHeld, bytes,
                         wire::kNoLimit);
  }

  // ---- what comes of it ----

  // A look at the GPU, a second after the last one, which shows this process with so much memory.
  void DriverShows(std::uint64_t bytes) {
    (void)owners_->WhoseIs(kSelf);
    keeper_->LookBegins();
    gpu::DeviceUsage device{.uuid = kGpu};
    device.processes.emplace({gpu::RunningProcess{.pid = kSelf, .memory_bytes = bytes}});
    keeper_->UsageRead(inventory_,
                       {.status = {}, .time_us = time_us_ += 1'000'000, .devices = {device}});
    loop_.AdvanceBy(std::chrono::seconds(1));
  }
  [[nodiscard]] walls::Wall WallOf(const std::string& pod) const {
    for (walls::Wall& wall : keeper_->State().walls) {
      if (wall.pod.pod == pod) return std::move(wall);
    }
    return {};
  }
  // "Warning PodUnwalled running": of the events so far that are no repeats.
  [[nodiscard]] std::vector<std::string> Events() const {
    std::vector<std::string> events;
    for (const daemon::Event& event : events_.events()) {
      events.push_back(std::string(daemon::TypeName(event.type)) + " " + event.reason +
                       (event.pod ? " " + event.pod->name : ""));
    }
    return events;
  }
  [[nodiscard]] bool DoorIsOpen() const {
    return base::Exists(root_ / "walls/" + std::string(wire::kSocketFile));
  }

  const unsigned kSelf = static_cast<unsigned>(getpid());
  base::testing::TempDir root_;
  base::testing::FakeLoop loop_;
  apiserver::testing::FakeApi api_{loop_};
  bool connected_ = true;  // to the API server, from the next Begin on
  gpu::Inventory inventory_ = gpu::testing::LongNamedGpus(1);
  std::vector<kubelet::Holding> held_{
      {"team", "running", "main", "nvidia.com/gpu", {kGpu + "::1"}}};
  int asked_kubelet_ = 0;
  int status_changes_ = 0;
  int looks_ = 0;
  daemon::EventLog events_{loop_, "", [] {}};
  base::disk::testing::FakeWorker disk_{loop_};
  identity::testing::FakeProc* proc_ = nullptr;
  base::disk::testing::FakeWorker* looks_worker_ = nullptr;
  std::unique_ptr<ProcessOwners> owners_;
  std::optional<FollowedConfig> config_;
  std::unique_ptr<KubeletWatch> kubelet_;
  std::unique_ptr<WallKeeper> keeper_;
  struct Attached {
    unsigned slot = 0;
    wire::Counters* counters = nullptr;
  };
  Attached attached_;
  std::uint64_t time_us_ = 1ULL << 62U;  // later than whatever is asked

 private:
  std::unique_ptr<ProcessOwners> NewOwners() {
    auto proc = std::make_unique<identity::testing::FakeProc>();
    proc_ = proc.get();
    proc_->Put(kSelf, identity::testing::GroupText(kRunning, kRunning + kRunning));
    return std::make_unique<ProcessOwners>(
        loop_, std::move(proc), "n",
        ProcessOwners::Owner{.status_changed = [] {},
                             .pods_changed = [this] { keeper_->PodsChanged(); }});
  }
  std::unique_ptr<KubeletWatch> NewKubelet() {
    return std::make_unique<KubeletWatch>(
        loop_, "/kubelet.sock",
        [this](const std::string& /*socket*/, const KubeletDone& done) {
          ++asked_kubelet_;
          loop_.Post([this, done] {
            done(std::optional(KubeletAnswer{.holdings = held_, .offers = std::nullopt}));
          });
        },
        KubeletWatch::Owner{.status_changed = [] {},
                            .answered = [this] { keeper_->KubeletAnswered(); }});
  }
};

}  // namespace tranche::node::testing
