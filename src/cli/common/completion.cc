#include "cli/common/completion.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace tranche::cli::common {

namespace {

constexpr char kBash[] = R"script(# source <(tranche completion bash)
_tranche() {
  local IFS=$'\n'
  COMPREPLY=($(tranche __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _tranche tranche
)script";

constexpr char kZsh[] = R"script(# source <(tranche completion zsh)
_tranche() {
  local -a found
  found=(${(f)"$(tranche __complete -- "${words[@]:1:$((CURRENT-1))}" 2>/dev/null)"})
  if (( ${#found} )); then compadd -a found; else _files; fi
}
compdef _tranche tranche
)script";

constexpr char kFish[] = R"script(# tranche completion fish | source
complete -c tranche -a '(tranche __complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
)script";

bool IsFlag(const std::string& word) { return word.starts_with("-"); }

}  // namespace

std::string CompletionScript(const std::string& shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return "";
}

std::vector<std::string> Complete(const CLI::App& app, const std::vector<std::string>& words,
                                  const std::vector<std::string>& agent_flags) {
  const CLI::App* command = &app;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (IsFlag(words[i])) continue;
    const auto next =
        command->get_subcommands([&](const CLI::App* sub) { return sub->get_name() == words[i]; });
    if (!next.empty()) command = next.front();
  }
  const std::string typed = words.empty() ? "" : words.back();
  std::vector<std::string> candidates;
  if (IsFlag(typed)) {
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) candidates.push_back("--" + name);
    }
    if (command->get_name() == "agent") {
      candidates.insert(candidates.end(), agent_flags.begin(), agent_flags.end());
    }
  } else {
    for (const CLI::App* sub : command->get_subcommands([](const CLI::App*) { return true; })) {
      // One without a group is not in --help's list either.
      if (!sub->get_name().starts_with("__") && !sub->get_group().empty())
        candidates.push_back(sub->get_name());
    }
  }
  std::erase_if(candidates, [&](const std::string& name) { return !name.starts_with(typed); });
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  return candidates;
}

}  // namespace tranche::cli::common
