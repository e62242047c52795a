// A node on the stage with our agent on it, for the whole-process tests: starts agents with a
// node's own paths, reads what they say of themselves, and keeps what the kubelet saw.
//
// One Rig per process and so one test per process, which is how ctest runs them (a mount namespace
// is entered, never left). No test judges how long anything took: a limit here (kHangGuard) only
// ends what hangs. An agent has limits of its own, though: it waits only so long for a successor or
// for the writer of an empty file. Where a test has to come within one of them, it judges only the
// rounds in which it did (InTime). At its end a Rig checks the promise that holds in every test:
// the kubelet never had to refuse a registration because the plugin was connected already.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"
#include "sim/stage/stage.h"

namespace tranche::process {

inline constexpr char kGpu[] = "nvidia.com/gpu";
inline constexpr base::Duration kHangGuard = std::chrono::seconds(120);

// A tenth of `full` in CI (TRANCHE_REPEAT, percent), at least one.
int Times(int full);

// A config that shares each GPU, and one with anything below `version: v1`.
std::string Shared(int replicas);
std::string Config(const std::string& rest);

// What a process holds on to.
struct Holding {
  int descriptors = 0;
  int threads = 0;
  long pss_kib = 0;
};
Holding HoldingOf(pid_t pid);

class Rig;

// Samples of one process over a long test. Print shows the curve.
class Curve {
 public:
  void Sample(pid_t pid) { samples_.push_back(HoldingOf(pid)); }
  // The least of a few: a call that is just under way is no leak. A curve begins and ends at rest:
  // in the middle of a change a watch may be missing that is there before and after.
  void SampleAtRest(Rig& rig, pid_t pid);
  void Print(const std::string& title) const;
  // In the end no more descriptors than had been seen after the first third, as many threads but
  // for a few of gRPC's pools, and memory within `slack_kib` of it.
  void ExpectLevel(long slack_kib = 4096) const;

 private:
  std::vector<Holding> samples_;
};

struct HttpReply {
  int status = 0;
  std::string body;
};

struct AgentSpec {
  std::vector<std::string> flags = {};  // after the rig's own, so that they win
  std::map<std::string, std::string> env = {};
  std::string log = "agent.log";
  std::string program = "tranche";
  bool config_file = true;  // name Rig::config_path()
  // Words before the program's own: a command that becomes the program.
  std::vector<std::string> through = {};
};

class Rig {
 public:
  explicit Rig(const std::string& node = "a100x2", bool kubelet = true);
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  sim::Stage& stage() { return *stage_; }
  sim::Node& node() { return *stage_->node(); }
  sim::Kubelet& kubelet() { return stage_->kubelet(); }

  void StartKubelet();
  void RestartKubelet(base::Duration down);

  // ---- agents ----
  pid_t Start(const AgentSpec& spec = {});
  // The one started last, by default.
  int Stop(int signal_number, pid_t pid = 0);
  [[nodiscard]] bool Runs(pid_t pid) { return stage_->Runs(pid); }
  // Ends by itself; gives its wait status.
  int WaitForEnd(pid_t pid);
  [[nodiscard]] pid_t agent() const { return agent_; }
  // A command of our program as a person types it, {"tranche", "status"}; gives its exit status.
  // What it prints is appended to `log`, as an agent's.
  int Run(std::vector<std::string> words, const std::string& log);
  [[nodiscard]] bool Logged(const std::string& text, const std::string& log = "agent.log") const;

  // ---- configuration ----
  [[nodiscard]] std::string config_path() const;
  void WriteConfig(const std::string& text);
  void RemoveConfig();

  // ---- what is seen ----
  base::Json Status() const;  // null where there is none
  // "config.error", "resources.0.phase": text, numbers and booleans as text, arrays and objects as
  // JSON, "" where there is none.
  std::string StatusOf(const std::string& path) const;
  bool StatusBecomes(const std::string& path, const std::function<bool(const std::string&)>& holds);
  bool StatusIs(const std::string& path, const std::string& wanted);
  bool StatusHas(const std::string& path, const std::string& part);
  HttpReply Get(const std::string& path) const;
  [[nodiscard]] int port() const { return port_; }

  // Waits for the kubelet's device manager to hold so many.
  bool CountBecomes(std::int64_t allocatable, std::int64_t capacity = -1,
                    const std::string& resource = kGpu);
  std::string Counted(const std::string& resource = kGpu);
  bool Until(const std::function<bool()>& condition, base::Duration limit = kHangGuard);
  void Turn(base::Duration time);  // lets the node live for so long
  [[nodiscard]] base::TimePoint Now() const { return loop_->Now(); }
  // Whether no more than `limit` has passed since `begin`; says so where more has.
  [[nodiscard]] bool InTime(base::TimePoint begin, base::Duration limit) const;

  // A pod that asks for one; its pid (0: refused, and the test fails).
  pid_t RunPod(const std::string& name, const std::string& resource = kGpu);
  void DeletePod(const std::string& name);
  // The pod's process is the one it was.
  bool Untouched(const std::string& name, pid_t pid);
  std::string DeviceOf(const std::string& pod);  // id of its first device

  [[nodiscard]] const std::vector<sim::Event>& events() const { return events_; }
  [[nodiscard]] int CountEvents(const std::string& kind) const;
  // The fewest healthy devices of kGpu that a list has had, or the kubelet has counted at any turn
  // of Until, since ForgetLeast.
  [[nodiscard]] std::int64_t least() const { return least_; }
  void ForgetLeast();

 private:
  void Saw(const sim::Event& event);
  [[nodiscard]] std::vector<std::string> OwnFlags() const;

  // What the stage tells of while it is taken down goes first, that is: is destroyed last.
  std::vector<sim::Event> events_;
  std::int64_t least_ = 0;
  bool tracing_ = false;
  std::unique_ptr<base::EventLoop> loop_;
  std::unique_ptr<sim::Stage> stage_;
  int port_ = 0;
  pid_t agent_ = 0;
};

}  // namespace tranche::process
