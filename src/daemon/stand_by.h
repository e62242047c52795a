// What an agent does whose node a newer one serves: nothing, until it is told to end or the node is
// without an agent again.
//
// In a pod it may not simply end: the kubelet would start its container anew, which were the newer
// of the two then and took the node back, and so on, each time after a longer back-off. A pod that
// is being replaced is told to end in a moment; one of a second release, or one whose successor
// fails, stands by. Probes are answered meanwhile: alive, and not ready. The loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/http_server.h"

namespace tranche::daemon {

class StandBy {
 public:
  // `directory` is the handover's; `listen` as AgentOptions says. `ended` is told once: whether the
  // node is to be served again, else this one was told to end.
  StandBy(base::EventLoop& loop, std::string directory, std::string listen,
          std::function<void(bool serve_again)> ended);
  ~StandBy();
  StandBy(const StandBy&) = delete;
  StandBy& operator=(const StandBy&) = delete;

  void OnSignal(int number);

 private:
  void Look();
  void Listen();

  base::EventLoop& loop_;
  const std::string directory_;
  const std::string listen_;
  std::unique_ptr<base::HttpServer> http_;
  base::EventLoop::TimerId look_timer_ = 0;
  base::EventLoop::TimerId listen_timer_ = 0;
  std::function<void(bool serve_again)> ended_;
};

}  // namespace tranche::daemon
