// What a node program writes down of its pods' walls, so that its successor knows which pages to
// take over and which limits were granted.
//
// It lies where no pod can see it.
//
// Threading: plain functions. FindPage and HasPage may block for as long as a program likes, as
// node/identity/maps.h says.
// Errors: kInvalidArgument: the text is no record; an entry that makes no sense is left out.
#pragma once

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

// The counters of a pod, opened through a process that has them mapped; /proc is below `proc_root`.
// kNotFound: no process of the pod has them.
base::Result<base::UniqueFd> FindPage(const std::string& proc_root, const PodRecord& pod);
// Whether a process has these counters mapped.
base::Result<bool> HasPage(const std::string& proc_root, unsigned pid, const PageIdentity& page);

}  // namespace tranche::node::walls
