// What an agent does whose node a newer one serves: nothing, until it is told to end or the node is
// without an agent again.
//
// In a pod it must not just exit: the kubelet would restart the container, the restarted agent
// would be the newer one and take the node back, and the two would alternate, with ever longer
// back-offs. A pod that is being replaced is told to end in a moment; one of a second release, or
// one whose successor fails, stands by. Probes are answered meanwhile: alive, and not ready.
//
// It waits for agents only. A lock that something else holds is given kLooks looks, in which an
// agent that has just come has written its note; then the node is served again.
//
// Threading: the loop's thread.
// Errors: none.
#pragma once

#include <functional>
#include <string>

#include "base/event_loop.h"
#include "base/timer.h"
#include "daemon/endpoints.h"

namespace tranche::daemon::handover {

// Why an agent no longer stands by: the node is without an agent, or it was told to end.
enum class StandByEnd { kServeAgain, kToldToEnd };

class StandBy {
 public:
  static constexpr int kLooks = 3;

  // `directory` is the handover's; `listen` as Endpoints says. `ended` is called once.
  StandBy(base::EventLoop& loop, std::string directory, const std::string& listen,
          std::function<void(StandByEnd)> ended);
  StandBy(const StandBy&) = delete;
  StandBy& operator=(const StandBy&) = delete;

  void OnSignal(int number);

 private:
  void LookForAgent();

  const std::string directory_;
  std::function<void(StandByEnd)> ended_;
  Endpoints endpoints_;
  int without_agent_ = 0;  // looks in a row that found a lock and no agent
  base::Timer look_timer_;
};

}  // namespace tranche::daemon::handover
