#include "node/kubelet_watch.h"

#include <memory>
#include <utility>

#include "kubelet/rpc_client.h"

namespace tranche::node {

using base::Result;
using base::Status;

KubeletLister NewKubeletLister(base::EventLoop& loop) {
  const std::shared_ptr<kubelet::RpcCaller> caller = kubelet::RpcCaller::New(loop);
  return
      [caller = caller.get(), kept = caller](const std::string& socket, const KubeletDone& done) {
        const auto held = [=](Result<std::vector<kubelet::Holding>> holdings) {
          if (!holdings.ok()) return done(holdings.status());
          const auto answer = std::make_shared<KubeletAnswer>();
          answer->holdings = std::move(*holdings);
          kubelet::ListOffers(*caller, socket, [=](Result<std::vector<kubelet::Offer>> offers) {
            if (offers.ok()) answer->offers = std::move(*offers);
            done(std::move(*answer));
          });
        };
        kubelet::ListHoldings(*caller, socket, held);
      };
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
  lister_(socket_, runner_.Wrap([this, asked = loop_.Now()](Result<KubeletAnswer> answer) {
    asking_ = false;
    asked_ = asked;
    if (answer.ok() != status_.ok()) owner_.status_changed();
    status_ = answer.status();
    if (answer.ok()) given_.SetAnswer(std::move(answer->holdings), std::move(answer->offers));
    owner_.answered();
    timer_.Start(kAsk, [this] { Ask(); });
  }));
}

}  // namespace tranche::node
