// HttpTransport makes single HTTP exchanges with the API server. It is the interface below the
// client: NewCurlTransport makes the real one.
//
// Threading: the loop's thread. A callback never runs inside Start, nor after the transfer is
// destroyed.
// Errors: `done` gets a reply of any code, or the Status that says why there is none.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::apiserver {

struct HttpRequest {
  Method method = Method::kGet;
  std::string path;  // with its query, escaped
  std::string accept;
  std::string content_type;  // of the body, if there is one
  std::string body;
  std::size_t max_reply_bytes = kMaxReplyBytes;  // of a body that is collected
  base::Duration deadline = std::chrono::seconds(10);
  base::Duration answer_deadline{};  // for the reply's head alone; 0: no bound of its own
};

struct HttpReply {
  int code = 0;
  base::Duration retry_after{};  // what the server asks for; 0: nothing
  std::string body;
};

struct HttpOwner {
  // Where set, a 2xx reply's body comes in pieces as it arrives and is not collected.
  std::function<void(std::string_view bytes)> data;
  // A 2xx reply's head has come. May be empty.
  std::function<void()> opened;
  // The end: a reply of any code, or why there is none.
  std::function<void(base::Result<HttpReply>)> done;
};

// Destroying it ends the exchange.
class HttpTransfer {
 public:
  virtual ~HttpTransfer() = default;
};

class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  [[nodiscard]] virtual std::unique_ptr<HttpTransfer> Start(HttpRequest request,
                                                            HttpOwner owner) = 0;
};

}  // namespace tranche::apiserver
