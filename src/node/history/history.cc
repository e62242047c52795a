#include "node/history/history.h"

#include <algorithm>
#include <cmath>

#include "base/document/api_version.h"
#include "base/log.h"

namespace tranche::node::history {
namespace {

using base::Json;
using sight::Account;

// The driver tells of its samples now and then: what is less than this is no measurement yet.
constexpr double kLeastSeconds = 0.2;
// A step in which it told nothing is as the one before, for so many steps.
constexpr int kSameForSteps = 3;

Json Tenths(float value) {
  if (std::isnan(value)) return {};
  return Json(std::round(static_cast<double>(value) * 10) / 10);
}

Json Bytes(float value) {
  if (std::isnan(value)) return {};
  return Json(static_cast<std::int64_t>(value));
}

}  // namespace

void History::Add(double now, const std::map<std::string, Account>& accounts) {
  const auto step = static_cast<std::int64_t>(std::floor(now / kStepSeconds));
  if (step == step_) return;
  BeginStep(step);
  for (const auto& [uuid, account] : accounts) {
    const float used = account.memory ? static_cast<float>(account.memory->used) : kUnknown;
    OfDevice& device = devices_[uuid];
    AddPoint(device, {},
             {.busy_seconds = account.busy_seconds + account.UnnamedSeconds(),
              .measured_seconds = account.measured_seconds},
             used);
    for (const auto& [holder, use] : account.pods) {
      AddPoint(device, holder,
               {.busy_seconds = use.gpu_seconds, .measured_seconds = account.measured_seconds},
               static_cast<float>(use.memory_bytes));
    }
  }
  EndStep();
}

void History::BeginStep(std::int64_t step) {
  // A clock that was set tells nothing of how long anything took.
  if (step < step_ || step - step_ > static_cast<std::int64_t>(kPoints)) {
    devices_.clear();
    count_ = 0;
  }
  const auto steps = static_cast<std::size_t>(step - step_);
  for (auto& [uuid, device] : devices_) {
    for (auto& [holder, series] : device) {
      series.points.resize(series.points.size() + steps);
      if (series.points.size() > kPoints) {
        const auto over = static_cast<std::ptrdiff_t>(series.points.size() - kPoints);
        series.points.erase(series.points.begin(), series.points.begin() + over);
      }
    }
  }
  step_ = step;
}

void History::EndStep() {
  count_ = 0;
  for (auto& [uuid, device] : devices_) {
    std::erase_if(device, [this](const auto& one) { return one.second.seen != step_; });
    count_ += device.size();
  }
  std::erase_if(devices_, [](const auto& device) { return device.second.empty(); });
}

void History::AddPoint(OfDevice& device, const sight::Holder& holder, const Counted& counted,
                       float memory_bytes) {
  auto it = device.find(holder);
  if (it == device.end()) {
    if (count_ >= kMaxSeries) return;
    ++count_;
    it = device.emplace(holder, Series{.points = {Point{}}, .before = counted}).first;
    it->second.points.reserve(kPoints + 1);
    it->second.steps_without = kSameForSteps;  // there is no earlier point to repeat
  }
  Series& series = it->second;
  series.seen = step_;
  series.points.back() = {.busy_percent = Busy(series, counted), .memory_bytes = memory_bytes};
}

float History::Busy(Series& series, const Counted& counted) {
  const double seconds = counted.measured_seconds - series.before.measured_seconds;
  if (seconds < 0) series.before = counted;  // the GPU was away, and begins anew
  if (seconds < kLeastSeconds) {
    const std::size_t size = series.points.size();
    if (++series.steps_without > kSameForSteps || size < 2) return kUnknown;
    return series.points[size - 2].busy_percent;
  }
  const double busy = counted.busy_seconds - series.before.busy_seconds;
  series.before = counted;
  series.steps_without = 0;
  return static_cast<float>(std::clamp(100 * busy / seconds, 0.0, 100.0));
}

void History::PutPoints(Json& into, const Series& series, std::size_t points) {
  Json busy = Json::MakeArray();
  Json memory = Json::MakeArray();
  const std::size_t count = series.points.size();
  for (std::size_t i = count - std::min(points, count); i < count; ++i) {
    busy.Append(Tenths(series.points[i].busy_percent));
    memory.Append(Bytes(series.points[i].memory_bytes));
  }
  into.Set("busyPercent", std::move(busy));
  into.Set("memoryBytes", std::move(memory));
}

Json History::ToJson(std::size_t points) const {
  Json devices = Json::MakeArray();
  for (const auto& [uuid, all] : devices_) {
    Json device = Json::MakeObject({{"uuid", base::Printable(uuid)}});
    Json pods = Json::MakeArray();
    for (const auto& [holder, series] : all) {
      if (holder == sight::Holder{}) {
        PutPoints(device, series, points);
        continue;
      }
      Json pod = Json::MakeObject({{"namespace", base::Printable(holder.pod_namespace)},
                                   {"pod", base::Printable(holder.pod)},
                                   {"container", base::Printable(holder.container)},
                                   {"uid", base::Printable(holder.pod_uid)}});
      PutPoints(pod, series, points);
      pods.Append(std::move(pod));
    }
    device.Set("pods", std::move(pods));
    devices.Append(std::move(device));
  }
  return Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                           {"kind", "NodeHistory"},
                           {"stepSeconds", kStepSeconds},
                           {"endTime", step_ * kStepSeconds},
                           {"devices", std::move(devices)}});
}

}  // namespace tranche::node::history
