// What a node program writes down of its pods' walls, so that its successor knows which pages to
// take over and which limits were granted.
//
// It lies where no pod can see it.
//
// Threading: plain functions. HasPage and a step of PageSearch may block for as long as a program
// likes, as node/identity/maps.h says.
// Errors: kInvalidArgument: the text is no record; an entry that makes no sense is left out.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "node/walls/grants.h"
#include "node/walls/pod_pages.h"

namespace tranche::node::walls {

struct PodRecord {
  std::string uid;
  PageIdentity counters;  // inode 0: it has no pages, as no program has attached yet
  bool away_open = true;
  std::vector<WalledDevice> devices;  // as in the pages, where there are some
  GrantedPod granted;
  std::string asked;  // by its annotation; "": nothing
};

std::string RecordText(const std::vector<PodRecord>& pods);
base::Result<std::vector<PodRecord>> ReadRecord(std::string_view text);

// Looks for the counters of pods in the processes that have them mapped. It goes once through
// /proc, which is below `proc_root`, and looks at a few processes at a time: a node may have a
// great many, and whoever waits for an answer meanwhile is not to wait for all of them.
class PageSearch {
 public:
  static constexpr std::size_t kProcessesAtOnce = 128;
  static constexpr std::size_t kMapsAtOnce = 16;

  PageSearch(std::string proc_root, const std::vector<PodRecord>& pods);

  struct Found {
    PodRecord pod;
    base::Result<base::UniqueFd> counters;
  };
  // Looks at the next processes, and tells of the pods whose counters were found there.
  std::vector<Found> Step();
  // All were looked at: the pods that are still sought have no process any more.
  [[nodiscard]] bool done() const { return pods_.empty() || left_.empty(); }
  // By UID: those of which nothing was found yet.
  [[nodiscard]] const std::map<std::string, PodRecord>& sought() const { return pods_; }
  [[nodiscard]] std::size_t processes_left() const { return left_.size(); }

 private:
  [[nodiscard]] base::Result<base::UniqueFd> Open(unsigned pid, std::string_view range) const;

  const std::string proc_root_;
  std::map<std::string, PodRecord> pods_;
  std::vector<unsigned> left_;  // pids
};

// Whether a process has these counters mapped.
base::Result<bool> HasPage(const std::string& proc_root, unsigned pid, const PageIdentity& page);

}  // namespace tranche::node::walls
