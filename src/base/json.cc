#include "base/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

namespace tranche::base {

namespace {

using Library = nlohmann::ordered_json;

// Between these a number is written without an exponent. What is subtle about the others, and about
// texts that are not plain, the library does, which takes long for it.
constexpr double kLeastPlain = 1e-4;
constexpr double kMostPlain = 1e15;

// Writes a value as text.
class Writer {
 public:
  // indent 0 is one line.
  explicit Writer(int indent) : indent_(static_cast<std::size_t>(std::max(indent, 0))) {}

  void Write(const Json& json) {
    if (json.is_array()) {
      WriteAll('[', ']', json.as_array(), [this](const Json& item) { Write(item); });
    } else if (json.is_object()) {
      WriteAll('{', '}', json.as_object(), [this](const Json::Member& member) {
        WriteText(member.first);
        out_ += indent_ > 0 ? ": " : ":";
        Write(member.second);
      });
    } else if (json.is_string()) {
      WriteText(json.as_string());
    } else if (json.is_int()) {
      WriteNumber(json.as_int());
    } else if (json.is_double()) {
      WriteDouble(json.as_double());
    } else if (json.is_bool()) {
      out_ += json.as_bool() ? "true" : "false";
    } else {
      out_ += "null";
    }
  }
  std::string Take() { return std::move(out_); }

 private:
  template <class Items, class Each>
  void WriteAll(char open, char close, const Items& items, const Each& each) {
    out_ += open;
    ++depth_;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += ',';
      BreakLine();
      each(items[i]);
    }
    --depth_;
    if (!items.empty()) BreakLine();
    out_ += close;
  }
  void BreakLine() {
    if (indent_ == 0) return;
    out_ += '\n';
    out_.append(depth_ * indent_, ' ');
  }
  template <class... Form>
  void WriteNumber(auto number, Form... form) {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number, form...).ptr;
    out_.append(text.data(), end);
  }
  // By the fewest digits that mean this very number.
  void WriteDouble(double number) {
    const double size = std::abs(number);
    const bool plain =
        (size >= kLeastPlain && size < kMostPlain) || (number == 0 && !std::signbit(number));
    if (!plain) {
      out_ += Library(number).dump();
      return;
    }
    if (number == std::trunc(number)) {
      WriteNumber(static_cast<std::int64_t>(number));
      out_ += ".0";
    } else {
      WriteNumber(number, std::chars_format::fixed);
    }
  }
  void WriteText(const std::string& text) {
    const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
    if (!std::ranges::all_of(text, plain)) {
      out_ += Library(text).dump(-1, ' ', false, Library::error_handler_t::replace);
      return;
    }
    out_ += '"';
    out_ += text;
    out_ += '"';
  }

  const std::size_t indent_;
  std::size_t depth_ = 0;
  std::string out_;
};

// JSON leaves open what a key means that comes twice: the last value counts, in the first one's
// place. Objects of outside may have a great many keys: not one by one.
void DropDuplicates(Json::Object& members) {
  std::vector<std::size_t> by_key(members.size());
  std::iota(by_key.begin(), by_key.end(), std::size_t{0});
  std::ranges::stable_sort(by_key, {},
                           [&](std::size_t i) -> const std::string& { return members[i].first; });
  std::vector<bool> dropped(members.size());
  bool any = false;
  for (std::size_t i = 1, first = 0; i < by_key.size(); ++i) {
    if (members[by_key[i]].first != members[by_key[first]].first) {
      first = i;
      continue;
    }
    members[by_key[first]].second = std::move(members[by_key[i]].second);
    dropped[by_key[i]] = true;
    any = true;
  }
  if (!any) return;
  Json::Object kept;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!dropped[i]) kept.push_back(std::move(members[i]));
  }
  members = std::move(kept);
}

