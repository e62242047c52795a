#include "config/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

#include "base/text.h"

namespace tranche::config {
namespace {

using Wide = unsigned __int128;

base::Status Invalid(std::string message) {
  return {base::Code::kInvalidArgument, std::move(message)};
}

std::string Shown(std::string_view text) {
  constexpr std::size_t kMaxShown = 64;
  return text.size() <= kMaxShown ? std::string(text)
                                  : std::string(text.substr(0, kMaxShown)) + "...";
}

// "12.5" as 125 and one decimal place. Digits beyond `max_places` are dropped, and `inexact` says
// so.
struct Decimal {
  Wide digits = 0;
  int places = 0;
  bool any = false;
  bool inexact = false;
  bool overflow = false;
};

Decimal TakeDecimal(std::string_view& text, int max_places) {
  Decimal out;
  bool point = false;
  constexpr Wide kLimit = Wide{1} << 100U;
  while (!text.empty()) {
    const char c = text.front();
    if (c == '.' && !point) {
      point = true;
    } else if (base::IsDigit(c)) {
      out.any = true;
      if (point && out.places >= max_places) {
        out.inexact = out.inexact || c != '0';
      } else {
        out.digits = out.digits * 10 + static_cast<unsigned>(c - '0');
        if (point) ++out.places;
        if (out.digits > kLimit) {
          out.overflow = true;
          out.digits = kLimit;
        }
      }
    } else {
      break;
    }
    text.remove_prefix(1);
  }
  return out;
}

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
// U+00B5 and U+03BC are both micro, as in Go.
constexpr std::array<Unit, 8> kUnits{{{"ns", 1},
                                      {"us", 1'000},
                                      {"\xC2\xB5s", 1'000},
                                      {"\xCE\xBCs", 1'000},
                                      {"ms", 1'000'000},
                                      {"s", 1'000'000'000},
                                      {"m", 60'000'000'000},
                                      {"h", 3'600'000'000'000}}};

// Multiplier of a quantity's suffix as a power of two or of ten.
struct Suffix {
  std::string_view name;
  int power_of_two;
  int power_of_ten;
};
constexpr std::array<Suffix, 16> kSuffixes{{{"", 0, 0},
                                            {"n", 0, -9},
                                            {"u", 0, -6},
                                            {"m", 0, -3},
                                            {"k", 0, 3},
                                            {"M", 0, 6},
                                            {"G", 0, 9},
                                            {"T", 0, 12},
                                            {"P", 0, 15},
                                            {"E", 0, 18},
                                            {"Ki", 10, 0},
                                            {"Mi", 20, 0},
                                            {"Gi", 30, 0},
                                            {"Ti", 40, 0},
                                            {"Pi", 50, 0},
                                            {"Ei", 60, 0}}};

std::optional<Suffix> TakeSuffix(std::string_view text) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.name == text) return suffix;
  }
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return std::nullopt;
  text.remove_prefix(1);
  if (text[0] == '+') text.remove_prefix(1);
  int exponent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || exponent < -30 || exponent > 30) return std::nullopt;
  return Suffix{"", 0, exponent};
}

}  // namespace

base::Result<std::chrono::nanoseconds> ParseGoDuration(std::string_view text) {
  const std::string shown = Shown(text);
  const auto invalid = [&] { return Invalid(fmt::format("time: invalid duration \"{}\"", shown)); };
  std::string_view rest = text;
  const bool negative = !rest.empty() && rest[0] == '-';
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
  if (rest == "0") return std::chrono::nanoseconds(0);
  if (rest.empty()) return invalid();
  constexpr auto kMax = static_cast<Wide>(std::numeric_limits<std::int64_t>::max());
  Wide total = 0;
  while (!rest.empty()) {
    constexpr int kPlaces = 13;  // finer than a nanosecond of an hour
    const Decimal decimal = TakeDecimal(rest, kPlaces);
    if (!decimal.any || decimal.overflow) return invalid();
    std::size_t length = 0;
    while (length < rest.size() && rest[length] != '.' && !base::IsDigit(rest[length])) ++length;
    const std::string_view name = rest.substr(0, length);
    if (name.empty()) {
      return Invalid(fmt::format("time: missing unit in duration \"{}\"", shown));
    }
    const Unit* unit = nullptr;
    for (const Unit& known : kUnits) {
      if (known.name == name) unit = &known;
    }
    if (unit == nullptr) {
      return Invalid(
          fmt::format("time: unknown unit \"{}\" in duration \"{}\"", Shown(name), shown));
    }
    Wide divisor = 1;
    for (int i = 0; i < decimal.places; ++i) divisor *= 10;
    if (decimal.digits / divisor > kMax) return invalid();
    total += decimal.digits * static_cast<Wide>(unit->nanoseconds) / divisor;
    if (total > kMax) return invalid();
    rest.remove_prefix(length);
  }
  const auto count = static_cast<std::int64_t>(total);
  return std::chrono::nanoseconds(negative ? -count : count);
}

std::string GoDurationText(std::chrono::nanoseconds duration) {
  std::int64_t left = duration.count();
  if (left == 0) return "0s";
  std::string sign;
  if (left < 0) {
    sign = "-";
    left = -left;
  }
  const auto fraction = [](std::int64_t value, std::int64_t unit) {
    std::string text =
        fmt::format("{}.{:09d}", value / unit, value % unit * (1'000'000'000 / unit));
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
  };
  if (left < 1'000) return fmt::format("{}{}ns", sign, left);
  if (left < 1'000'000) return sign + fraction(left, 1'000) + "\xC2\xB5s";
  if (left < 1'000'000'000) return sign + fraction(left, 1'000'000) + "ms";
  const std::int64_t hours = left / 3'600'000'000'000;
  const std::int64_t minutes = left / 60'000'000'000 % 60;
  const std::string seconds = fraction(left % 60'000'000'000, 1'000'000'000) + "s";
  if (hours > 0) return fmt::format("{}{}h{}m{}", sign, hours, minutes, seconds);
  if (minutes > 0) return fmt::format("{}{}m{}", sign, minutes, seconds);
  return sign + seconds;
}

std::optional<bool> ParseGoBool(std::string_view text) {
  for (const std::string_view word : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

std::optional<std::int64_t> ParseGoInt(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char marker = static_cast<char>(text[1] | 0x20);
    base = marker == 'x' ? 16 : marker == 'b' ? 2 : 8;
    text.remove_prefix(marker == 'x' || marker == 'b' || marker == 'o' ? 2 : 1);
  }
  if (text.empty() || text[0] == '-') return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return negative ? -value : value;
}

base::Result<std::uint64_t> ParseQuantity(std::string_view text) {
  std::string_view rest = text;
  const auto invalid = [&] {
    return Invalid(fmt::format(
        "'{}' is not a quantity (a number with Ki, Mi, Gi, k, M, G … behind it)", Shown(text)));
  };
  if (!rest.empty() && rest[0] == '+') rest.remove_prefix(1);
  Decimal decimal = TakeDecimal(rest, 12);
  const auto suffix = TakeSuffix(rest);
  if (!decimal.any || !suffix) return invalid();
  const auto too_large = [&] {
    return Invalid(fmt::format("'{}' is more bytes than fit in 63 bits", Shown(text)));
  };
  constexpr auto kMax = static_cast<Wide>(std::numeric_limits<std::int64_t>::max());
  if (decimal.overflow) return too_large();
  Wide value = decimal.digits;
  const int power = suffix->power_of_ten - decimal.places;
  for (int i = 0; i < suffix->power_of_two; i += 10) {
    value *= 1024;
    if (value > kMax * 1'000'000'000'000ULL) return too_large();
  }
  bool rest_left = decimal.inexact;
  for (int i = 0; i > power; --i) {
    rest_left = rest_left || value % 10 != 0;
    value /= 10;
  }
  for (int i = 0; i < power; ++i) {
    value *= 10;
    if (value > kMax) return too_large();
  }
  if (rest_left) ++value;
  if (value > kMax) return too_large();
  return static_cast<std::uint64_t>(value);
}

base::Result<Milli> ParsePercent(std::string_view text) {
  std::string_view rest = text;
  const Decimal decimal = TakeDecimal(rest, 1);
  if (!decimal.any || decimal.overflow || rest != "%") {
    return Invalid(fmt::format("'{}' is not a percent (write 25% or 12.5%)", Shown(text)));
  }
  if (decimal.inexact) {
    return Invalid(fmt::format("'{}' has more than one decimal", Shown(text)));
  }
  const Wide thousandths = decimal.places == 0 ? decimal.digits * 10 : decimal.digits;
  if (thousandths > 1000) return Invalid(fmt::format("'{}' is more than 100%", Shown(text)));
  return Milli{static_cast<int>(thousandths)};
}

}  // namespace tranche::config
