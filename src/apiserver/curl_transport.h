// NewCurlTransport makes an HttpTransport of libcurl's multi interface, whose sockets and timers
// run on the event loop.
//
// It speaks HTTP/1.1 over TLS 1.2 or later, and plain HTTP to a loopback address only. It follows
// no redirect and uses no proxy but the configured one. The transport may be destroyed before its
// transfers, which then end.
//
// Threading: the loop's thread.
// Errors: NewCurlTransport returns a Status; an exchange that fails reports it by its callback.
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
