// KubeletWatch asks the kubelet which devices it has given to which container, every few seconds
// and when somebody cannot wait that long, and keeps what it answered.
//
// Threading: the loop's thread.
// Errors: status() says why it does not tell; it is asked again.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "gpu/device.h"
#include "kubelet/pod_resources.h"
#include "node/identity/given.h"

namespace tranche::node {

using KubeletAnswer = kubelet::DeviceAnswer;
// Asks the kubelet; nullopt: its last good answer still holds.
using KubeletDone = kubelet::DeviceLister::Done;
using KubeletLister = std::function<void(const std::string& socket, KubeletDone done)>;
KubeletLister NewKubeletLister(base::EventLoop& loop);

class KubeletWatch {
 public:
  static constexpr base::Duration kAsk = std::chrono::seconds(5);
  // Questions that cannot wait are this far apart.
  static constexpr base::Duration kAskSoon = std::chrono::milliseconds(200);

  struct Owner {
    std::function<void()> status_changed;
    std::function<void()> answered;  // also by an error
  };

  // `socket`: of pod-resources; "": nobody is asked.
  KubeletWatch(base::EventLoop& loop, std::string socket, KubeletLister lister, Owner owner);

  void Start() { Ask(); }
  void AskSoon();
  // The devices of which holdings are looked for.
  void SetInventory(const gpu::Inventory& inventory) { given_.SetInventory(inventory); }

  [[nodiscard]] const base::Status& status() const { return status_; }
  // Who was given what; nullptr while that is not known.
  [[nodiscard]] const identity::Given* given() const { return status_.ok() ? &given_ : nullptr; }
  // When it was asked for the last answer.
  [[nodiscard]] base::TimePoint asked() const { return asked_; }

 private:
  void Ask();

  base::EventLoop& loop_;
  const std::string socket_;
  const Owner owner_;
  base::Status status_;
  identity::Given given_;
  base::TimePoint asked_{};
  bool asking_ = false;
  KubeletLister lister_;
  base::Timer timer_;
  base::Timer soon_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace tranche::node
