#include "bench/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tranche::bench {
namespace {

// Three digits that mean something; whole numbers from 100 on.
std::string Number(double value) {
  if (value >= 100) return fmt::format("{:.0f}", value);
  if (value >= 10) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

std::string Times(double ratio) { return ratio > 0 ? Number(ratio) + " ×" : "–"; }

}  // namespace

double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(std::floor(at));
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - std::floor(at)) * (values[high] - values[low]);
}

bool Row::Has(const std::string& who) const {
  const auto it = samples.find(who);
  return it != samples.end() && !it->second.empty();
}

double Row::Median(const std::string& who) const {
  return Has(who) ? Quantile(samples.at(who), 0.5) : 0;
}

double Row::Ratio() const {
  return Has(kPeer) && Median(kOurs) > 0 ? Median(kPeer) / Median(kOurs) : 0;
}

double Row::RatioAboveFloor() const {
  if (!Has(kPeer) || !Has(kFloor)) return 0;
  const double ours = Median(kOurs) - Median(kFloor);
  return ours > 0 ? (Median(kPeer) - Median(kFloor)) / ours : 0;
}

Row& Results::RowOf(const std::string& name, const std::string& unit) {
  for (Row& row : rows_) {
    if (row.name == name) return row;
  }
  rows_.push_back({.name = name, .unit = unit, .goal = "", .samples = {}});
  return rows_.back();
}

void Results::Add(const std::string& name, const std::string& unit, const std::string& who,
                  double value) {
  RowOf(name, unit).samples[who].push_back(value);
}

void Results::SetGoal(const std::string& name, const std::string& goal) {
  for (Row& row : rows_) {
    if (row.name == name) row.goal = goal;
  }
}

base::Status Results::Merge(const base::Json& json) {
  const base::Json* rows = json.Find("rows");
  if (rows == nullptr || !rows->is_array()) return {base::Code::kDataLoss, "no rows"};
  for (const base::Json& row : rows->as_array()) {
    const std::string& name = row.Find("name")->as_string();
    const std::string& unit = row.Find("unit")->as_string();
    for (const auto& [who, values] : row.Find("samples")->as_object()) {
      for (const base::Json& value : values.as_array()) Add(name, unit, who, value.as_double());
    }
  }
  return base::Status::Ok();
}

base::Json Results::ToJson() const {
  base::Json rows = base::Json::MakeArray();
  for (const Row& row : rows_) {
    base::Json medians = base::Json::MakeObject();
    base::Json samples = base::Json::MakeObject();
    for (const auto& [who, values] : row.samples) {
      base::Json list = base::Json::MakeArray();
      for (const double value : values) list.Append(value);
      samples.Set(who, std::move(list));
      medians.Set(who, row.Median(who));
    }
    base::Json entry = base::Json::MakeObject();
    entry.Set("name", row.name);
    entry.Set("unit", row.unit);
    if (!row.goal.empty()) entry.Set("goal", row.goal);
    entry.Set("median", std::move(medians));
    if (row.Ratio() > 0) entry.Set("ratio", row.Ratio());
    if (row.RatioAboveFloor() > 0) entry.Set("ratio_above_floor", row.RatioAboveFloor());
    entry.Set("samples", std::move(samples));
    rows.Append(std::move(entry));
  }
  base::Json all = base::Json::MakeObject();
  all.Set("rows", std::move(rows));
  return all;
}

std::string Results::Table() const {
  std::string text =
      "| | unit | Tranche | NVIDIA's plugin | ratio | plain | empty answer | ratio above it | goal "
      "|\n|---|---|--:|--:|--:|--:|--:|--:|---|\n";
  for (const Row& row : rows_) {
    const auto cell = [&](const char* who) {
      return row.Has(who) ? Number(row.Median(who)) : std::string("–");
    };
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", row.name, row.unit,
                        cell(kOurs), cell(kPeer), Times(row.Ratio()), cell(kPlain), cell(kFloor),
                        Times(row.RatioAboveFloor()), row.goal);
  }
  return text;
}

}  // namespace tranche::bench
