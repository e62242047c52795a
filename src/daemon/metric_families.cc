#include "daemon/metric_families.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

#include "base/log.h"
#include "base/status.h"

namespace tranche::daemon {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr std::size_t kMaxLabelBytes = 128;

}  // namespace

struct MetricFamilies::Families {
  const MetricText* text = nullptr;
  std::vector<MetricFamily> all;
  std::set<Labels> seen;  // of the one opened last
};

MetricFamilies::MetricFamilies(const std::vector<MetricText>& table, std::string prefix,
                               std::size_t most_series)
    : table_(table),
      prefix_(std::move(prefix)),
      most_series_(most_series),
      families_(std::make_unique<Families>()) {}

MetricFamilies::~MetricFamilies() = default;

void MetricFamilies::Open(std::string_view name) {
  const auto text = std::ranges::find(table_, prefix_ + std::string(name), &MetricText::name);
  TRANCHE_CHECK(text != table_.end());
  families_->text = &*text;
  families_->all.push_back(
      {.name = text->name,
       .help = text->help,
       .type = text->kind == MetricKind::kCounter ? MetricType::Counter : MetricType::Gauge,
       .metric = {}});
  families_->seen.clear();
}

void MetricFamilies::Add(const std::vector<std::string>& label_values, double value) {
  const MetricText& text = *families_->text;
  TRANCHE_CHECK(label_values.size() == text.labels.size());
  Labels labels;
  for (std::size_t i = 0; i < label_values.size(); ++i) {
    labels.push_back({text.labels[i], base::Printable(label_values[i], kMaxLabelBytes)});
  }
  MetricFamily& family = families_->all.back();
  if (family.metric.size() >= most_series_ || !families_->seen.insert(labels).second) return;
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  metric.counter.value = value;
  family.metric.push_back(std::move(metric));
}

void MetricFamilies::Only(std::string_view name, double value) {
  Open(name);
  Add({}, value);
}

std::string MetricFamilies::Text() && {
  std::erase_if(families_->all, [](const MetricFamily& family) { return family.metric.empty(); });
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families_->all);
  return out.str();
}

}  // namespace tranche::daemon
