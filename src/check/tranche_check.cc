// tranche-check, which says from inside a container whether it has a memory wall, and why not where
// it has none. See --help.
#include <unistd.h>

#include <string_view>

#include "check/libraries.h"
#include "check/node_program.h"
#include "check/print.h"
#include "hook/memory.h"
#include "hook/root.h"

namespace tranche::check {
namespace {

constexpr char kHelp[] =
    R"(usage: tranche-check [-o text|json]

Says whether this container has a wall for GPU memory: which libcuda programs get under each name and whether
Tranche's shim is in front of it, whether the node program answers, and for each GPU the limit and what is used of it.
Where there is no wall it says why. It changes nothing and uses no GPU.

  -o text|json  how it is printed (default text)
  -h, --help    this text

Exit status: 0 walled; 1 not walled; 2 a wrong option.

Example:
  kubectl exec mypod -- /run/tranche/shim/tranche-check -o json
)";
constexpr int kUsageError = 2;

std::string_view LibraryPath(char** environment) {
  constexpr std::string_view kName = "LD_LIBRARY_PATH=";
  std::string_view found;
  for (; *environment != nullptr; ++environment) {
    std::string_view entry = *environment;
    if (!entry.starts_with(kName)) continue;
    entry.remove_prefix(kName.size());
    found = entry;
  }
  return found;
}

int Run(int count, char** arguments) {
  bool json = false;
  for (int i = 1; i < count; i += 2) {
    const std::string_view option = arguments[i];
    const std::string_view value = i + 1 < count ? arguments[i + 1] : "";
    if (option == "-h" || option == "--help") {
      hook::Print(STDOUT_FILENO, kHelp);
      return 0;
    }
    if (option != "-o" || (value != "text" && value != "json")) {
      hook::Print(STDERR_FILENO, "tranche-check: the one option is -o text|json (see --help)\n");
      return kUsageError;
    }
    json = value == "json";
  }
  static Libraries libraries;
  static Text text;
  const hook::Root root("/");
  FindLibraries(root, LibraryPath(environ), &libraries);
  const Answer answer = AskNodeProgram();
  json ? PrintJson(libraries, answer, &text) : PrintText(libraries, answer, &text);
  hook::Print(STDOUT_FILENO, text.view());
  return IsWalled(libraries, answer) ? 0 : 1;
}

}  // namespace
}  // namespace tranche::check

int main(int count, char** arguments) { return tranche::check::Run(count, arguments); }
