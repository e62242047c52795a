// What was measured: rows of samples, one list for each program measured, merged from several
// processes as JSON, printed as a table of medians and ratios.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace tranche::bench {

// Who was measured, as keys of the JSON. "floor": the server of empty answers.
inline constexpr char kOurs[] = "ours";
inline constexpr char kPeer[] = "peer";
inline constexpr char kPlain[] = "plain";
inline constexpr char kFloor[] = "floor";

double Quantile(std::vector<double> values, double q);  // 0 of none

struct Row {
  std::string name;
  std::string unit;
  std::string goal;
  std::map<std::string, std::vector<double>> samples;  // by who

  [[nodiscard]] bool Has(const std::string& who) const;
  [[nodiscard]] double Median(const std::string& who) const;
  // How much more of it NVIDIA's plugin takes than ours; 0 where one was not measured.
  [[nodiscard]] double Ratio() const;
  // The same with the transport's floor taken from both; 0 where there is no floor, or ours does
  // not rise above it.
  [[nodiscard]] double RatioAboveFloor() const;
};

class Results {
 public:
  void Add(const std::string& name, const std::string& unit, const std::string& who, double value);
  void SetGoal(const std::string& name, const std::string& goal);
  base::Status Merge(const base::Json& json);  // of ToJson
  [[nodiscard]] base::Json ToJson() const;
  [[nodiscard]] std::string Table() const;  // Markdown
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }

 private:
  Row& RowOf(const std::string& name, const std::string& unit);
  std::vector<Row> rows_;  // as first added
};

}  // namespace tranche::bench
