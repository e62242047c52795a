// Our plugin beside NVIDIA's, over their sockets, in turns and in one run: `./test bench`.
//
//   plugin_bench [--smoke] [--rounds=N] [--json=FILE] [--ours=PROGRAM] [--peer=FOLDER]
//
// --peer (or TRANCHE_PEER_DIR) is the folder that tests/peer/build prints; without it ours is
// measured alone. Nothing here judges a duration: the exit status is 1 only where a program did not
// do what it was asked.
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "bench/plain_allocation.h"
#include "bench/results.h"
#include "bench/scene.h"
#include "bench/servers.h"
#include "share/placement.h"
#include "share/replica.h"

namespace tranche::bench {
namespace {

using base::Status;

std::string BesideMe(const std::string& path) {
  char resolved[PATH_MAX];
  if (realpath("/proc/self/exe", resolved) == nullptr) return path;
  return base::JoinPath(base::ParentDirectory(resolved), path);
}

double TimeOnce(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

// The algorithms alone: no socket, no message.
Status InProcess(const Options& options, Results& results) {
  std::mt19937 random(1);
  for (const PreferredSize& size : PreferredSizes()) {
    std::vector<share::PoolDevice> pool;
    share::PreferredRequest request{.available = {}, .must_include = {}, .size = size.size};
    for (int i = 0; i < size.gpus; ++i) {
      pool.push_back({.uuid = fmt::format("GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c{}", 100 + i),
                      .replicas = size.replicas});
      for (int k = 0; k < size.replicas; ++k) {
        request.available.push_back(share::MakeReplicaId(pool.back().uuid, k));
      }
    }
    std::shuffle(request.available.begin(), request.available.end(), random);
    const std::string name = "in process: " + size.Name();
    for (int i = 0; i < (options.smoke ? 1 : size.calls); ++i) {
      bool ok = false;
      results.Add(name, "µs", kOurs, TimeOnce([&] {
                    auto picked = share::PreferReplicas(share::Policy::kDistributed, pool, request);
                    ok = picked.ok() && picked->size() == static_cast<std::size_t>(size.size);
                  }));
      if (!ok) return {base::Code::kInternal, name + ": no allocation"};
    }
    for (int i = 0; i < (options.smoke ? 1 : size.plain_calls); ++i) {
      results.Add(name, "µs", kPlain,
                  TimeOnce([&] { PlainPreferred(request.available, size.size); }));
    }
  }
  return Status::Ok();
}

void SetGoals(Results& results) {
  results.SetGoal("start to registered, 8×4", "≤ 10 ms, faster than NVIDIA's");
  results.SetGoal("config edit to the kubelet's new count, 8×4 and 8×8", "≤ 20 ms");
  results.SetGoal("memory (PSS), idle, 8×4", "≤ 12 MiB");
  results.SetGoal("memory (PSS), idle, 8×1000", "≤ 60 % of NVIDIA's");
  results.SetGoal("preferred allocation, 8×1000, size 100", "100 × above the empty answer");
}

std::string Machine() {
  utsname name{};
  uname(&name);
  return fmt::format("{} cores, Linux {}", std::thread::hardware_concurrency(), name.release);
}

bool Parse(int argc, char** argv, Options& options, int& exit_status) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (name == "--smoke") {
      options.smoke = true;
      options.rounds = 1;
    } else if (name == "--rounds") {
      options.rounds = std::max(1, std::atoi(value.c_str()));
    } else if (name == "--json") {
      options.json = value;
    } else if (name == "--ours") {
      options.ours = value;
    } else if (name == "--peer") {
      options.peer = value;
    } else if (name == "--serve-empty" || name == "--serve-plain") {
      exit_status = name == "--serve-empty" ? ServeEmpty(value) : ServePlain(value);
      return false;
    } else {
      fmt::print(stderr,
                 "usage: plugin_bench [--smoke] [--rounds=N] [--json=FILE] [--ours=PROGRAM] "
                 "[--peer=FOLDER]\n");
      exit_status = name == "--help" ? 0 : 2;
      return false;
    }
  }
  return true;
}

int Run(Options options) {
  // The stage and the plugins find the simulated driver beside our programs.
  setenv("TRANCHE_SIM_HOME", BesideMe("../bin/sim").c_str(), 0);
  if (options.ours.empty()) options.ours = BesideMe("../bin/nvidia-device-plugin");
  if (!options.peer.empty()) options.peer = base::JoinPath(options.peer, "nvidia-device-plugin");
  for (const std::string& program : {options.ours, options.peer}) {
    if (!program.empty() && !base::Exists(program)) {
      fmt::print(stderr, "plugin_bench: there is no {}\n", program);
      return 2;
    }
  }
  if (options.peer.empty()) {
    fmt::print(
        "NVIDIA's plugin is not measured: tests/peer/build prints the folder it builds it in, "
        "which goes into --peer= or TRANCHE_PEER_DIR.\n");
  }
  Results results;
  Status status = PlayNode(options, "h100x8", 8, results);
  if (status.ok()) status = PlayNode(options, "t4", 1, results);
  if (status.ok()) status = InProcess(options, results);
  if (!status.ok()) {
    fmt::print(stderr, "plugin_bench: {}\n", status.message());
    return 1;
  }
  SetGoals(results);
  fmt::print("\n{}; {} rounds, medians; ratio: NVIDIA's divided by ours\n\n{}", Machine(),
             options.rounds, results.Table());
  if (options.json.empty()) return 0;
  base::Json json = base::Json::MakeObject();
  json.Set("machine", Machine());
  json.Set("rounds", options.rounds);
  json.Set("rows", *results.ToJson().Find("rows"));
  status = base::WriteFileAtomic(options.json, json.Dump(1) + "\n");
  if (!status.ok()) fmt::print(stderr, "plugin_bench: {}\n", status.message());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace tranche::bench

int main(int argc, char** argv) {
  tranche::base::ConfigureLog(tranche::base::LogLevel::kError, tranche::base::LogFormat::kText);
  tranche::bench::Options options;
  if (const char* peer = std::getenv("TRANCHE_PEER_DIR"); peer != nullptr) options.peer = peer;
  int exit_status = 0;
  if (!tranche::bench::Parse(argc, argv, options, exit_status)) return exit_status;
  return tranche::bench::Run(std::move(options));
}
