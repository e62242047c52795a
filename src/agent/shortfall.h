// Shortfall is what the plan in force promises and this node does not give: what was odd about it
// when it was made, and which advertised devices cannot be given to a container now. Each is told
// once.
//
// Threading: the loop's thread.
// Errors: none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/status.h"
#include "daemon/event.h"
#include "plan/as_advertised.h"
#include "plan/plan.h"

namespace tranche::agent {

class Shortfall {
 public:
  struct Owner {
    // As the driver says. A GPU that is unhealthy anyway has had an event of its own.
    std::function<bool(const std::string& uuid)> healthy;
    daemon::RaiseEvent event;
  };

  Shortfall(base::EventLoop& loop, Owner owner);

  // Another plan comes into force, of the config at `source`.
  void SetPlan(const plan::Plan& plan, const std::string& source);
  // Which of its devices are unfit now; whether they are others than before.
  bool SetUnfit(const plan::Plan& plan, plan::Unfit unfit);

  // "FILE:LINE: …"
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  [[nodiscard]] const plan::Unfit& unfit() const { return unfit_; }
  // Why one of these devices cannot be given to a container.
  [[nodiscard]] base::Status Check(const std::vector<std::string>& uuids) const;

 private:
  void RaiseNew(const plan::Plan& plan, const plan::Unfit& before) const;

  base::EventLoop& loop_;
  const Owner owner_;
  std::vector<std::string> warnings_;
  plan::Unfit unfit_;
  base::OncePer rarely_;
};

}  // namespace tranche::agent
