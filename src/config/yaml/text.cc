#include "config/yaml/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tranche::config::yaml {
namespace {

// Counted without regard to quotes, so far above kMaxDepth; upstream's library has the same limit.
constexpr int kMaxOpenBrackets = 10'000;

// What has a meaning between brackets.
constexpr std::string_view kParts = "[]{},:?";

// The length of the UTF-8 sequence at `at`, or 0 where there is none (RFC 3629).
std::size_t SequenceLength(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(at);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return 0;
  }
  const unsigned second = byte(at + 1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
      (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
    return 0;
  }
  return length;
}

char32_t Decode(std::string_view text, std::size_t at, std::size_t length) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  if (length == 1) return byte(0);
  char32_t value = byte(0) & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) value = (value << 6U) | (byte(i) & 0x3FU);
  return value;
}

// https://yaml.org/spec/1.1/#c-printable
bool IsPrintable(char32_t c) {
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7E) || c == 0x85 ||
         (c >= 0xA0 && c <= 0xFFFD) || c >= 0x10000;
}

}  // namespace

Failure ConversionFailure(Mark mark, std::string message) {
  return {base::Code::kInvalidArgument, "error converting YAML to JSON: " + std::move(message),
          mark};
}

Failure YamlFailure(Mark mark, const std::string& message) {
  if (mark.line <= 0) return ConversionFailure(mark, "yaml: " + message);
  return ConversionFailure(mark, fmt::format("yaml: line {}: {}", mark.line, message));
}

Failure LimitFailure(Mark mark, std::string message) {
  return {base::Code::kOutOfRange, std::move(message), mark};
}

std::optional<Failure> CleanYaml(std::string_view text, std::string& out) {
  int line = 1;
  int open_brackets = 0;
  int bracket_parts = 0;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = SequenceLength(text, at);
    if (length == 0) return YamlFailure({line, 0}, "invalid UTF-8: not a text file");
    const char32_t c = Decode(text, at, length);
    if (!IsPrintable(c)) return YamlFailure({line, 0}, "control characters are not allowed");
    // The library reads a line to its end before the first event, a token for each bracket.
    if (c == '[' || c == '{') ++open_brackets;
    if (c == ']' || c == '}') open_brackets = std::max(0, open_brackets - 1);
    if (open_brackets > kMaxOpenBrackets) {
      return YamlFailure({line, 0}, fmt::format("exceeded max depth of {}", kMaxOpenBrackets));
    }
    // So it does with all that stands in the outermost bracket, to its end.
    if (open_brackets == 0) bracket_parts = 0;
    if (open_brackets > 0 && c < 0x80 && kParts.find(static_cast<char>(c)) != kParts.npos &&
        ++bracket_parts > kMaxBracketParts) {
      return LimitFailure(
          {line, 0}, fmt::format("more than {} commas, colons and brackets within one bracket: "
                                 "write lines without brackets instead",
                                 kMaxBracketParts));
    }
    const bool pair = c == '\r' && at + 1 < text.size() && text[at + 1] == '\n';
    const bool line_break = c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (line_break) {
      ++line;
      out.push_back('\n');
    } else {
      out.append(text.substr(at, length));
    }
    at += pair ? 2 : length;
  }
  return std::nullopt;
}

}  // namespace tranche::config::yaml
