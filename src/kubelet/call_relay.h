// Stands between a client of a gRPC server and gRPC: passes on the bytes of one connection, and
// closes it where the client has begun more calls than the server can have in hand.
//
// gRPC lets a client have so many calls at a time, but one that resets each call at once (HTTP/2
// rapid reset) begins the next one. gRPC reads whatever there is to read before it tells us of a
// call, and keeps each that has been reset until then. So it is counted here, before gRPC reads.
//
// Bytes that one side does not take are waited for before more is read of the other: a relay holds
// at most what it has read at once.
//
// Threading: the loop's thread, until it leaves the loop.
// Errors: a connection that fails on either side is over, as one that is closed is.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/file.h"
#include "kubelet/open_calls.h"

namespace tranche::kubelet {

class CallRelay {
 public:
  // `server` is the near end of a pair whose far end is gRPC's. Both descriptors never block.
  // `over`: gRPC has closed its end; it may destroy the relay.
  CallRelay(base::EventLoop& loop, base::UniqueFd client, base::UniqueFd server,
            long max_open_calls, std::function<void()> over);
  CallRelay(const CallRelay&) = delete;
  CallRelay& operator=(const CallRelay&) = delete;
  ~CallRelay();

  // The loop passes on no more of it, so that another thread can.
  void LeaveLoop();
  // Passes on what the server has said by now; a client that does not take it at once is cut off.
  // False once gRPC has closed its end.
  bool Drain();
  [[nodiscard]] int server_fd() const { return server_.fd.get(); }

 private:
  static constexpr std::size_t kReadBytes = 16U << 10U;
  enum class Waits { kForNothing, kToRead, kToWrite };
  enum class Passed { kSome, kNothing, kOver };
  struct End {
    base::UniqueFd fd;
    std::string unsent;   // what it has not taken yet
    bool silent = false;  // nothing more comes from it
    Waits waits = Waits::kForNothing;
    base::EventLoop::WatchId watch = 0;
  };

  void Ready(End& end);
  Passed Pass(End& end);
  Passed Received(End& from, std::string_view bytes);
  Passed Send(End& to, std::string_view bytes);
  Passed Broken(End& end);
  Passed CloseClient();
  void Wait(End& end, const End& other);
  void Stop(End& end);

  base::EventLoop& loop_;
  End client_;
  End server_;
  const long max_open_calls_;
  std::function<void()> over_;
  OpenCalls calls_;
};

}  // namespace tranche::kubelet
