#include "daemon/handover/stand_by.h"

#include <csignal>
#include <utility>

#include "base/log.h"
#include "daemon/handover/note.h"

namespace tranche::daemon::handover {

namespace {

constexpr base::Duration kLook = std::chrono::seconds(1);
// The agent that serves has the first right to a port that both would have; the kubelet gives up a
// pod that does not answer only after a minute.
constexpr base::Duration kListen = std::chrono::seconds(5);

}  // namespace

StandBy::StandBy(base::EventLoop& loop, std::string directory, const std::string& listen,
                 std::function<void(StandByEnd)> ended)
    : directory_(std::move(directory)),
      ended_(std::move(ended)),
      endpoints_(loop,
                 {.listen = listen, .first_try = kListen, .retry = kListen, .unavailable = {}}),
      look_timer_(loop) {
  base::LogInfo("standing by: another agent serves this node");
  const std::string why = "standing by: another agent serves this node\n";
  endpoints_.Answer("/livez", [why] { return http::Answer{.body = why}; });
  endpoints_.Answer("/readyz", [why] { return http::Answer{.status = 503, .body = why}; });
  endpoints_.Start();
  look_timer_.Start(kLook, [this] { LookForAgent(); });
}

void StandBy::OnSignal(int number) {
  if (number != SIGTERM && number != SIGINT && number != SIGQUIT) return;
  base::LogInfo("ending", {base::Kv("signal", number)});
  ended_(StandByEnd::kToldToEnd);
}

void StandBy::LookForAgent() {
  const Presence presence = handover::LookForAgent(directory_);
  const bool held = !presence.held_by_no_agent.empty();
  without_agent_ = held ? without_agent_ + 1 : 0;
  if (presence.agent || (held && without_agent_ < kLooks)) {
    look_timer_.Start(kLook, [this] { LookForAgent(); });
    return;
  }
  if (held) {
    base::LogWarning("this node is without an agent, and something else holds its lock",
                     {base::Kv("file", presence.held_by_no_agent)});
  }
  base::LogWarning("this node is without an agent, serving it again");
  ended_(StandByEnd::kServeAgain);
}

}  // namespace tranche::daemon::handover
