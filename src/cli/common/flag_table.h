// Flags and environment variables as tables, read as the command line library of NVIDIA's programs
// (urfave/cli v2 over Go's `flag`) reads them. A table is written like this:
//
//   Flag("mig-strategy").Env("MIG_STRATEGY").Default("none").Help("how MIG devices are advertised")
//
// Threading: pure; environment and arguments are handed in. Safe from any thread.
// Errors: kInvalidArgument in the words of that library.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "config/load.h"

namespace tranche::cli::common {

using config::Override;

enum class FlagKind { kText, kBool, kDuration, kInt, kNumber, kTextList, kIntList };

struct FlagSpec {
  std::string name;                      // the long flag without dashes
  std::vector<std::string> aliases;      // other names, without dashes
  std::vector<std::string> environment;  // the first that is present counts
  FlagKind kind = FlagKind::kText;
  std::string default_value;  // what is read where the flag is not given
  std::string default_words;  // instead of it in the help, where it depends on something
  std::string help;           // one sentence; choices in it

  FlagSpec& Alias(std::string other_name) {
    aliases.push_back(std::move(other_name));
    return *this;
  }
  // Called again, it adds a variable that counts where those before it are not set.
  FlagSpec& Env(std::string variable) {
    environment.push_back(std::move(variable));
    return *this;
  }
  FlagSpec& Default(std::string_view value) {
    default_value = value;
    return *this;
  }
  FlagSpec& DefaultWords(std::string words) {
    default_words = std::move(words);
    return *this;
  }
  FlagSpec& Help(std::string text) {
    help = std::move(text);
    return *this;
  }

  // For people; "" where the default is empty.
  [[nodiscard]] const std::string& DefaultText() const {
    return default_words.empty() ? default_value : default_words;
  }
};

inline FlagSpec Flag(std::string name) { return {.name = std::move(name)}; }
// A switch: `--name`, or `--name=false`.
inline FlagSpec BoolFlag(std::string name, bool value) {
  return {
      .name = std::move(name), .kind = FlagKind::kBool, .default_value = value ? "true" : "false"};
}
// A Go duration, or "infinite".
inline FlagSpec DurationFlag(std::string name) {
  return {.name = std::move(name), .kind = FlagKind::kDuration};
}
inline FlagSpec IntFlag(std::string name) {
  return {.name = std::move(name), .kind = FlagKind::kInt};
}
inline FlagSpec NumberFlag(std::string name) {
  return {.name = std::move(name), .kind = FlagKind::kNumber};
}
// Several words, split by commas; empty where it is not given.
inline FlagSpec ListFlag(std::string name) {
  return {.name = std::move(name), .kind = FlagKind::kTextList};
}
inline FlagSpec IntListFlag(std::string name) {
  return {.name = std::move(name), .kind = FlagKind::kIntList};
}

// Flags under one heading of the help.
struct FlagGroup {
  std::string title;
  std::vector<FlagSpec> flags;
  bool environment_only = false;  // their variables are read; on the command line they are unknown
};

using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

// Every variable that is present, as overrides by flag name; present but empty counts as set (but
// for a duration, a number, and a list of integers). kInvalidArgument in upstream's words.
base::Result<std::vector<Override>> EnvironmentOverrides(const std::vector<FlagGroup>& groups,
                                                         const EnvironmentLookup& lookup);

struct ParsedArguments {
  std::vector<Override> overrides;  // one per flag, by its name; repeated lists are appended
  bool help = false;                // --help, -h
  bool version = false;             // --version, -v
};

// The arguments after the program's name. `--flag=value` and `--flag value` (one dash does too); a
// bool takes no separate word. Where a flag is repeated the last value counts, and each has to be
// of its kind. The first word that is no flag ends the flags, it and the rest are ignored.
// kInvalidArgument in Go's words: print the help and exit 1.
base::Result<ParsedArguments> ParseArguments(const std::vector<FlagGroup>& groups,
                                             const std::vector<std::string>& arguments);

// The value of a flag after precedence: command line, environment, nothing.
std::optional<std::string> FlagValue(std::string_view flag,
                                     const std::vector<Override>& environment,
                                     const std::vector<Override>& command_line);

// Flags by group with their variables and defaults, for --help.
std::string FormatFlags(const std::vector<FlagGroup>& groups);

}  // namespace tranche::cli::common
