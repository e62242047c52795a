#include "web/page.h"

#include <utility>

#include "base/document/api_version.h"
#include "http/event_text.h"
#include "http/tcp_listener.h"
#include "web/assets.h"

namespace tranche::web {
namespace {

using base::Code;
using base::Json;
using base::Status;

constexpr char kEvents[] = "/api/v1/events";
constexpr base::Duration kRetry = std::chrono::seconds(1);

// The page needs nothing but its own files and the documents beside it; nothing else may run in it,
// frame it, or be sent from it.
constexpr char kPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

http::ServerOptions ServerOptions() {
  return {.local_names_only = true,
          .headers = {{"Content-Security-Policy", kPolicy},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Resource-Policy", "same-origin"},
                      {"Cross-Origin-Opener-Policy", "same-origin"}}};
}

}  // namespace

Page::Page(base::EventLoop& loop, Options options, Sources sources)
    : loop_(loop), options_(std::move(options)), sources_(std::move(sources)), timer_(loop) {}

void Page::Start() {
  if (!options_.listen.empty()) Listen();
}

int Page::port() const { return server_ == nullptr ? 0 : server_->port(); }

void Page::Listen() {
  auto server = http::NewServer(loop_, options_.listen, ServerOptions());
  if (!server.ok()) {
    if (options_.unavailable) options_.unavailable(server.status());
    timer_.Start(kRetry, [this] { Listen(); });
    return;
  }
  server_ = std::move(*server);
  for (const Asset& asset : Assets()) {
    server_->Handle(std::string(asset.path), [&asset] {
      return http::Answer{.content_type = std::string(asset.content_type),
                          .body = std::string(asset.bytes)};
    });
  }
  const auto document = [this](const std::string& path, const std::function<Json()>& make) {
    server_->Handle(path, [&make] {
      return http::Answer{.content_type = "application/json", .body = make().Dump() + "\n"};
    });
  };
  document("/api/v1/node", sources_.node);
  document("/api/v1/history", sources_.history);
  server_->HandleStream(kEvents, [this] { return Update(sources_.history()); });
  SendUpdates();
}

void Page::SendUpdates() {
  timer_.Start(kUpdate, [this] { SendUpdates(); });
  if (server_->streams() > 0) server_->Send(kEvents, Update(sources_.newest()));
}

std::string Page::Update(const Json& history) const {
  return http::EventText("update", Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                                                     {"kind", "NodeUpdate"},
                                                     {"node", sources_.node()},
                                                     {"history", history}})
                                       .Dump());
}

Status CheckPageAddress(const std::string& listen) {
  TRANCHE_TRY(http::CheckTcpAddress(listen));
  if (listen.starts_with("127.") || listen.starts_with("[::1]:")) return Status::Ok();
  return {Code::kInvalidArgument,
          "the page is served on this machine's own address only, such as 127.0.0.1:9437; from "
          "elsewhere it is reached by kubectl port-forward"};
}

}  // namespace tranche::web
