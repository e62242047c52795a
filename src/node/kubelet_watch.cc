#include "node/kubelet_watch.h"

#include <memory>
#include <utility>

namespace tranche::node {

using base::Result;

KubeletLister NewKubeletLister(base::EventLoop& loop) {
  return [lister = std::make_shared<kubelet::DeviceLister>(loop)](
             const std::string& socket, KubeletDone done) { lister->Ask(socket, std::move(done)); };
}

KubeletWatch::KubeletWatch(base::EventLoop& loop, std::string socket, KubeletLister lister,
                           Owner owner)
    : loop_(loop),
      socket_(std::move(socket)),
      owner_(std::move(owner)),
      status_(base::Code::kUnavailable,
              socket_.empty() ? "not asked for (--pod-resources-socket)" : "not asked yet"),
      lister_(std::move(lister)),
      timer_(loop),
      soon_(loop),
      runner_(loop) {}

void KubeletWatch::AskSoon() {
  if (soon_.running()) return;
  soon_.Start(kAskSoon, [this] { Ask(); });
}

void KubeletWatch::Ask() {
  // Only one question at a time: so a later answer is never overtaken by an earlier one.
  if (socket_.empty() || asking_) return;
  asking_ = true;
  lister_(socket_,
          runner_.Wrap([this, asked = loop_.Now()](Result<std::optional<KubeletAnswer>> answer) {
            asking_ = false;
            asked_ = asked;
            if (answer.ok() != status_.ok()) owner_.status_changed();
            status_ = answer.status();
            if (answer.ok() && *answer) {
              given_.SetAnswer(std::move((*answer)->holdings), std::move((*answer)->offers));
            }
            owner_.answered();
            timer_.Start(kAsk, [this] { Ask(); });
          }));
}

}  // namespace tranche::node
