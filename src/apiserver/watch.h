// NewApiWatch follows one collection over an HttpTransport for ever: it lists it, then watches it.
// See ApiWatch in client.h.
//
// Threading: the loop's thread. A callback of the owner may destroy the watch.
// Errors: failures are retried for ever, and reported by Owner::state.
#pragma once

#include <functional>
#include <memory>

#include "apiserver/client.h"
#include "apiserver/http.h"
#include "base/event_loop.h"

namespace tranche::apiserver {

// `random` gives numbers of [0, 1). The loop outlives the watch.
std::unique_ptr<ApiWatch> NewApiWatch(base::EventLoop& loop,
                                      std::shared_ptr<HttpTransport> transport,
                                      std::function<double()> random, WatchSpec spec,
                                      ApiWatch::Owner owner);

}  // namespace tranche::apiserver
