// HTTP/2's side of a connection that carries gRPC's calls, of a client or of a server: bytes in,
// bytes out, and what has happened on its streams. nghttp2 speaks HTTP/2; the messages are ours.
//
// It holds a message of each stream in each direction and one more in waiting. A client that resets
// its calls as fast as it begins them is cut off by nghttp2.
//
// Threading: one thread at a time.
// Errors: a Status once the connection is of no use any more. A call for a stream that has gone
// does nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "rpc/messages.h"
#include "rpc/stream_head.h"

struct nghttp2_session;

namespace tranche::rpc {

using StreamId = std::int32_t;

enum class Side { kClient, kServer };

struct SessionLimits {
  std::size_t max_message_bytes;
  std::shared_ptr<UnfinishedBytes> unfinished;
};

struct StreamEvent {
  enum class What {
    kMessage,  // a whole one, with the head that came before it
    kRefused,  // a message that cannot be taken, for `why`; nothing more of the stream is read
    kEnd,      // the other side says no more on it; `head` is all that it has said
    kClosed    // the stream has gone, with HTTP/2's code of the error (0: none)
  };

  What what;
  StreamId stream;
  StreamHead head = {};
  std::string message = {};
  base::Status why = {};
  std::uint32_t http2_error = 0;
};

class Session {
 public:
  Session(Side side, SessionLimits limits);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  base::Status Read(std::string_view bytes);
  // Appends what there is to say to `bytes`, until they are at least `enough`.
  base::Status Write(std::string& bytes, std::size_t enough);
  // What has happened since the last time, in its order.
  std::vector<StreamEvent> TakeEvents() { return std::exchange(events_, {}); }
  [[nodiscard]] bool has_events() const { return !events_.empty(); }
  [[nodiscard]] bool Has(StreamId stream) const { return streams_.contains(stream); }

  // A client's call with its one message; `timeout` (0: none) is told to the server. kUnavailable:
  // the connection takes no further calls.
  base::Result<StreamId> Call(const std::string& method, std::string message,
                              base::Duration timeout);
  void Reset(StreamId stream);

  // A server's answer. While a message is on its way only the newest waits.
  void Send(StreamId stream, std::shared_ptr<const std::string> message);
  void Finish(StreamId stream, const base::Status& status);

 private:
  struct Stream;
  struct Callbacks;

  Stream* Find(StreamId stream);
  void Answer(StreamId id, Stream& stream);

  const Side side_;
  SessionLimits limits_;
  nghttp2_session* session_ = nullptr;
  std::map<StreamId, std::unique_ptr<Stream>> streams_;
  std::vector<StreamEvent> events_;
};

}  // namespace tranche::rpc
