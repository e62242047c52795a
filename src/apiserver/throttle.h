// A transport that lets requests through at a limited rate, in order: a token bucket of `burst`,
// filled `qps` a second. The time a request waits counts against its deadline.
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
