#include "daemon/metric_families.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "base/status.h"

namespace tranche::daemon {

namespace {

constexpr std::size_t kMaxLabelBytes = 128;
constexpr std::size_t kUsualLabels = 256;  // bytes of those of one series

// https://prometheus.io/docs/instrumenting/exposition_formats/: in a label's value a backslash, a
// quotation mark and a line feed are escaped; in a help text a quotation mark is not.
enum class Quotes { kEscaped, kAsTheyAre };

void AppendEscaped(std::string_view text, Quotes quotes, std::string& out) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (quotes == Quotes::kEscaped && c == '"')) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

// Most values are of characters that need neither.
bool IsPlain(std::string_view text) {
  return text.size() <= kMaxLabelBytes && std::ranges::all_of(text, [](char c) {
           return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
         });
}

void AppendLabel(const std::string& value, std::string& out) {
  if (IsPlain(value)) {
    out += value;
  } else {
    AppendEscaped(base::Printable(value, kMaxLabelBytes), Quotes::kEscaped, out);
  }
}

void AppendValue(double value, std::string& out) {
  constexpr double kExact = 1e15;  // whole numbers below are written by their digits
  if (std::abs(value) < kExact && value == std::trunc(value)) {
    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(value));
  } else if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-Inf" : "+Inf";
  } else {
    fmt::format_to(std::back_inserter(out), "{:.16g}", value);
  }
}

}  // namespace

// A page may have thousands of series, so it is written as it comes, without a model of it.
struct MetricFamilies::Families {
  const MetricText* text = nullptr;
  std::string page;
  // Of the one opened last.
  std::size_t series = 0;
  std::unordered_set<std::string> seen;  // labels, by Add
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
  families_->seen.clear();
  families_->series = 0;
}

std::string MetricFamilies::Labels(const std::vector<std::string>& names,
                                   const std::vector<std::string>& values) {
  TRANCHE_CHECK(values.size() == names.size());
  std::string labels;
  labels.reserve(kUsualLabels);
  for (std::size_t i = 0; i < values.size(); ++i) {
    labels += i == 0 ? '{' : ',';
    labels += names[i];
    labels += "=\"";
    AppendLabel(values[i], labels);
    labels += '"';
  }
  if (!labels.empty()) labels += '}';
  return labels;
}

void MetricFamilies::Add(const std::vector<std::string>& label_values, double value) {
  if (families_->series >= most_series_) return;
  const auto [labels, is_new] =
      families_->seen.insert(Labels(families_->text->labels, label_values));
  if (is_new) AddLabelled(*labels, value);
}

void MetricFamilies::AddLabelled(std::string_view labels, double value) {
  const MetricText& text = *families_->text;
  std::string& page = families_->page;
  if (families_->series >= most_series_) return;
  if (families_->series++ == 0) {
    page += "# HELP " + text.name + " ";
    AppendEscaped(text.help, Quotes::kAsTheyAre, page);
    page += "\n# TYPE " + text.name + " ";
    page += text.kind == MetricKind::kCounter ? "counter\n" : "gauge\n";
  }
  page += text.name;
  page += labels;
  page += ' ';
  AppendValue(value, page);
  page += '\n';
}

void MetricFamilies::Expect(std::size_t bytes) {
  families_->page.reserve(families_->page.size() + bytes);
}

void MetricFamilies::Only(std::string_view name, double value) {
  Open(name);
  Add({}, value);
}

std::string MetricFamilies::Text() && { return std::move(families_->page); }

}  // namespace tranche::daemon
