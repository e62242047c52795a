#include "cli/reference/command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/file.h"
#include "cli/common/exit_status.h"
#include "cli/reference/pages.h"

namespace tranche::cli::reference {

namespace {

int Write(const std::string& folder) {
  for (const Page& page : ReferencePages()) {
    const base::Status status = base::WriteFileAtomic(base::JoinPath(folder, page.name), page.text);
    if (status.ok()) continue;
    fmt::print(stderr, "tranche reference: {}\n", status.message());
    return 1;
  }
  return 0;
}

}  // namespace

void AddReferenceCommand(CLI::App& app, int& exit_code) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("reference", "Write the pages of docs/reference");
  command->group("");  // left out of the list
  command->add_option("--output", *folder, "The folder to write to")->required();
  command->footer(common::ExitStatus("tranche reference") +
                  "Example:\n  tranche reference --output docs/reference");
  command->callback([folder, &exit_code] { exit_code = Write(*folder); });
}

}  // namespace tranche::cli::reference
