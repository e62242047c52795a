// Asker asks `tranche node` for its NodeStatus.
//
// Threading: the loop's thread. A callback never runs inside Ask, nor after the object is gone.
// Errors: New refuses an address that is none. An answer that is late, too long or no NodeStatus is
// a Status.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"

namespace tranche::cli::top {

class Asker {
 public:
  // `address`: [host:]port
  static base::Result<std::unique_ptr<Asker>> New(base::EventLoop& loop,
                                                  const std::string& address);

  // One question at a time: where one is under way, nothing happens.
  void Ask(std::function<void(base::Result<base::Json>)> done);
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  std::string url_;
  std::unique_ptr<apiserver::ApiClient> client_;
  std::unique_ptr<apiserver::ApiCall> call_;
  bool asking_ = false;
};

}  // namespace tranche::cli::top
