#include "sim/workloads/settings.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

namespace tranche::sim::workloads {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};
constexpr Unit kTimes[] = {{"ns", 1},  {"us", 1e3}, {"ms", 1e6},
                           {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12}};
constexpr Unit kSizes[] = {
    {"", 1}, {"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0}};
constexpr double kLongest = 9e18;
constexpr std::uint64_t kMostChecked = std::uint64_t{256} << 20U;

// Digits and a point only: no sign, no exponent, no "nan".
bool ParseNumber(const std::string& text, double& number, std::string& rest) {
  const auto end = text.find_first_not_of("0123456789.");
  const std::string digits = text.substr(0, end);
  if (digits.empty()) return false;
  char* stop = nullptr;
  number = std::strtod(digits.c_str(), &stop);
  rest = end == std::string::npos ? "" : text.substr(end);
  return *stop == '\0';
}

template <std::size_t kCount>
bool ParseWithUnit(const std::string& text, const Unit (&units)[kCount], double& value) {
  std::string rest;
  if (!ParseNumber(text, value, rest)) return false;
  for (const Unit& unit : units) {
    if (rest != unit.name) continue;
    value = std::round(value * unit.factor);
    return value < kLongest;
  }
  return false;
}

bool ParseReal(const std::string& text, double& value) {
  std::string rest;
  return ParseNumber(text, value, rest) && rest.empty() && std::isfinite(value);
}

template <typename Number>
bool ParseCount(const std::string& text, const OptionText& option, Number& value) {
  double number = 0;
  if (!ParseReal(text, number) || number != std::floor(number)) return false;
  if (number < option.least || number > option.most) return false;
  value = static_cast<Number>(number);
  return true;
}

bool ParseOutput(const std::string& text, bool& json) {
  json = text == "json";
  return json || text == "text";
}

// False: the value is none of that option's.
bool Set(const OptionText& text, const std::string& value, Settings& settings) {
  const std::string_view option = text.name;
  double seconds = 0;
  if (option == "--for") return ParseTime(value, settings.duration_ns);
  if (option == "--kernel") return ParseTime(value, settings.kernel_ns);
  if (option == "--variation") return ParseReal(value, settings.variation);
  if (option == "--period") return ParseTime(value, settings.period_ns) && settings.period_ns > 0;
  if (option == "--burst") return ParseCount(value, text, settings.burst);
  if (option == "--think") return ParseTime(value, settings.think_ns);
  if (option == "--memory") return ParseSize(value, settings.memory_bytes);
  if (option == "--piece")
    return ParseSize(value, settings.piece_bytes) && settings.piece_bytes > 0;
  if (option == "--streams") return ParseCount(value, text, settings.streams);
  if (option == "--processes") return ParseCount(value, text, settings.processes);
  if (option == "--in-flight") return ParseCount(value, text, settings.in_flight);
  if (option == "--device") return ParseCount(value, text, settings.device);
  if (option == "--seed") return ParseCount(value, text, settings.seed);
  if (option == "--start-at") {
    if (!ParseReal(value, seconds) || seconds >= kLongest / 1e9) return false;
    settings.start_at_ns = static_cast<std::int64_t>(seconds * 1e9);
    return true;
  }
  return ParseOutput(value, settings.json);  // --output
}

const OptionText* FindOption(std::string_view name) {
  if (name == "-o") name = "--output";
  for (const OptionText& option : kOptions) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

std::string ParseOptions(const std::vector<std::string>& words, std::size_t from,
                         Settings& settings) {
  for (std::size_t i = from; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    const OptionText* option = FindOption(words[i].substr(0, equals));
    if (option == nullptr) return "no such option: " + words[i];
    if (equals == std::string::npos && i + 1 == words.size()) {
      return words[i] + " needs a value: " + std::string(option->value);
    }
    const std::string value =
        equals == std::string::npos ? words[++i] : words[i].substr(equals + 1);
    if (!Set(*option, value, settings)) {
      return std::string(option->name) + " takes a " + std::string(option->value) + ", not '" +
             value + "': " + std::string(option->about);
    }
  }
  return "";
}

// What no option is wrong about alone.
std::string RefuseTogether(const Settings& settings) {
  if (settings.workload->kind == Kind::kCheck &&
      (settings.memory_bytes < sizeof(float) || settings.memory_bytes > kMostChecked)) {
    return "check takes a --memory of 4 to 256Mi, the size of each of its four arrays";
  }
  return "";
}

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const auto end = text.find(' ');
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return words;
}

}  // namespace

bool ParseTime(const std::string& text, std::int64_t& nanoseconds) {
  double value = 0;
  if (!ParseWithUnit(text, kTimes, value)) return false;
  nanoseconds = static_cast<std::int64_t>(value);
  return true;
}

bool ParseSize(const std::string& text, std::uint64_t& bytes) {
  double value = 0;
  if (!ParseWithUnit(text, kSizes, value)) return false;
  bytes = static_cast<std::uint64_t>(value);
  return true;
}

std::string RefusePast(const Settings& settings, std::int64_t monotonic_now_ns) {
  if (!settings.start_at_ns || *settings.start_at_ns > monotonic_now_ns) return "";
  return "--start-at is in the past: CLOCK_MONOTONIC reads " +
         std::to_string(monotonic_now_ns / 1'000'000'000) + " now";
}

std::string ParseSettings(const std::vector<std::string>& arguments, Settings& settings) {
  if (arguments.empty()) return "which workload?";
  for (const WorkloadText& workload : kWorkloads) {
    if (workload.name == arguments[0]) settings.workload = &workload;
  }
  if (settings.workload == nullptr) return "no such workload: " + arguments[0];
  std::string broken = ParseOptions(Words(settings.workload->defaults), 0, settings);
  if (!broken.empty()) return broken;
  const std::string wrong = ParseOptions(arguments, 1, settings);
  return wrong.empty() ? RefuseTogether(settings) : wrong;
}

}  // namespace tranche::sim::workloads
