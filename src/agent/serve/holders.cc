#include "agent/serve/holders.h"

#include <utility>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "kubelet/pod_resources.h"

namespace tranche::agent::serve {

namespace {

// The kubelet allows 100 calls in a burst and 10 a second (podresources' limiter): far above these.
constexpr base::Duration kSoon = std::chrono::milliseconds(100);
constexpr base::Duration kUrgent = std::chrono::seconds(1);
constexpr base::Duration kSeldom = std::chrono::seconds(30);

}  // namespace

Holders::Holders(base::EventLoop& loop, kubelet::PluginLink& link, std::string socket_path,
                 std::function<void()> changed)
    : loop_(loop),
      link_(link),
      socket_path_(std::move(socket_path)),
      changed_(std::move(changed)),
      status_(base::Code::kUnavailable, "not asked yet") {
  if (!Possible()) status_ = {base::Code::kNotFound, "no pod-resources socket at " + socket_path_};
  Refresh();
}

bool Holders::Possible() const { return !socket_path_.empty() && base::Exists(socket_path_); }

int Holders::HeldOf(const std::string& resource) const {
  const auto it = held_.find(resource);
  return it == held_.end() ? 0 : static_cast<int>(it->second.size());
}

void Holders::Refresh() {
  if (socket_path_.empty()) return;
  if (asking_) {
    ask_again_ = true;
    return;
  }
  timer_.Start(kSoon, [this] { AskKubelet(); });
}

void Holders::SetUrgent(bool urgent) {
  if (urgent_ == urgent) return;
  urgent_ = urgent;
  if (urgent) Refresh();
}

void Holders::ScheduleNext() {
  timer_.Start(urgent_ ? kUrgent : kSeldom, [this] { AskKubelet(); });
}

void Holders::AskKubelet() {
  asking_ = true;
  link_.List(socket_path_,
             runner_.Wrap([this](const base::Result<std::vector<kubelet::Holding>>& answer) {
               asking_ = false;
               ever_known_ = ever_known_ || answer.ok();
               if (std::exchange(ask_again_, false)) {
                 Refresh();
               } else {
                 ScheduleNext();
               }
               std::map<std::string, std::set<std::string>> held;
               if (answer.ok()) {
                 for (const kubelet::Holding& holding : *answer) {
                   held[holding.resource].insert(holding.ids.begin(), holding.ids.end());
                 }
               } else {
                 held = held_;  // what was known a moment ago is a better guess than nothing
               }
               if (answer.status() == status_ && held == held_) return;
               status_ = answer.status();
               held_ = std::move(held);
               changed_();
             }));
}

}  // namespace tranche::agent::serve
