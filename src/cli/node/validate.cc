#include "cli/node/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/manifest/manifest.h"
#include "cli/manifest/mend.h"
#include "cli/manifest/recognise.h"
#include "cli/node/input_files.h"
#include "cli/node/verdict.h"
#include "config/load.h"
#include "config/resource_name.h"
#include "plan/plan.h"

namespace tranche::cli::node {
namespace {

using config::Diagnostic;
using config::Severity;

class Judge {
 public:
  Judge(bool lenient, const base::Result<gpu::Inventory>& inventory)
      : lenient_(lenient), inventory_(inventory) {}

  [[nodiscard]] Verdict Of(const std::string& source, const manifest::FoundProfile& profile) const {
    Verdict out;
    out.source = source;
    out.carrier = profile.carrier;
    out.name = profile.name;
    out.line = profile.line;
    if (profile.broken) {
      out.findings.push_back(*profile.broken);
      return out;
    }
    config::Checked checked = config::CheckConfig(profile.text, {}, {});
    for (Diagnostic& one : checked.findings) {
      if (one.severity == Severity::kCannotBeMeant) {
        one.severity = lenient_ ? Severity::kWarning : Severity::kError;
      }
      out.findings.push_back(profile.origin.InFile(std::move(one)));
    }
    if (checked.config) Plan(*checked.config, profile, out);
    return out;
  }

 private:
  void Plan(const config::Config& config, const manifest::FoundProfile& profile,
            Verdict& out) const {
    out.env_strategy = config.flags.plugin.Uses(config::DeviceListStrategy::kEnvvar);
    if (!inventory_.ok()) return;
    auto plan = plan::BuildPlan(config, *inventory_);
    if (!plan.ok()) {
      out.findings.push_back(profile.origin.InFile(
          {.severity = Severity::kError, .message = plan.status().message()}));
      return;
    }
    for (const plan::PlanWarning& one : plan->warnings) {
      out.findings.push_back(profile.origin.InFile({.message = one.message, .line = one.line}));
    }
    out.plan = *std::move(plan);
  }

  bool lenient_;
  const base::Result<gpu::Inventory>& inventory_;
};

std::string Found(const manifest::Manifest& manifest) {
  std::vector<std::string> what;
  constexpr std::size_t kSome = 5;
  for (const manifest::PassedOver& one : manifest.passed) {
    if (what.size() < kSome) what.push_back(one.what);
  }
  if (manifest.passed.size() > kSome) what.emplace_back("…");
  return what.empty() ? "nothing" : fmt::format("{}", fmt::join(what, "; "));
}

class Examiner {
 public:
  explicit Examiner(const Judge& judge) : judge_(judge) {}

  void Examine(const InputFile& file) {
    if (!file.error.empty()) {
      (file.searched ? report_.passed : report_.refused).push_back({file.name, 0, file.error});
      return;
    }
    report_.texts[file.name] = file.text;
    const manifest::Manifest manifest = manifest::ReadManifest(file.text);
    for (const manifest::FoundProfile& one : manifest.profiles) {
      report_.verdicts.push_back(judge_.Of(file.name, one));
    }
    for (const manifest::Reference& one : manifest.references)
      references_.emplace_back(file.name, one);
    const bool ours = !file.searched || !manifest.empty() || manifest::MentionsSharing(file.text);
    for (const config::Diagnostic& one : manifest.unreadable) {
      if (!ours) {
        report_.passed.push_back({file.name, one.line, one.message});
        break;
      }
      Verdict verdict;
      verdict.source = file.name;
      verdict.line = one.line;
      verdict.findings.push_back(one);
      report_.verdicts.push_back(std::move(verdict));
    }
    if (!manifest.unreadable.empty() && manifest.empty()) return;
    if (!manifest.empty()) {
      for (const manifest::PassedOver& one : manifest.passed) {
        report_.passed.push_back({file.name, one.line, one.what});
      }
    } else if (!file.searched) {
      report_.refused.push_back({file.name, 0, "not a sharing config: found " + Found(manifest)});
    }
  }

  Report Take() {
    for (const auto& [source, one] : references_) Resolve(source, one);
    return std::move(report_);
  }

 private:
  // The ConfigMap that something names, if it is among the files: has it the profile?
  void Resolve(const std::string& source, const manifest::Reference& reference) {
    const std::string carrier = "ConfigMap " + reference.config_map;
    std::vector<std::string> names;
    for (const Verdict& one : report_.verdicts) {
      if (one.carrier == carrier) names.push_back(one.name);
    }
    if (names.empty()) {
      report_.notes.push_back(
          {source, reference.line,
           fmt::format("{} names {}, which is not among these files", reference.from, carrier)});
      return;
    }
    const std::string& wanted = reference.profile;
    if (wanted.empty() || std::find(names.begin(), names.end(), wanted) != names.end()) return;
    const std::string near = config::NearestName(wanted, names);
    Verdict verdict;
    verdict.source = source;
    verdict.carrier = reference.from;
    verdict.line = reference.line;
    verdict.findings.push_back({.severity = Severity::kError,
                                .message = fmt::format("{} has no profile '{}'", carrier, wanted),
                                .line = reference.line,
                                .instead = near.empty()
                                               ? fmt::format("it has: {}", fmt::join(names, ", "))
                                               : fmt::format("did you mean '{}'?", near)});
    report_.verdicts.push_back(std::move(verdict));
  }

  const Judge& judge_;
  Report report_;
  std::vector<std::pair<std::string, manifest::Reference>> references_;
};

// Prints each file mended, and says of the others that nothing is to be mended.
int RunMend(const std::vector<InputFile>& files, std::ostream& out, std::ostream& errors) {
  int exit_code = kValidateWell;
  for (const InputFile& file : files) {
    if (const auto mended = manifest::Mend(file.text)) {
      out << *mended;
    } else {
      errors << file.name << ": "
             << (file.error.empty() ? "nothing that can be mended in one way only" : file.error)
             << "\n";
      exit_code = kValidateNoConfig;
    }
  }
  return exit_code;
}

}  // namespace

int RunValidate(const ValidateOptions& options, const InventoryReader& read_inventory,
                std::istream& in, std::ostream& out, std::ostream& errors) {
  const std::vector<InputFile> files = ReadInputFiles(options.files, options.recursive, in);
  if (options.fix) return RunMend(files, out, errors);
  const auto inventory = read_inventory(options.node);
  if (!inventory.ok() && !options.node.empty()) {
    errors << "tranche validate: --node " << options.node << ": " << inventory.status().message()
           << "\n";
    return kValidateNoConfig;
  }
  const Judge judge(options.lenient, inventory);
  Examiner examiner(judge);
  for (const InputFile& file : files) examiner.Examine(file);
  Report report = examiner.Take();
  if (report.verdicts.empty() && report.refused.empty()) {
    report.refused.push_back({options.files.front(), 0, "no sharing config in any file below it"});
  }
  if (options.json) {
    PrintJson(options, inventory, report, out);
  } else {
    PrintText(options, inventory, report, out);
  }
  return report.ExitCode();
}

}  // namespace tranche::cli::node
