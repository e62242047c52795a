// Cluster sends requests to an API server and waits for each answer, as a command that a person
// types needs it.
//
// It runs the loop until the answers are there.
//
// Threading: one thread, which is the loop's.
// Errors: a Status per request. Interrupt() (from a callback of the loop) ends every wait; what has
// no answer by then is kCancelled.
#pragma once

#include <string>
#include <vector>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"

namespace tranche::cli::kubectl {

class Cluster {
 public:
  Cluster(base::EventLoop& loop, apiserver::ApiClient& api) : loop_(loop), api_(api) {}

  base::Result<base::Json> Ask(apiserver::ApiRequest request);
  base::Result<base::Json> Get(const std::string& path);
  // At once, but no more than a few at a time; the answers in the order of the questions.
  std::vector<base::Result<base::Json>> AskAll(std::vector<apiserver::ApiRequest> requests);
  // The items of a collection, page by page. `query` without "?", may be "".
  base::Result<base::Json::Array> List(const std::string& path, const std::string& query);

  void Wait(base::Duration duration);
  [[nodiscard]] base::TimePoint Now() const { return loop_.Now(); }
  void Interrupt();
  [[nodiscard]] bool interrupted() const { return interrupted_; }

 private:
  base::EventLoop& loop_;
  apiserver::ApiClient& api_;
  bool interrupted_ = false;
};

}  // namespace tranche::cli::kubectl
