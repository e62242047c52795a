// What a program says on /metrics: a table of all its metrics, from which the pages of
// docs/reference are made, and the text with their values. Label values are escaped, and bounded
// in length and in number.
//
// Threading: plain values, one thread.
// Errors: a metric that is not in the table is a broken invariant.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tranche::daemon {

enum class MetricKind { kGauge, kCounter };

struct MetricText {
  std::string name;
  MetricKind kind = MetricKind::kGauge;
  std::vector<std::string> labels;  // every series has all of them
  std::string help;
};

class MetricFamilies {
 public:
  // `prefix` stands before each name in the table, which outlives this; beyond `most_series`, the
  // series of one metric are left out.
  MetricFamilies(const std::vector<MetricText>& table, std::string prefix, std::size_t most_series);
  MetricFamilies(const MetricFamilies&) = delete;
  MetricFamilies& operator=(const MetricFamilies&) = delete;
  ~MetricFamilies();

  // `name` is that of a metric in the table, without the prefix.
  void Open(std::string_view name);
  // Into the metric opened last; one value for each of its labels. The same labels twice (a GPU
  // that the driver reports twice) would make a scraper refuse the whole page: the first one
  // stands.
  void Add(const std::vector<std::string>& label_values, double value);
  // The same where several metrics have the labels, as Labels made them. No labels twice in a
  // metric.
  void AddLabelled(std::string_view labels, double value);
  static std::string Labels(const std::vector<std::string>& names,
                            const std::vector<std::string>& values);
  // Makes room for so many bytes more, so that a long page is not copied while it grows.
  void Expect(std::size_t bytes);
  // A metric without labels.
  void Only(std::string_view name, double value);

  // In Prometheus' text format. A metric without any series is left out.
  [[nodiscard]] std::string Text() &&;

 private:
  struct Families;
  const std::vector<MetricText>& table_;
  const std::string prefix_;
  const std::size_t most_series_;
  std::unique_ptr<Families> families_;
};

}  // namespace tranche::daemon
