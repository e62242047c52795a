#include "config/yaml/scalar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace tranche::config::yaml {
namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

bool OneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// The fixed words of YAML 1.1 (https://yaml.org/type/): null, booleans and the special floats.
bool ResolveWord(std::string_view text, Node& node) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (OneOf(text, {"", "~", "null", "Null", "NULL"})) {
    node.kind = Node::Kind::kNull;
  } else if (OneOf(text,
                   {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) {
    node.kind = Node::Kind::kBool;
    node.boolean = true;
  } else if (OneOf(text,
                   {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) {
    node.kind = Node::Kind::kBool;
    node.boolean = false;
  } else if (OneOf(text, {".nan", ".NaN", ".NAN"})) {
    node.kind = Node::Kind::kFloat;
    node.number = std::numeric_limits<double>::quiet_NaN();
  } else if (OneOf(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"})) {
    node.kind = Node::Kind::kFloat;
    node.number = kInfinity;
  } else if (OneOf(text, {"-.inf", "-.Inf", "-.INF"})) {
    node.kind = Node::Kind::kFloat;
    node.number = -kInfinity;
  } else {
    return false;
  }
  return true;
}

// Go's strconv.ParseInt with base 0: sign, then 0x, 0o, 0b or a leading 0 (octal), or decimal.
bool ResolveInteger(std::string_view text, Node& node) {
  bool negative = false;
  bool signed_text = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    signed_text = true;
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char marker = static_cast<char>(text[1] | 0x20);
    base = marker == 'x' ? 16 : marker == 'o' ? 8 : marker == 'b' ? 2 : 0;
    text.remove_prefix(base == 0 ? 1 : 2);
    if (base == 0) base = 8;
  }
  if (text.empty() || text[0] == '+' || text[0] == '-') return false;
  std::uint64_t magnitude = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  constexpr auto kMaxInt = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (negative) {
    if (magnitude > kMaxInt + 1) return false;
    node.kind = Node::Kind::kInt;
    node.integer = static_cast<std::int64_t>(~magnitude + 1);
  } else if (magnitude <= kMaxInt) {
    node.kind = Node::Kind::kInt;
    node.integer = static_cast<std::int64_t>(magnitude);
  } else {
    if (signed_text) return false;  // ParseUint takes no sign
    node.kind = Node::Kind::kUnsigned;
    node.unsigned_integer = magnitude;
  }
  return true;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool LooksLikeFloat(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t start = at;
    while (at < text.size() && base::IsDigit(text[at])) ++at;
    return at - start;
  };
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  const std::size_t whole = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0 && whole == 0) return false;
  } else if (whole == 0) {
    return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

bool ResolveFloat(std::string_view text, Node& node) {
  if (!LooksLikeFloat(text)) return false;
  if (text[0] == '+') text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size()) return false;
  if (error == std::errc::result_out_of_range) {
    // Too small becomes zero, too large stays text, as in Go.
    const std::size_t exponent = text.find_first_of("eE");
    if (exponent == std::string_view::npos || text.find('-', exponent) == std::string_view::npos) {
      return false;
    }
    number = text[0] == '-' ? -0.0 : 0.0;
  } else if (error != std::errc()) {
    return false;
  }
  node.kind = Node::Kind::kFloat;
  node.number = number;
  return true;
}

// "2001-12-14": read as a date by the library and handed on as the text it was.
bool LooksLikeDate(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&](std::size_t least, std::size_t most) {
    const std::size_t start = at;
    while (at < text.size() && at - start < most && base::IsDigit(text[at])) ++at;
    return at - start >= least;
  };
  if (!digits(4, 4) || at >= text.size() || text[at++] != '-') return false;
  if (!digits(1, 2) || at >= text.size() || text[at++] != '-') return false;
  return digits(1, 2);
}

void ResolvePlain(std::string_view text, Node& node) {
  node.kind = Node::Kind::kString;
  if (ResolveWord(text, node)) return;
  const char first = text[0];
  if (first == '.') {
    ResolveFloat(text, node);
  } else if (base::IsDigit(first) || first == '+' || first == '-') {
    if (LooksLikeDate(text)) return;
    std::string plain(text);
    std::erase(plain, '_');
    if (!ResolveInteger(plain, node)) ResolveFloat(plain, node);
  }
}

std::string_view KindTag(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kNull:
      return "null";
    case Node::Kind::kBool:
      return "bool";
    case Node::Kind::kInt:
    case Node::Kind::kUnsigned:
      return "int";
    case Node::Kind::kFloat:
      return "float";
    default:
      return "str";
  }
}

// !!binary holds base64 (https://www.rfc-editor.org/rfc/rfc4648#section-4).
std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    if (c != '\n' && c != '\r') clean.push_back(c);
  }
  if (clean.size() % 4 != 0) return std::nullopt;
  std::string out;
  std::uint32_t bits = 0;
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::size_t padding = 0;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    std::size_t value = kAlphabet.find(clean[i]);
    if (clean[i] == '=' && i + 2 >= clean.size()) {
      ++padding;
      value = 0;
    } else if (value == std::string_view::npos || padding > 0) {
      return std::nullopt;
    }
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    if (i % 4 == 3) {
      for (std::size_t byte = 0; byte < 3 - padding; ++byte) {
        out.push_back(static_cast<char>((bits >> (16U - 8U * byte)) & 0xFFU));
      }
      bits = 0;
    }
  }
  return out;
}

