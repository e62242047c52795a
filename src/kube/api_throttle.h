// A transport that lets requests through at a limited rate, in order: a token bucket of `burst`,
// filled `qps` a second. The time a request waits counts against its deadline.
#pragma once

#include <memory>

#include "base/event_loop.h"
#include "kube/api_http.h"

namespace tranche::kube {

// `qps` <= 0 is no limit; `burst` < 1 counts as 1.
std::unique_ptr<HttpTransport> NewThrottle(base::EventLoop& loop,
                                           std::unique_ptr<HttpTransport> transport, double qps,
                                           int burst);

}  // namespace tranche::kube
