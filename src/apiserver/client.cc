#include "apiserver/client.h"

#include <random>
#include <utility>

#include "apiserver/curl_transport.h"
#include "apiserver/reply.h"
#include "apiserver/throttle.h"
#include "apiserver/watch.h"
#include "base/backoff.h"

namespace tranche::apiserver {

using base::Json;
using base::Result;

namespace {

// https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply. JSON is YAML.
const char* ContentType(const ApiRequest& request) {
  if (request.method != Method::kPatch) return "application/json";
  return request.patch == PatchKind::kApply ? "application/apply-patch+yaml"
                                            : "application/merge-patch+json";
}

class Call final : public ApiCall {
 public:
  std::unique_ptr<HttpTransfer> transfer;
};

class Client final : public ApiClient {
 public:
  Client(base::EventLoop& loop, std::unique_ptr<HttpTransport> transport)
      : loop_(loop), transport_(std::move(transport)), engine_(std::random_device{}()) {}

  std::unique_ptr<ApiCall> Send(ApiRequest request, ApiDone done) override {
    HttpRequest http;
    http.method = request.method;
    http.accept = AcceptHeader(request.path, request.form);
    http.path = std::move(request.path);
    if (request.body) {
      http.body = request.body->Dump();
      http.content_type = ContentType(request);
    }
    http.deadline = request.deadline;
    auto call = std::make_unique<Call>();
    call->transfer = transport_->Start(
        std::move(http),
        {.done = [done = std::move(done), form = request.form](Result<HttpReply> reply) {
          if (!reply.ok()) return done(reply.status());
          done(ReadReply(std::move(reply).value(), form));
        }});
    return call;
  }

  std::unique_ptr<ApiWatch> Watch(WatchSpec spec, ApiWatch::Owner owner) override {
    return NewApiWatch(loop_, transport_, base::SeededRandom(static_cast<std::uint32_t>(engine_())),
                       std::move(spec), std::move(owner));
  }

 private:
  base::EventLoop& loop_;
  std::shared_ptr<HttpTransport> transport_;  // shared: a watch may outlive the client
  std::mt19937 engine_;
};

}  // namespace

Result<std::unique_ptr<ApiClient>> NewApiClient(base::EventLoop& loop, ApiConfig config,
                                                ApiClientOptions options) {
  const std::string where = config.where;
  auto transport = NewCurlTransport(loop, std::move(config), std::move(options.user_agent));
  if (!transport.ok()) return where.empty() ? transport.status() : transport.status().Wrap(where);
  return std::unique_ptr<ApiClient>(std::make_unique<Client>(
      loop, NewThrottle(loop, std::move(transport).value(), options.qps, options.burst)));
}

}  // namespace tranche::apiserver
