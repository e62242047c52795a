#include "daemon/metric_families.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace tranche::daemon {
namespace {

const std::vector<MetricText>& Table() {
  static const std::vector<MetricText> table{
      {"x_size_bytes", MetricKind::kGauge, {"a", "b"}, "Size, \"of\" a\\b."},
      {"x_seen_total", MetricKind::kCounter, {}, "Seen."},
      {"x_never", MetricKind::kGauge, {}, "Never."}};
  return table;
}

TEST(MetricFamiliesTest, APageIsInPrometheusFormat) {
  MetricFamilies out(Table(), "x_", 10);
  out.Open("size_bytes");
  out.Add({"1", ""}, 1.5);
  out.Add({"2", "z"}, 42);
  out.Open("never");
  out.Only("seen_total", 1e18);
  EXPECT_EQ(std::move(out).Text(),
            "# HELP x_size_bytes Size, \"of\" a\\\\b.\n"
            "# TYPE x_size_bytes gauge\n"
            "x_size_bytes{a=\"1\",b=\"\"} 1.5\n"
            "x_size_bytes{a=\"2\",b=\"z\"} 42\n"
            "# HELP x_seen_total Seen.\n"
            "# TYPE x_seen_total counter\n"
            "x_seen_total 1e+18\n");
}

TEST(MetricFamiliesTest, NoValueOfALabelBreaksTheLine) {
  MetricFamilies out(Table(), "x_", 10);
  out.Open("size_bytes");
  out.Add({"a\"\\", "b\n\x01"}, 0);
  out.Add({std::string(5000, 'x'), ""}, 0);
  const std::string text = std::move(out).Text();
  EXPECT_NE(text.find("{a=\"a\\\"\\\\\",b=\"b\\\\n\\\\x01\"} 0\n"), std::string::npos) << text;
  EXPECT_LT(text.size(), 600U);
}

TEST(MetricFamiliesTest, SeriesAreBoundedAndEachIsThereOnce) {
  MetricFamilies out(Table(), "x_", 2);
  out.Open("size_bytes");
  out.Add({"1", ""}, 1);
  out.Add({"1", ""}, 2);
  out.Add({"2", ""}, 3);
  out.Add({"3", ""}, 4);
  const std::string text = std::move(out).Text();
  EXPECT_NE(text.find("{a=\"1\",b=\"\"} 1\n"), std::string::npos) << "the first one stands";
  EXPECT_NE(text.find("{a=\"2\",b=\"\"} 3\n"), std::string::npos);
  EXPECT_EQ(text.find("{a=\"3\""), std::string::npos) << text;
}

TEST(MetricFamiliesTest, NumbersAreWrittenAsPrometheusReadsThem) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const auto& [value, text] :
       std::vector<std::pair<double, std::string>>{{0, "0"},
                                                   {-3, "-3"},
                                                   {0.1, "0.1"},
                                                   {1700000000.25, "1700000000.25"},
                                                   {85899345920, "85899345920"},
                                                   {kInfinity, "+Inf"},
                                                   {-kInfinity, "-Inf"},
                                                   {std::nan(""), "NaN"}}) {
    MetricFamilies out(Table(), "x_", 2);
    out.Only("seen_total", value);
    EXPECT_TRUE(std::move(out).Text().ends_with("x_seen_total " + text + "\n")) << text;
  }
}

}  // namespace
}  // namespace tranche::daemon