void AppendJsonString(std::string_view text, std::string& out) {
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void AppendJson(const Node& node, std::size_t max_bytes, std::string& out);
constexpr std::size_t kShortest = 64;

void AppendContainer(const Node& node, std::size_t max_bytes, std::string& out) {
  const char* separator = "";
  if (node.is_list()) {
    out.push_back('[');
    for (const Node* item : node.items) {
      if (out.size() > max_bytes) break;
      out += separator;
      separator = ",";
      AppendJson(*item, max_bytes, out);
    }
    out.push_back(']');
    return;
  }
  std::vector<const Node::Entry*> sorted;
  sorted.reserve(node.entries.size());
  for (const Node::Entry& entry : node.entries) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->key < b->key; });
  out.push_back('{');
  for (const Node::Entry* entry : sorted) {
    if (out.size() > max_bytes) break;
    out += separator;
    separator = ",";
    AppendJsonString(entry->key, out);
    out.push_back(':');
    AppendJson(*entry->value, max_bytes, out);
  }
  out.push_back('}');
}

void AppendJson(const Node& node, std::size_t max_bytes, std::string& out) {
  if (out.size() > max_bytes) return;
  switch (node.kind) {
    case Node::Kind::kNull:
      out += "null";
      break;
    case Node::Kind::kBool:
      out += node.boolean ? "true" : "false";
      break;
    case Node::Kind::kInt:
      out += std::to_string(node.integer);
      break;
    case Node::Kind::kUnsigned:
      out += std::to_string(node.unsigned_integer);
      break;
    case Node::Kind::kFloat:
      out += GoFloatText(node.number);
      break;
    case Node::Kind::kString:
      // What is cut off anyway is not written first.
      AppendJsonString(std::string_view(node.text).substr(0, std::max(max_bytes, kShortest)), out);
      break;
    case Node::Kind::kList:
    case Node::Kind::kMap:
      AppendContainer(node, max_bytes, out);
      break;
  }
}

}  // namespace

std::optional<std::string> ResolveScalar(std::string_view tag, std::string_view text, Node& node) {
  node.text = std::string(text);
  if (tag == "!") {
    node.kind = Node::Kind::kString;
    return std::nullopt;
  }
  if (tag.empty()) {
    ResolvePlain(text, node);
    return std::nullopt;
  }
  node.kind = Node::Kind::kString;
  if (tag.substr(0, kTagPrefix.size()) != kTagPrefix) return std::nullopt;  // a tag of one's own
  const std::string_view wanted = tag.substr(kTagPrefix.size());
  if (wanted == "binary") {
    auto decoded = DecodeBase64(text);
    if (!decoded) return "!!binary value contains invalid base64 data";
    node.text = *std::move(decoded);
    return std::nullopt;
  }
  if (!OneOf(wanted, {"bool", "int", "float", "null", "timestamp"})) return std::nullopt;
  ResolvePlain(text, node);
  std::string_view found = KindTag(node.kind);
  if (found == "str" && LooksLikeDate(text)) found = "timestamp";
  if (wanted == "float" && node.kind == Node::Kind::kInt) {
    node.kind = Node::Kind::kFloat;
    node.number = static_cast<double>(node.integer);
    return std::nullopt;
  }
  if (found == wanted) return std::nullopt;
  return fmt::format("cannot decode !!{} `{}` as a !!{}", found, text, wanted);
}

std::string GoFloatText(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "+Inf" : "-Inf";
  const double magnitude = std::fabs(number);
  // encoding/json: plain digits between 1e-6 and 1e21, an exponent outside.
  const bool exponent = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  constexpr double kExact = 1e15;  // above, Go fills up the shortest digits with zeros
  const bool large = !exponent && magnitude >= kExact;
  std::array<char, 64> buffer{};
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                    exponent || large ? std::chars_format::scientific : std::chars_format::fixed);
  if (error != std::errc()) return "0";
  std::string text(buffer.data(), end);
  if (large) {
    const std::size_t mark = text.find('e');
    const auto places = static_cast<std::size_t>(std::stoi(text.substr(mark + 2)));
    std::string digits = text.substr(0, mark);
    const std::size_t point = digits.find('.');
    const std::size_t after = point == std::string::npos ? 0 : digits.size() - point - 1;
    std::erase(digits, '.');
    if (after <= places) return digits + std::string(places - after, '0');
    digits.insert(digits.size() - (after - places), ".");
    return digits;
  }
  const std::size_t size = text.size();
  if (exponent && size >= 4 && text[size - 4] == 'e' && text[size - 3] == '-' &&
      text[size - 2] == '0') {
    text.erase(size - 2, 1);  // e-09 to e-9
  }
  return text;
}

std::optional<std::string> KeyText(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kBool:
      return node.boolean ? "true" : "false";
    case Node::Kind::kInt:
      return std::to_string(node.integer);
    case Node::Kind::kFloat: {
      if (std::isnan(node.number)) return ".nan";
      if (std::isinf(node.number)) return node.number > 0 ? ".inf" : "-.inf";
      std::array<char, 64> buffer{};
      const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                              static_cast<float>(node.number));
      if (error != std::errc()) return std::nullopt;
      return std::string(buffer.data(), end);
    }
    case Node::Kind::kString:
      return node.text;
    default:
      return std::nullopt;
  }
}

std::string CompactJson(const Node& node, std::size_t max_bytes) {
  std::string out;
  AppendJson(node, max_bytes, out);
  if (out.size() > max_bytes) {
    // Not within a letter of several bytes.
    std::size_t end = max_bytes;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) --end;
    out.resize(end);
    out += "...";
  }
  return out;
}

}  // namespace tranche::config::yaml
