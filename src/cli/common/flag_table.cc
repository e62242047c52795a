#include "cli/common/flag_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "config/units.h"

namespace tranche::cli::common {
namespace {

using config::ParseGoBool;
using config::ParseGoDuration;
using config::ParseGoInt;

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t comma = text.find(',');
    out.emplace_back(base::Trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

base::Status Invalid(std::string message) {
  return {base::Code::kInvalidArgument, std::move(message)};
}

// Why Go's strconv refuses `text`.
std::string NotAnInt(std::string_view text) {
  return fmt::format("strconv.ParseInt: parsing \"{}\": invalid syntax", text);
}

// How Go's flag library calls a kind of single values, and why it refuses `text`: "" where it takes
// it.
struct Judged {
  std::string_view kind;
  std::string refusal;
};

Judged Judge(FlagKind kind, std::string_view text) {
  if (kind == FlagKind::kDuration && text != "infinite") {
    const auto duration = ParseGoDuration(text);
    return {"duration", duration.ok() ? "" : duration.status().message()};
  }
  if (kind == FlagKind::kInt) return {"int", ParseGoInt(text) ? "" : NotAnInt(text)};
  if (kind == FlagKind::kNumber) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return {"float64",
            whole ? "" : fmt::format("strconv.ParseFloat: parsing \"{}\": invalid syntax", text)};
  }
  return {};
}

struct Known {
  const FlagSpec* flag;
  std::string_view spelling;
};

std::optional<Known> FindFlag(const std::vector<FlagGroup>& groups, std::string_view name) {
  for (const FlagGroup& group : groups) {
    if (group.environment_only) continue;
    for (const FlagSpec& flag : group.flags) {
      if (flag.name == name) return Known{&flag, flag.name};
      for (const std::string& alias : flag.aliases) {
        if (alias == name) return Known{&flag, alias};
      }
    }
  }
  return std::nullopt;
}

// One flag's variable, if any is present.
base::Result<std::optional<Override>> FromEnvironment(const FlagSpec& flag,
                                                      const EnvironmentLookup& lookup) {
  for (const std::string& name : flag.environment) {
    const auto value = lookup(name);
    if (!value) continue;
    Override out{flag.name, {}, fmt::format("environment variable \"{}\"", name)};
    const auto not_a = [&](std::string_view kind, std::string_view why) {
      return Invalid(fmt::format("could not parse \"{}\" as {} value from {} for flag {}: {}",
                                 *value, kind, out.origin, flag.name, why));
    };
    switch (flag.kind) {
      case FlagKind::kText:
        out.values = {*value};
        break;
      case FlagKind::kDuration:
      case FlagKind::kInt:
      case FlagKind::kNumber: {
        if (value->empty()) return std::optional<Override>();
        const Judged judged = Judge(flag.kind, *value);
        if (!judged.refusal.empty()) return not_a(judged.kind, judged.refusal);
        out.values = {*value};
        break;
      }
      case FlagKind::kBool: {
        const auto parsed = value->empty() ? std::optional(false) : ParseGoBool(*value);
        if (!parsed) {
          return not_a("bool",
                       fmt::format("strconv.ParseBool: parsing \"{}\": invalid syntax", *value));
        }
        out.values = {*parsed ? "true" : "false"};
        break;
      }
      case FlagKind::kTextList:
        out.values = SplitList(*value);
        break;
      case FlagKind::kIntList:
        if (value->empty()) return std::optional<Override>();
        out.values = SplitList(*value);
        for (const std::string& item : out.values) {
          if (!ParseGoInt(item)) return not_a("int slice", NotAnInt(item));
        }
        break;
    }
    return std::optional(std::move(out));
  }
  return std::optional<Override>();
}

class ArgumentParser {
 public:
  ArgumentParser(const std::vector<FlagGroup>& groups, const std::vector<std::string>& arguments)
      : groups_(groups), arguments_(arguments) {}

  base::Result<ParsedArguments> Run() {
    while (at_ < arguments_.size()) {
      const std::string& argument = arguments_[at_];
      if (argument.size() < 2 || argument[0] != '-' || argument == "--") break;
      ++at_;
      TRANCHE_TRY(Take(argument));
    }
    return std::move(out_);
  }

 private:
  base::Status Take(const std::string& argument) {
    std::string_view name(argument);
    name.remove_prefix(name[1] == '-' ? 2 : 1);
    if (name.empty() || name[0] == '-' || name[0] == '=') {
      return Invalid("bad flag syntax: " + argument);
    }
    std::optional<std::string> value;
    if (const std::size_t equals = name.find('='); equals != std::string_view::npos) {
      value = std::string(name.substr(equals + 1));
      name = name.substr(0, equals);
    }
    if (name == "help" || name == "h") return TakeSwitch(name, value, out_.help);
    if (name == "version" || name == "v") return TakeSwitch(name, value, out_.version);
    const auto known = FindFlag(groups_, name);
    if (!known) return Invalid(fmt::format("flag provided but not defined: -{}", name));
    if (known->flag->kind == FlagKind::kBool) {
      bool on = true;
      TRANCHE_TRY(TakeSwitch(name, value, on));
      return Store(*known, {on ? "true" : "false"});
    }
    if (!value) {
      if (at_ >= arguments_.size()) {
        return Invalid(fmt::format("flag needs an argument: -{}", name));
      }
      value = arguments_[at_++];
    }
    return TakeValue(*known, *value);
  }

