// What `tranche validate` found out about some files, and how it is printed.
//
// Threading: plain values and functions.
// Errors: none.
#pragma once

#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/manifest/manifest.h"
#include "cli/node/validate.h"
#include "config/load.h"
#include "gpu/device.h"
#include "plan/plan.h"

namespace tranche::cli::node {

// What one profile would do.
struct Verdict {
  std::string source;   // the file
  std::string carrier;  // the object in it, "" for a bare config
  std::string name;     // "" for a bare config
  int line = 0;
  std::vector<config::Diagnostic> findings;  // lines are those of the file
  std::optional<plan::Plan> plan;
  bool env_strategy = false;  // containers are told their devices by environment alone

  [[nodiscard]] bool valid() const;
};

struct Note {
  std::string source;
  int line = 0;
  std::string text;
};

struct Report {
  std::vector<Verdict> verdicts;
  std::vector<Note> refused;                 // files that cannot be read, or hold no config: why
  std::vector<Note> passed;                  // documents that hold no config
  std::vector<Note> notes;                   // ConfigMaps that are named but not given
  bool unreadable = false;                   // a file is no YAML
  std::map<std::string, std::string> texts;  // of each file, for the lines that are shown

  [[nodiscard]] int ExitCode() const;
};

void PrintText(const ValidateOptions& options, const base::Result<gpu::Inventory>& inventory,
               const Report& report, std::ostream& out);
void PrintJson(const ValidateOptions& options, const base::Result<gpu::Inventory>& inventory,
               const Report& report, std::ostream& out);

}  // namespace tranche::cli::node
