// ShimWatch knows whether `tranche node` publishes the library that keeps to memory walls
// (cdi/shim.h), and says so where a config asks for walls and nothing does.
//
// Threading: the loop's thread; a worker touches the files.
// Errors: why() says why nothing is published. Where the folders do not answer, what was known
// stays.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/disk/look.h"
#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "daemon/event.h"

namespace tranche::agent {

class ShimWatch {
 public:
  static constexpr base::Duration kLook = std::chrono::seconds(5);
  // Both programs of a node start together: a shim that comes late is no news for so long.
  static constexpr base::Duration kPatience = std::chrono::seconds(30);

  struct Options {
    std::vector<std::string> directories;
    // How long ago this was, by the clock of files.
    std::function<base::Duration(std::int64_t confirmed_at_ns)> age;
  };
  struct Owner {
    std::function<void()> changed;
    daemon::RaiseEvent event;
  };

  // The worker outlives the watch.
  ShimWatch(base::EventLoop& loop, base::disk::Worker& worker, Options options, Owner owner);

  // Whether the config in force asks for walls. Nothing is looked at before it does.
  void SetAskedFor(bool asked_for);
  // Sees to it that what is published by now is known.
  void Look();
  // A container was given a device without the wall that the config asks for.
  void GivenWithout(const std::string& uuid);

  [[nodiscard]] bool asked() const { return asked_; }
  // Empty while it is published.
  [[nodiscard]] const std::string& why() const { return why_; }
  // Of the CDI device; empty while none is published.
  [[nodiscard]] std::string name() const;

 private:
  void LookAgain();
  void Take(const base::Result<std::int64_t>& confirmed_at_ns);
  void RaiseMissing();

  base::EventLoop& loop_;
  const Options options_;
  Owner owner_;
  bool asked_ = false;
  std::string why_ = "not looked for yet";
  std::int64_t confirmed_at_ns_ = 0;  // as its file says
  base::TimePoint confirmed_at_{};    // as the loop's clock does
  std::optional<base::TimePoint> missing_since_;
  bool told_ = false;  // that it is missing
  base::disk::Look look_;
  base::Timer timer_;
};

}  // namespace tranche::agent
