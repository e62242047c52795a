// ProgramLooks looks into the programs of pods for memory walls, on a thread of its own: the kernel
// lets whoever looks wait for as long as a program likes.
//
// Threading: the loop's thread; a worker looks.
// Errors: what cannot be looked at is not known, and `done` is not called. It is asked for again
// before long.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/disk/worker.h"
#include "node/walls/inside.h"
#include "node/walls/record.h"

namespace tranche::node {

class ProgramLooks {
 public:
  ProgramLooks(std::unique_ptr<base::disk::Worker> worker, walls::InsidePaths paths);

  // What can be seen of a program that has not attached.
  void LookInside(unsigned pid, const std::string& container_id,
                  std::function<void(walls::Inside)> done);
  // Whether a program has this page mapped.
  void HasPage(unsigned pid, const walls::PageIdentity& counters, std::function<void(bool)> done);
  // Forgets what was said at the births of all containers but these.
  void ForgetBirths(std::set<std::string> kept);
  [[nodiscard]] walls::Births births() const;

 private:
  const walls::InsidePaths paths_;
  std::unique_ptr<base::disk::Worker> worker_;
};

}  // namespace tranche::node
