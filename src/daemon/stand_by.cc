#include "daemon/stand_by.h"

#include <csignal>
#include <utility>

#include "base/log.h"
#include "daemon/handover.h"

namespace tranche::daemon {

namespace {

constexpr base::Duration kLook = std::chrono::seconds(1);
// The agent that serves has the first right to a port that both would have; the kubelet gives up a
// pod that does not answer only after a minute.
constexpr base::Duration kListen = std::chrono::seconds(5);

}  // namespace

StandBy::StandBy(base::EventLoop& loop, std::string directory, std::string listen,
                 std::function<void(bool serve_again)> ended)
    : loop_(loop),
      directory_(std::move(directory)),
      listen_(std::move(listen)),
      ended_(std::move(ended)) {
  base::LogInfo("standing by: another agent serves this node");
  look_timer_ = loop_.RunAfter(kLook, [this] { Look(); });
  if (!listen_.empty()) listen_timer_ = loop_.RunAfter(kListen, [this] { Listen(); });
}

StandBy::~StandBy() {
  loop_.CancelTimer(look_timer_);
  loop_.CancelTimer(listen_timer_);
}

void StandBy::OnSignal(int number) {
  if (number != SIGTERM && number != SIGINT && number != SIGQUIT) return;
  base::LogInfo("ending", {base::Kv("signal", number)});
  ended_(false);
}

void StandBy::Look() {
  look_timer_ = 0;
  if (AgentIsThere(directory_)) {
    look_timer_ = loop_.RunAfter(kLook, [this] { Look(); });
    return;
  }
  base::LogWarning("this node is without an agent, serving it again");
  ended_(true);
}

void StandBy::Listen() {
  listen_timer_ = 0;
  auto server = base::NewHttpServer(loop_, listen_);
  if (!server.ok()) {
    listen_timer_ = loop_.RunAfter(kListen, [this] { Listen(); });
    return;
  }
  http_ = std::move(*server);
  const std::string why = "standing by: another agent serves this node\n";
  http_->Handle("/livez", [why] { return base::HttpAnswer{.body = why}; });
  http_->Handle("/readyz", [why] { return base::HttpAnswer{.status = 503, .body = why}; });
}

}  // namespace tranche::daemon
