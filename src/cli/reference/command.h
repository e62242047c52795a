// `tranche reference`: writes the pages of docs/reference. It is for whoever changes Tranche, and
// so is not in the list of commands.
//
// Threading: one thread.
// Errors: exit code 1 where a page could not be written; else 0.
#pragma once

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::reference {

void AddReferenceCommand(CLI::App& app, int& exit_code);

}  // namespace tranche::cli::reference
