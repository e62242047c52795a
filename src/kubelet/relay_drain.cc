#include "kubelet/relay_drain.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <utility>

#include "base/threads/thread.h"

namespace tranche::kubelet {

RelayDrain::RelayDrain(std::vector<std::unique_ptr<CallRelay>> relays)
    : relays_(std::move(relays)) {
  if (relays_.empty()) return;
  for (const auto& relay : relays_) relay->LeaveLoop();
  ended_ = base::UniqueFd(::eventfd(0, EFD_CLOEXEC));
  if (ended_.valid()) {
    if (auto thread = base::threads::StartThread([this] { PassOn(); }); thread.ok()) {
      thread_ = std::move(*thread);
      return;
    }
  }
  relays_.clear();
}

RelayDrain::~RelayDrain() {
  if (!thread_.joinable()) return;
  ::eventfd_write(ended_.get(), 1);
  thread_.join();
}

void RelayDrain::PassOn() {
  std::vector<pollfd> ends;
  for (const auto& relay : relays_) ends.push_back({.fd = relay->server_fd(), .events = POLLIN});
  ends.push_back({.fd = ended_.get(), .events = POLLIN});
  while (ends.back().revents == 0) {
    if (::poll(ends.data(), ends.size(), -1) < 0) continue;
    for (std::size_t i = 0; i < relays_.size(); ++i) {
      if (ends[i].revents != 0 && !relays_[i]->Drain()) ends[i].fd = -1;
    }
  }
}

}  // namespace tranche::kubelet
