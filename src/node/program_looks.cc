#include "node/program_looks.h"

#include <utility>

#include "base/log.h"

namespace tranche::node {

using base::Kv;
using base::Status;

ProgramLooks::ProgramLooks(std::unique_ptr<base::disk::Worker> worker, walls::InsidePaths paths)
    : paths_(std::move(paths)), worker_(std::move(worker)) {}

void ProgramLooks::LookInside(unsigned pid, const std::string& container_id,
                              std::function<void(walls::Inside)> done) {
  const auto inside = std::make_shared<walls::Inside>();
  const Status taken = worker_->Run(
      "looking into a program that has not attached",
      [=, paths = paths_] {
        *inside = walls::LookInside(paths, pid, container_id);
        return Status::Ok();
      },
      [=, done = std::move(done)](const Status& /*status*/) { done(std::move(*inside)); });
  if (!taken.ok()) base::LogDebug("a program is not looked into", {Kv("why", taken.message())});
}

void ProgramLooks::HasPage(unsigned pid, const walls::PageIdentity& counters,
                           std::function<void(bool)> done) {
  const auto has = std::make_shared<bool>(false);
  const Status taken = worker_->Run(
      "looking whether a program has its counters",
      [=, proc = paths_.proc] {
        const auto found = walls::HasPage(proc, pid, counters);
        if (found.ok()) *has = *found;
        return found.ok() ? Status::Ok() : found.status();
      },
      [=, done = std::move(done)](const Status& status) {
        if (status.ok()) done(*has);
      });
  if (!taken.ok()) base::LogDebug("a program is not looked into", {Kv("why", taken.message())});
}

void ProgramLooks::ForgetBirths(std::set<std::string> kept) {
  if (paths_.births.empty()) return;
  const Status taken = worker_->Run(
      "forgetting containers that are gone",
      [folder = paths_.births, kept = std::move(kept)] {
        walls::ForgetBirths(folder, kept);
        return Status::Ok();
      },
      [](const Status& /*status*/) {});
  if (!taken.ok()) base::LogDebug("births are not forgotten", {Kv("why", taken.message())});
}

walls::Births ProgramLooks::births() const {
  return paths_.births.empty() ? walls::Births::kNotTold : walls::Births::kTold;
}

}  // namespace tranche::node
