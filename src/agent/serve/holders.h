// Holders knows which ids pods hold. It asks the kubelet's pod-resources socket at intervals.
//
// Threading: the loop's thread.
// Errors: while the socket cannot be asked, known() is false and status() says why. Callers then
// avoid no id, and refuse what cannot be done without that knowledge.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "kubelet/device_plugin.h"

namespace tranche::agent::serve {

class Holders {
 public:
  // `changed` is called after an answer that differs from the last. An empty path: never known.
  // The link outlives this.
  Holders(base::EventLoop& loop, kubelet::PluginLink& link, std::string socket_path,
          std::function<void()> changed);

  // Asks soon (requests close together are one).
  void Refresh();
  // Asks every second instead of every 30 s, while something waits for pods to end.
  void SetUrgent(bool urgent);

  [[nodiscard]] bool known() const { return status_.ok(); }
  // There has been an answer: held() is what was known last, if not what is known now.
  [[nodiscard]] bool ever_known() const { return ever_known_; }
  [[nodiscard]] const base::Status& status() const { return status_; }
  // The socket exists, so that knowledge may be expected.
  [[nodiscard]] bool Possible() const;
  // Resource name as pods ask for it, to the ids held.
  [[nodiscard]] const std::map<std::string, std::set<std::string>>& held() const { return held_; }
  // How many ids of `resource` are held; 0 where nothing is known.
  [[nodiscard]] int HeldOf(const std::string& resource) const;

 private:
  void AskKubelet();
  void ScheduleNext();

  base::EventLoop& loop_;
  kubelet::PluginLink& link_;
  const std::string socket_path_;
  std::function<void()> changed_;
  base::Status status_;
  std::map<std::string, std::set<std::string>> held_;
  bool ever_known_ = false;
  bool asking_ = false;
  bool ask_again_ = false;  // something happened while an answer was on its way
  bool urgent_ = false;
  base::Timer timer_{loop_};
  base::WeakRunner runner_{loop_};  // the last member: destroyed first
};

}  // namespace tranche::agent::serve