  static base::Status TakeSwitch(std::string_view name, const std::optional<std::string>& value,
                                 bool& out) {
    out = true;
    if (!value) return base::Status::Ok();
    const auto parsed = ParseGoBool(*value);
    if (!parsed) {
      return Invalid(
          fmt::format("invalid boolean value \"{}\" for -{}: parse error", *value, name));
    }
    out = *parsed;
    return base::Status::Ok();
  }

  base::Status TakeValue(const Known& known, const std::string& value) {
    const bool list =
        known.flag->kind == FlagKind::kTextList || known.flag->kind == FlagKind::kIntList;
    if (!list) {
      const Judged judged = Judge(known.flag->kind, value);
      if (judged.refusal.empty()) return Store(known, {value});
      // Go's own numbers do not say why.
      const bool says_why = known.flag->kind == FlagKind::kDuration;
      return Invalid(fmt::format("invalid value \"{}\" for flag -{}: {}", value, known.spelling,
                                 says_why ? judged.refusal : "parse error"));
    }
    std::vector<std::string> items = SplitList(value);
    for (const std::string& item : items) {
      if (known.flag->kind != FlagKind::kIntList || ParseGoInt(item)) continue;
      return Invalid(fmt::format("invalid value \"{}\" for flag -{}: {}", value, known.spelling,
                                 NotAnInt(item)));
    }
    return Store(known, std::move(items));
  }

  base::Status Store(const Known& known, std::vector<std::string> values) {
    const std::string origin = "--" + std::string(known.spelling);
    for (Override& before : out_.overrides) {
      if (before.flag != known.flag->name) continue;
      if (before.origin != origin) {
        return Invalid(fmt::format("Cannot use two forms of the same flag: {} {}", known.spelling,
                                   before.origin.substr(2)));
      }
      const bool list =
          known.flag->kind == FlagKind::kTextList || known.flag->kind == FlagKind::kIntList;
      if (!list) before.values.clear();
      before.values.insert(before.values.end(), values.begin(), values.end());
      return base::Status::Ok();
    }
    out_.overrides.push_back({known.flag->name, std::move(values), origin});
    return base::Status::Ok();
  }

  const std::vector<FlagGroup>& groups_;
  const std::vector<std::string>& arguments_;
  std::size_t at_ = 0;
  ParsedArguments out_;
};

}  // namespace

base::Result<std::vector<Override>> EnvironmentOverrides(const std::vector<FlagGroup>& groups,
                                                         const EnvironmentLookup& lookup) {
  std::vector<Override> out;
  for (const FlagGroup& group : groups) {
    for (const FlagSpec& flag : group.flags) {
      auto given = FromEnvironment(flag, lookup);
      if (!given.ok()) return given.status();
      if (*given) out.push_back(**std::move(given));
    }
  }
  return out;
}

base::Result<ParsedArguments> ParseArguments(const std::vector<FlagGroup>& groups,
                                             const std::vector<std::string>& arguments) {
  return ArgumentParser(groups, arguments).Run();
}

std::optional<std::string> FlagValue(std::string_view flag,
                                     const std::vector<Override>& environment,
                                     const std::vector<Override>& command_line) {
  for (const auto* overrides : {&command_line, &environment}) {
    for (const Override& given : *overrides) {
      if (given.flag == flag) return given.values.empty() ? "" : given.values.back();
    }
  }
  return std::nullopt;
}

namespace {

// How a flag is written: "--name VALUE", or "VARIABLE=VALUE" where there is only the variable.
std::string Spelling(const FlagSpec& flag, bool environment_only) {
  if (environment_only) return fmt::format("{}=VALUE", fmt::join(flag.environment, ", "));
  std::string names = "--" + flag.name;
  for (const std::string& alias : flag.aliases) names += ", --" + alias;
  return names + (flag.kind == FlagKind::kBool ? "[=BOOL]" : " VALUE");
}

}  // namespace

std::string FormatFlags(const std::vector<FlagGroup>& groups) {
  std::string out;
  for (const FlagGroup& group : groups) {
    out += fmt::format("{}{}:\n", out.empty() ? "" : "\n", group.title);
    for (const FlagSpec& flag : group.flags) {
      out += fmt::format("  {}\n      {}", Spelling(flag, group.environment_only), flag.help);
      if (!flag.DefaultText().empty()) out += fmt::format(" (default: {})", flag.DefaultText());
      if (!flag.environment.empty() && !group.environment_only) {
        out += fmt::format(" [{}]", fmt::join(flag.environment, ", "));
      }
      out += '\n';
    }
  }
  return out;
}

}  // namespace tranche::cli::common
