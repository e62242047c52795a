// NewThrottle makes a transport that sends requests in order and at a limited rate: a token bucket
// of `burst` tokens, filled with `qps` tokens per second.
//
// Threading: the loop's thread.
// Errors: those of the transport below. The time that a request waits counts against its deadline.
#pragma once

#include <memory>

#include "apiserver/http.h"
#include "base/event_loop.h"

namespace tranche::apiserver {

// `qps` <= 0 is no limit; `burst` < 1 counts as 1.
std::unique_ptr<HttpTransport> NewThrottle(base::EventLoop& loop,
                                           std::unique_ptr<HttpTransport> transport, double qps,
                                           int burst);

}  // namespace tranche::apiserver
