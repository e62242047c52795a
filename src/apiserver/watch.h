// One collection kept in sight over an HttpTransport: the list, then the watch, for ever.
//
// The loop's thread; an owner's callback may destroy the watch. See ApiWatch in api_client.h.
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
