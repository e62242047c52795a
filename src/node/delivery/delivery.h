// Delivery brings the shim to the pods of this node: it keeps the files on the host (shim_files.h),
// and publishes the CDI device by which containers get them (cdi/shim.h). The device plugin adds
// that device to its answers while it is published.
//
// Nothing is done before somebody wants it. What is written then stays, also when this program
// ends: running pods refer to it, and `tranche cleanup` removes it later. There are several folders
// of CDI specs, because one is empty after a reboot, and the other is not everywhere to be had.
//
// Threading: the loop's thread; a worker touches the files.
// Errors: state() says why the shim is not published; it is tried again.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "cdi/shim.h"
#include "cdi/spec_folder.h"
#include "node/delivery/container_labels.h"
#include "node/delivery/shim_files.h"

namespace tranche::node::delivery {

// Whether programs of this machine's architecture can have a shim in front of their driver.
#if defined(__x86_64__)
inline constexpr bool kShimRunsHere = true;
#else
inline constexpr bool kShimRunsHere = false;
#endif

struct State {
  bool wanted = false;
  bool published = false;
  std::string trouble;  // why it is not published, or not everywhere; "" where all is well
};

class Delivery {
 public:
  // How often the files are looked at.
  static constexpr base::Duration kLook = std::chrono::seconds(10);

  struct Options {
    std::string source;  // the files, as they were installed with this program
    std::string files;   // where they go: the same path here and on the host; "": nothing is done
    std::string walls;   // the folder of the arbiter's socket, likewise
    std::vector<std::string> cdi_directories;
    bool runs_here = kShimRunsHere;
    std::shared_ptr<FileLabels> labels = KernelLabels();
  };

  // `changed`: state() may be another. The worker outlives this.
  Delivery(base::EventLoop& loop, base::disk::Worker& worker, Options options,
           std::function<void()> changed);

  void Want(bool wanted);
  [[nodiscard]] const State& state() const { return state_; }

 private:
  void Look();
  void Installed(const base::Status& status);
  void Publish();
  void Confirm();
  enum class Published { kNo, kYes };
  void SetState(Published how, std::string trouble);

  base::EventLoop& loop_;
  base::disk::Worker& worker_;
  const Options options_;
  std::function<void()> changed_;
  const std::shared_ptr<ShimFiles> files_;  // of the job that is under way
  bool looking_ = false;
  State state_;
  std::vector<std::unique_ptr<cdi::SpecFolder>> specs_;
  bool confirmed_ = false;
  base::TimePoint confirm_at_{};
  base::Timer timer_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace tranche::node::delivery
