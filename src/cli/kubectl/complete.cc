#include "cli/kubectl/complete.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace tranche::cli::kubectl {

namespace {

using Words = std::vector<std::string>;

// cobra's ShellCompDirectiveDefault and …NoFileComp.
constexpr char kFilesToo[] = ":0";
constexpr char kNoFiles[] = ":4";

constexpr std::array<std::string_view, 5> kCommands{"pods", "profile", "status", "top", "validate"};
// With a value in the next word.
constexpr std::array<std::string_view, 13> kWithValue{
    "--kubeconfig", "--context", "--server", "--namespace", "-n",     "--output",           "-o",
    "--node",       "--timeout", "--label",  "-s",          "--sort", "--tranche-namespace"};

Words FlagsOf(const std::string& command) {
  Words flags{"--context", "--help",      "--kubeconfig", "--label",
              "--output",  "--namespace", "--server"};
  if (command == "profile") flags.insert(flags.end(), {"--remove", "--timeout", "--wait"});
  if (command == "top" || command == "pods") {
    flags.insert(flags.end(), {"--all-namespaces", "--sort", "--tranche-namespace"});
  }
  if (command == "validate") flags.insert(flags.end(), {"--lenient", "--node"});
  return flags;
}

// `top` and `pods`, which are called alike.
bool ShowsUse(const std::string& command) { return command == "top" || command == "pods"; }

bool TakesValue(const std::string& word) {
  return std::ranges::find(kWithValue, word) != kWithValue.end();
}

// The words before the last that are neither flags nor their values.
Words Positionals(const Words& words) {
  Words out;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (TakesValue(words[i])) {
      ++i;
    } else if (!words[i].starts_with("-")) {
      out.push_back(words[i]);
    }
  }
  return out;
}

Words Fitting(Words candidates, const std::string& typed, const char* directive) {
  std::erase_if(candidates, [&](const std::string& one) { return !one.starts_with(typed); });
  std::ranges::sort(candidates);
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  candidates.emplace_back(directive);
  return candidates;
}

}  // namespace

std::string TypedFlag(const Words& words, const std::string& flag) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == flag && i + 1 < words.size()) return words[i + 1];
    if (words[i].starts_with(flag + "=")) return words[i].substr(flag.size() + 1);
  }
  return "";
}

Words CompleteKubectl(const Words& words, const CompletionSources& sources) {
  const std::string typed = words.empty() ? "" : words.back();
  const std::string before = words.size() < 2 ? "" : words[words.size() - 2];
  const Words positionals = Positionals(words);
  const std::string command = positionals.empty() ? "" : positionals.front();
  if (before == "-o" || before == "--output") {
    Words forms{"json", "table", "wide", "yaml"};
    if (ShowsUse(command)) forms.emplace_back("name");
    return Fitting(std::move(forms), typed, kNoFiles);
  }
  if (before == "--sort") return Fitting({"busy", "idle", "memory", "name"}, typed, kNoFiles);
  if (before == "--node") return Fitting(sources.nodes(), typed, kNoFiles);
  if (before == "--kubeconfig") return {kFilesToo};
  if (TakesValue(before)) return {kNoFiles};
  if (typed.starts_with("-")) return Fitting(FlagsOf(command), typed, kNoFiles);
  if (command.empty()) {
    return Fitting({kCommands.begin(), kCommands.end()}, typed, kNoFiles);
  }
  if (command == "validate") return {kFilesToo};
  if (command == "status" || ShowsUse(command) ||
      (command == "profile" && positionals.size() == 1)) {
    return Fitting(sources.nodes(), typed, kNoFiles);
  }
  if (command == "profile" && positionals.size() == 2) {
    return Fitting(sources.profiles(positionals[1]), typed, kNoFiles);
  }
  return {kNoFiles};
}

}  // namespace tranche::cli::kubectl
