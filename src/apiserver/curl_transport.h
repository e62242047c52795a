// HTTP by libcurl's multi interface, its sockets and timers on the event loop.
//
// HTTP/1.1 over TLS 1.2 or later; plain HTTP to a loopback address only. No redirect is followed,
// no proxy used but the one configured. The transport may go before its transfers: they end then.
#pragma once

#include <memory>
#include <string>

#include "apiserver/config.h"
#include "apiserver/http.h"
#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::apiserver {

base::Result<std::unique_ptr<HttpTransport>> NewCurlTransport(base::EventLoop& loop,
                                                              ApiConfig config,
                                                              std::string user_agent);

}  // namespace tranche::apiserver
