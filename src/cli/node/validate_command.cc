// The command line of `tranche validate`, and where its devices come from: libnvidia-ml, the
// machine's own or a simulated node's made for the moment.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "cli/common/exit_status.h"
#include "cli/node/validate.h"
#include "gpu/nvml/driver.h"
#include "sim/node/home.h"
#include "sim/node/node.h"
#include "sim/node/profile.h"

namespace tranche::cli::node {
namespace {

// A temporary folder, which is removed with this object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code ignored;
    std::string name = (std::filesystem::temp_directory_path(ignored) / "tranche-validate.XXXXXX");
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

base::Result<gpu::Inventory> Ask(const gpu::nvml::NvmlOptions& options) {
  const auto driver = gpu::nvml::NewNvmlDriver(options);
  TRANCHE_TRY(driver->Initialise());
  auto inventory = driver->Enumerate();
  driver->Shutdown();
  return inventory;
}

base::Result<gpu::Inventory> ReadInventory(const std::string& node) {
  if (node.empty()) return Ask({});
  const auto home = tranche::sim::FindSimHome();
  if (!home.ok()) return home.status();
  const auto profile = tranche::sim::LoadProfile(home->profiles(), node);
  if (!profile.ok()) return profile.status();
  if (profile->gpus.empty()) return gpu::Inventory();  // a node without a driver
  const TemporaryFolder folder;
  if (folder.path().empty()) return base::ErrnoStatus(errno, "making a temporary folder");
  const std::string root = folder.path() + "/root";
  const auto made = tranche::sim::CreateNode(*home, *profile, root);
  if (!made.ok()) return made.status();
  return Ask({.driver_root = root, .sys_root = root});
}

}  // namespace

void AddValidateCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ValidateOptions>();
  auto output = std::make_shared<std::string>("text");
  CLI::App* command = app.add_subcommand(
      "validate", "Check sharing configs and say what each would advertise, changing nothing");
  command
      ->add_option("FILE", options->files,
                   "A config, or a manifest or Helm values that carry configs; - is standard input")
      ->required();
  command->add_option("--node", options->node,
                      "A node profile instead of this node: a name of `tranche sim profiles` or a "
                      "file");
  command->add_flag("-r,--recursive", options->recursive,
                    "Look for configs in all .yaml, .yml and .json files of a folder");
  command->add_flag("--lenient", options->lenient,
                    "Warn of what NVIDIA's plugin accepts although it cannot be meant, such as an "
                    "unknown key, instead of calling it an error");
  command->add_flag(
      "--fix", options->fix,
      "Print the file with its form mended (a ConfigMap's lost indentation, a mapping "
      "where text is wanted), and judge nothing");
  command->add_option("-o,--output", *output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->footer(common::ExitStatus("tranche validate") +
                  "Examples:\n"
                  "  tranche validate config.yaml\n"
                  "  tranche validate --node h100x8 configmap.yaml -o json\n"
                  "  kubectl get configmap device-plugin-config -o yaml | tranche validate -\n"
                  "  tranche validate helmrelease.yaml values.yaml application.yaml\n"
                  "  tranche validate -r clusters/\n"
                  "  tranche validate --fix pasted.yaml > configmap.yaml");
  command->callback([options, output, &exit_code] {
    options->json = *output == "json";
    options->carets = ::isatty(STDOUT_FILENO) == 1;
    exit_code = RunValidate(*options, ReadInventory, std::cin, std::cout, std::cerr);
  });
}

}  // namespace tranche::cli::node
