#include "cli/kubectl/cluster.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "base/json_read.h"
#include "base/timer.h"

namespace tranche::cli::kubectl {

namespace {

using base::Json;
using base::Result;
using base::Status;

constexpr std::size_t kAtOnce = 64;
constexpr int kPageSize = 500;  // as kubectl's
constexpr int kMaxPages = 400;

}  // namespace

Result<Json> Cluster::Ask(apiserver::ApiRequest request) {
  std::vector<apiserver::ApiRequest> one;
  one.push_back(std::move(request));
  return std::move(AskAll(std::move(one)).front());
}

Result<Json> Cluster::Get(const std::string& path) { return Ask({.path = path}); }

std::vector<Result<Json>> Cluster::AskAll(std::vector<apiserver::ApiRequest> requests) {
  std::vector<std::optional<Result<Json>>> answers(requests.size());
  for (std::size_t begin = 0; begin < requests.size() && !interrupted_; begin += kAtOnce) {
    const std::size_t end = std::min(requests.size(), begin + kAtOnce);
    std::size_t missing = end - begin;
    std::vector<std::unique_ptr<apiserver::ApiCall>> calls;
    calls.reserve(missing);
    for (std::size_t i = begin; i < end; ++i) {
      calls.push_back(api_.Send(std::move(requests[i]), [&, i](Result<Json> answer) {
        answers[i].emplace(std::move(answer));
        if (--missing == 0) loop_.Stop();
      }));
    }
    while (missing > 0 && !interrupted_) loop_.Run();
  }
  std::vector<Result<Json>> out;
  out.reserve(answers.size());
  for (std::optional<Result<Json>>& answer : answers) {
    if (answer) {
      out.push_back(*std::move(answer));
    } else {
      out.emplace_back(Status(base::Code::kCancelled, "interrupted"));
    }
  }
  return out;
}

Result<Json::Array> Cluster::List(const std::string& path, const std::string& query) {
  Json::Array items;
  std::string next;
  for (int page = 0; page < kMaxPages; ++page) {
    std::string asked = path + "?limit=" + std::to_string(kPageSize);
    if (!query.empty()) asked.append("&").append(query);
    if (!next.empty()) asked.append("&continue=").append(apiserver::EscapeSegment(next));
    const auto answer = Get(asked);
    if (!answer.ok()) return answer.status();
    const Json::Array& more = base::ItemsAt(*answer, "items");
    items.insert(items.end(), more.begin(), more.end());
    next = base::TextAt(*answer, {"metadata", "continue"});
    if (next.empty()) return items;
  }
  return Status(base::Code::kResourceExhausted, path + " has more pages than are read");
}

void Cluster::Wait(base::Duration duration) {
  bool over = false;
  base::Timer timer(loop_);
  timer.Start(duration, [&] {
    over = true;
    loop_.Stop();
  });
  while (!over && !interrupted_) loop_.Run();
}

void Cluster::Interrupt() {
  interrupted_ = true;
  loop_.Stop();
}

}  // namespace tranche::cli::kubectl
