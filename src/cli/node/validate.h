// `tranche validate`: what each profile of some files would advertise, and what is wrong with them.
// The files are treated as hostile text.
//
// Threading: one thread.
// Errors: exit code 1 where a config is invalid (or holds an unknown key, unless lenient), 2 where
// a file holds no sharing config or cannot be read; else 0.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "base/status.h"
#include "gpu/device.h"

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::node {

inline constexpr int kValidateWell = 0;
inline constexpr int kValidateInvalid = 1;
inline constexpr int kValidateNoConfig = 2;

struct ValidateOptions {
  std::vector<std::string> files;  // "-" is standard input
  std::string node;                // a node profile; "": this node
  bool lenient = false;            // what upstream takes and cannot be meant is a warning
  bool recursive = false;          // folders are read
  bool fix = false;                // print each file mended, and judge nothing
  bool carets = false;             // show the offending line
  bool json = false;
  // What `node` is and how to name one, for people.
  std::string node_kind = "node profile";
  std::string node_hint = "--node a100x2 or --node FILE.yaml";
};

// The devices of a node profile, or of this node for "".
using InventoryReader = std::function<base::Result<gpu::Inventory>(const std::string& node)>;

int RunValidate(const ValidateOptions& options, const InventoryReader& read_inventory,
                std::istream& in, std::ostream& out, std::ostream& errors);

// Adds the subcommand; `exit_code` is set when it was the one typed.
void AddValidateCommand(CLI::App& app, int& exit_code);

}  // namespace tranche::cli::node
