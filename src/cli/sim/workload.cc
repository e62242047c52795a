#include "cli/sim/workload.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "cli/common/exit_status.h"
#include "sim/link/protocol.h"
#include "sim/node/files.h"
#include "sim/node/home.h"
#include "sim/workloads/catalog.h"
#include "sim/workloads/settings.h"

namespace tranche::cli::sim {
namespace {

using base::Code;
using base::Status;

struct Typed {
  std::string root = "/tmp/tranche-node";
  std::string name;
  std::map<std::string, std::string> options;
};

std::string List() {
  std::string text;
  for (const auto& workload : tranche::sim::workloads::kWorkloads) {
    std::string name(workload.name);
    name.resize(12, ' ');
    text += name + std::string(workload.about) + "\n" + std::string(12, ' ') +
            std::string(workload.defaults) + "\n";
  }
  return text;
}

base::Json ListJson() {
  base::Json list = base::Json::MakeArray();
  for (const auto& workload : tranche::sim::workloads::kWorkloads) {
    base::Json one = base::Json::MakeObject();
    one.Set("name", std::string(workload.name));
    one.Set("about", std::string(workload.about));
    one.Set("defaults", std::string(workload.defaults));
    list.Append(std::move(one));
  }
  return list;
}

std::vector<std::string> NamesAndList() {
  std::vector<std::string> names = {"list"};
  for (const auto& workload : tranche::sim::workloads::kWorkloads) {
    names.emplace_back(workload.name);
  }
  return names;
}

std::vector<std::string> Words(const Typed& typed) {
  std::vector<std::string> words = {typed.name};
  for (const auto& [option, value] : typed.options) {
    if (value.empty()) continue;
    words.push_back(option);
    words.push_back(value);
  }
  return words;
}

// Whether a driver serves the node. One that was killed leaves its socket, at which nobody listens.
bool HasDriver(const std::string& root) {
  const std::string path = base::JoinPath(root, tranche::sim::link::kSocket);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return base::Exists(path);
  path.copy(address.sun_path, path.size());
  const base::UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return true;
  }
  return errno != ENOENT && errno != ECONNREFUSED;  // another trouble is the program's to tell
}

// Comes back only where it cannot.
Status Become(const Typed& typed) {
  auto home = tranche::sim::FindSimHome();
  if (!home.ok()) return home.status();
  const std::string libraries = tranche::sim::LibraryDirectory(typed.root);
  if (!base::Exists(libraries + "/libcuda.so.1")) {
    return {Code::kNotFound, "no simulated node in " + typed.root +
                                 ": tranche sim node create PROFILE --root " + typed.root};
  }
  if (!HasDriver(typed.root)) {
    return {Code::kFailedPrecondition,
            "no driver serves the simulated node in " + typed.root +
                ": start one, which then runs beside it: tranche sim driver --root " + typed.root};
  }
  const char* before = std::getenv("LD_LIBRARY_PATH");
  const std::string path =
      before == nullptr || *before == '\0' ? libraries : libraries + ":" + before;
  setenv("LD_LIBRARY_PATH", path.c_str(), 1);

  const std::string program = base::JoinPath(home->path, "tranche-workload");
  std::vector<std::string> words = Words(typed);
  words.insert(words.begin(), program);
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execv(program.c_str(), arguments.data());
  return {Code::kNotFound, program + ": " + std::strerror(errno)};
}

}  // namespace

void AddSimWorkloadCommand(CLI::App& sim, int& exit_code) {
  auto typed = std::make_shared<Typed>();
  CLI::App* command = sim.add_subcommand(
      "workload", "Run a program that uses a GPU on a simulated node, and report what it got");
  command->add_option("name", typed->name, "One of those that `list` lists, or list")
      ->required()
      ->check(CLI::IsMember(NamesAndList()));
  command->add_option("--root", typed->root, "The node's driver root")->capture_default_str();
  for (const auto& option : tranche::sim::workloads::kOptions) {
    const std::string name(option.name);
    command
        ->add_option(name == "--output" ? "-o," + name : name, typed->options[name],
                     std::string(option.about))
        ->type_name(std::string(option.value));
  }
  command->footer(common::ExitStatus("tranche sim workload") +
                  "Examples:\n"
                  "  tranche sim workload list\n"
                  "  tranche sim workload steady --for 10s -o json\n"
                  "  tranche sim workload requests --burst 10 --think 5ms --for 10s\n"
                  "  tranche sim workload hold --memory 76Gi --for 2m");
  command->callback([typed, &exit_code] {
    if (typed->name == "list") {
      const bool json = typed->options["--output"] == "json";
      std::cout << (json ? ListJson().Dump() + "\n" : List());
      return;
    }
    // The program would say the same, but of itself.
    tranche::sim::workloads::Settings settings;
    const std::string wrong = tranche::sim::workloads::ParseSettings(Words(*typed), settings);
    if (!wrong.empty()) {
      std::cerr << "tranche sim workload: " << wrong << " (see tranche sim workload --help)\n";
      exit_code = 2;
      return;
    }
    const Status status = Become(*typed);
    std::cerr << "tranche sim: " << status.message() << "\n";
    exit_code = 1;
  });
}

}  // namespace tranche::cli::sim
