// A /proc that is a table: tests say which processes there are, and what happens while one is read.
//
// Threading: the test's thread.
// Errors: kNotFound for what nobody put there.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "node/identity/proc.h"

namespace tranche::node::identity::testing {

inline constexpr char kHostGroup[] = "0::/system.slice/sshd.service\n";

// A container's group as containerd and the cgroupfs driver make it.
inline std::string GroupText(const std::string& pod_uid, const std::string& container_id) {
  return "0::/kubepods/besteffort/pod" + pod_uid + "/" + container_id + "\n";
}

class FakeProc : public Proc {
 public:
  struct Process {
    std::uint64_t start_ticks = 0;
    std::string cgroup;
    std::string comm = "python3";
  };

  void Put(unsigned pid, std::string cgroup, std::uint64_t start_ticks = 1000) {
    processes_[pid] = {.start_ticks = start_ticks, .cgroup = std::move(cgroup)};
  }
  void Name(unsigned pid, std::string comm) { processes_[pid].comm = std::move(comm); }
  void End(unsigned pid) { processes_.erase(pid); }
  // Called before each read, with the file's name.
  void OnRead(std::function<void(unsigned pid, std::string_view name)> hook) {
    hook_ = std::move(hook);
  }
  [[nodiscard]] int reads() const { return reads_; }

  base::Result<std::string> Read(unsigned pid, std::string_view name) override {
    ++reads_;
    if (hook_) hook_(pid, name);
    const auto process = processes_.find(pid);
    if (process == processes_.end()) return base::Status(base::Code::kNotFound, "no such process");
    if (name == "cgroup") return process->second.cgroup;
    // A name that tries to be the end of itself.
    return std::to_string(pid) + " (a) b (c)) S 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 " +
           std::to_string(process->second.start_ticks) + " 0 0\n";
  }
  bool AnyNamed(std::string_view comm) override {
    for (const auto& [pid, process] : processes_) {
      if (process.comm == comm) return true;
    }
    return false;
  }

 private:
  std::map<unsigned, Process> processes_;
  std::function<void(unsigned, std::string_view)> hook_;
  int reads_ = 0;
};

}  // namespace tranche::node::identity::testing
