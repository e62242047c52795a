#include "agent/shim_watch.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/log.h"
#include "cdi/shim.h"

namespace tranche::agent {

using base::Result;
using base::Status;
using daemon::EventType;

ShimWatch::ShimWatch(base::EventLoop& loop, base::disk::Worker& worker, Options options,
                     Owner owner)
    : loop_(loop),
      options_(std::move(options)),
      owner_(std::move(owner)),
      look_(loop, worker, "looking for the shim of memory walls"),
      timer_(loop) {}

void ShimWatch::SetAskedFor(bool asked_for) {
  if (asked_for == asked_) return;
  asked_ = asked_for;
  missing_since_.reset();
  told_ = false;
  timer_.Stop();
  if (asked_) LookAgain();
  owner_.changed();
}

void ShimWatch::LookAgain() {
  timer_.Start(kLook, [this] { LookAgain(); });
  Look();
}

void ShimWatch::Look() {
  if (!asked_) return;
  const auto found =
      std::make_shared<Result<std::int64_t>>(Status(base::Code::kUnknown, "not looked for yet"));
  const Status answered = look_.Run(
      [found, directories = options_.directories] { *found = cdi::ShimConfirmedAt(directories); },
      [this, found] {
        if (asked_) Take(*found);
      });
  if (answered.ok()) Take(*found);
}

// A file whose time has changed has been confirmed; how long ago that was is counted by the loop's
// clock from then on, which nobody puts back.
void ShimWatch::Take(const Result<std::int64_t>& confirmed_at_ns) {
  std::string why;
  if (!confirmed_at_ns.ok()) {
    why = confirmed_at_ns.status().message();
  } else {
    if (*confirmed_at_ns != confirmed_at_ns_) {
      confirmed_at_ns_ = *confirmed_at_ns;
      confirmed_at_ = loop_.Now() - options_.age(confirmed_at_ns_);
    }
    if (loop_.Now() - confirmed_at_ >= cdi::kShimStays) {
      why = fmt::format("who has published {} has not said for {} minutes that it is there",
                        cdi::kShimName,
                        std::chrono::duration_cast<std::chrono::minutes>(cdi::kShimStays).count());
    }
  }
  const bool news = why != why_;
  why_ = std::move(why);
  if (why_.empty()) {
    missing_since_.reset();
    if (std::exchange(told_, false)) {
      owner_.event(EventType::kNormal, "WallsNotInstalled", "memory walls are put into pods again");
    }
  } else {
    if (!missing_since_) missing_since_ = loop_.Now();
    if (loop_.Now() - *missing_since_ >= kPatience) RaiseMissing();
  }
  if (news) owner_.changed();
}

void ShimWatch::GivenWithout(const std::string& uuid) {
  base::LogWarning("a container is given a device without the memory wall that the config asks for",
                   {base::Kv("device", uuid), base::Kv("why", why_)});
  RaiseMissing();
}

void ShimWatch::RaiseMissing() {
  if (std::exchange(told_, true)) return;
  owner_.event(EventType::kWarning, "WallsNotInstalled",
               "the config asks for memory walls, and pods get none: " + why_);
}

std::string ShimWatch::name() const { return asked_ && why_.empty() ? cdi::kShimName : ""; }

}  // namespace tranche::agent