// Takes what the library's reader finds, in its order. Its own tree would look through all the keys
// of an object for each that is added.
class Builder final : public nlohmann::json_sax<Library> {
 public:
  Json TakeRoot() { return std::move(root_); }

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(std::int64_t value) override { return Add(value); }
  bool number_unsigned(std::uint64_t value) override { return Add(value); }
  bool number_float(double value, const std::string& /*text*/) override { return Add(value); }
  bool string(std::string& value) override { return Add(std::move(value)); }
  bool binary(Library::binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return Open(true); }
  bool start_array(std::size_t /*size*/) override { return Open(false); }
  bool key(std::string& name) override {
    open_.back().members.emplace_back(std::move(name), Json());
    return true;
  }
  bool end_object() override {
    Json::Object members = std::move(open_.back().members);
    open_.pop_back();
    DropDuplicates(members);
    return Add(Json::MakeObject(std::move(members)));
  }
  bool end_array() override {
    Json::Array items = std::move(open_.back().items);
    open_.pop_back();
    return Add(Json::MakeArray(std::move(items)));
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

 private:
  // An object or an array that has not ended yet.
  struct Container {
    bool is_object;
    Json::Object members;
    Json::Array items;
  };

  bool Open(bool is_object) {
    open_.push_back({.is_object = is_object, .members = {}, .items = {}});
    return true;
  }
  bool Add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().members.back().second = std::move(value);
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  Json root_;
  std::vector<Container> open_;
};

// The library parses by recursion: depth is bounded before it sees the text.
bool TooDeep(std::string_view text) {
  constexpr int kMaxDepth = 64;
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    }
    if (c == '}' || c == ']') --depth;
  }
  return false;
}

bool SameMembers(const Json::Object& a, const Json& b) {
  return a.size() == b.as_object().size() &&
         std::all_of(a.begin(), a.end(), [&](const auto& member) {
           const Json* other = b.Find(member.first);
           return other != nullptr && *other == member.second;
         });
}

}  // namespace

Json Json::MakeTexts(const std::vector<std::string>& texts) {
  return MakeArray(Array(texts.begin(), texts.end()));
}

bool Json::as_bool() const {
  TRANCHE_CHECK(is_bool());
  return std::get<bool>(value_);
}
std::int64_t Json::as_int() const {
  TRANCHE_CHECK(is_int());
  return std::get<std::int64_t>(value_);
}
double Json::as_double() const {
  if (is_int()) return static_cast<double>(as_int());
  TRANCHE_CHECK(is_double());
  return std::get<double>(value_);
}
const std::string& Json::as_string() const {
  TRANCHE_CHECK(is_string());
  return std::get<std::string>(value_);
}
const Json::Array& Json::as_array() const {
  TRANCHE_CHECK(is_array());
  return std::get<Array>(value_);
}
const Json::Object& Json::as_object() const {
  TRANCHE_CHECK(is_object());
  return std::get<Object>(value_);
}

Json& Json::Set(std::string_view key, Json value) {
  TRANCHE_CHECK(is_object());
  auto& members = std::get<Object>(value_);
  for (Member& member : members) {
    if (member.first == key) {
      member.second = std::move(value);
      return *this;
    }
  }
  members.emplace_back(std::string(key), std::move(value));
  return *this;
}

const Json* Json::Find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const Member& member : as_object()) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

void Json::Append(Json value) {
  TRANCHE_CHECK(is_array());
  std::get<Array>(value_).push_back(std::move(value));
}

std::string Json::Dump(int indent) const {
  Writer writer(indent);
  writer.Write(*this);
  return writer.Take();
}

Result<Json> Json::Parse(std::string_view text) {
  if (TooDeep(text)) return Status(Code::kInvalidArgument, "JSON is nested too deeply");
  // The library takes a NUL for the end; no JSON text has one.
  if (text.find('\0') != std::string_view::npos) {
    return Status(Code::kInvalidArgument, "not valid JSON");
  }
  Builder builder;
  if (!Library::sax_parse(text.begin(), text.end(), &builder)) {
    return Status(Code::kInvalidArgument, "not valid JSON");
  }
  return builder.TakeRoot();
}

bool operator==(const Json& a, const Json& b) {
  if (a.is_object() && b.is_object()) return SameMembers(a.as_object(), b);
  return a.value_ == b.value_;
}

}  // namespace tranche::base
