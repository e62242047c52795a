// `tranche reference`: writes the pages of docs/reference. It is for who changes Tranche, and so is
// not in the list of commands.
//
// Exit codes: 0 done, 1 a page could not be written.
#pragma once

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::reference {

void AddReferenceCommand(CLI::App& app, int& exit_code);

}  // namespace tranche::cli::reference
