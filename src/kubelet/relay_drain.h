// Passes on what gRPC says to its clients while the loop's thread waits for gRPC to end.
//
// A server that ends waits for what it is still writing to a connection. The relays that would take
// it are the loop's, and the loop does not turn meanwhile. A client that takes no more is cut off,
// so that nobody keeps a server from ending.
//
// Threading: made and destroyed on the loop's thread; the relays are a thread's own in between.
// Errors: where there is no thread or descriptor to be had, all connections are closed at once.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/file.h"
#include "kubelet/call_relay.h"

namespace tranche::kubelet {

class RelayDrain {
 public:
  explicit RelayDrain(std::vector<std::unique_ptr<CallRelay>> relays);
  RelayDrain(const RelayDrain&) = delete;
  RelayDrain& operator=(const RelayDrain&) = delete;
  // Once all that gRPC has said has been passed on.
  ~RelayDrain();

 private:
  void PassOn();

  std::vector<std::unique_ptr<CallRelay>> relays_;
  base::UniqueFd ended_;  // an eventfd: gRPC says no more
  std::thread thread_;
};

}  // namespace tranche::kubelet
