#include "daemon/endpoints.h"

#include <utility>

namespace tranche::daemon {

Endpoints::Endpoints(base::EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)), timer_(loop) {}

void Endpoints::Answer(const std::string& path, std::function<http::Answer()> answer) {
  routes_.push_back({.path = path, .answer = std::move(answer)});
}

void Endpoints::AddMetrics(std::function<std::string()> text) {
  if (metrics_.empty()) Answer("/metrics", [this] { return Metrics(); });
  metrics_.push_back(std::move(text));
}

http::Answer Endpoints::Metrics() const {
  http::Answer answer{.content_type = "text/plain; version=0.0.4; charset=utf-8"};
  for (const auto& text : metrics_) {
    std::string more = text();  // a page may have a megabyte
    if (answer.body.empty()) {
      answer.body = std::move(more);
    } else {
      answer.body += more;
    }
  }
  return answer;
}

void Endpoints::Start() {
  if (options_.listen.empty()) return;
  if (options_.first_try == base::Duration::zero()) return Listen();
  timer_.Start(options_.first_try, [this] { Listen(); });
}

void Endpoints::Listen() {
  auto server = http::NewServer(loop_, options_.listen);
  if (!server.ok()) {
    if (options_.unavailable) options_.unavailable(server.status());
    timer_.Start(options_.retry, [this] { Listen(); });
    return;
  }
  server_ = std::move(*server);
  for (const Route& route : routes_) server_->Handle(route.path, route.answer);
}

int Endpoints::port() const { return server_ == nullptr ? 0 : server_->port(); }

}  // namespace tranche::daemon
