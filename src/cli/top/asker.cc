#include "cli/top/asker.h"

#include <utility>

#include "base/text.h"
#include "cli/common/version.h"

namespace tranche::cli::top {

namespace {

using base::Json;
using base::Result;
using base::Status;

// `tranche node` answers within milliseconds; what takes longer does not answer.
constexpr base::Duration kDeadline = std::chrono::seconds(3);
constexpr double kOftenEnough = 100;

// The client speaks of an API server, which this is not, and names it, as whoever asks does too.
Status OfThis(const Status& status, const std::string& url) {
  const std::string prefix = "API server " + url + ": ";
  if (!status.message().starts_with(prefix)) return status;
  return {status.code(), status.message().substr(prefix.size())};
}

}  // namespace

Result<std::unique_ptr<Asker>> Asker::New(base::EventLoop& loop, const std::string& address) {
  auto asker = std::make_unique<Asker>();
  asker->url_ = "http://" + (base::AllDigits(address) ? "127.0.0.1:" : std::string()) + address;
  apiserver::ApiConfig config;
  config.server = asker->url_;
  config.plain_http = true;
  auto client =
      apiserver::NewApiClient(loop, std::move(config),
                              {.qps = kOftenEnough,
                               .burst = static_cast<int>(kOftenEnough),
                               .user_agent = std::string("tranche-top/") + cli::common::kVersion});
  if (!client.ok()) return OfThis(client.status(), asker->url_);
  asker->client_ = std::move(*client);
  return asker;
}

void Asker::Ask(std::function<void(Result<Json>)> done) {
  if (std::exchange(asking_, true)) return;
  call_ = client_->Send(
      {.path = "/status", .form = apiserver::ReplyForm::kText, .deadline = kDeadline},
      [this, done = std::move(done)](const Result<Json>& answer) {
        asking_ = false;
        if (!answer.ok()) return done(OfThis(answer.status(), url_));
        auto status = Json::Parse(answer->is_string() ? answer->as_string() : answer->Dump());
        done(status.ok() ? std::move(status) : status.status().Wrap("the answer cannot be read"));
      });
}

}  // namespace tranche::cli::top
