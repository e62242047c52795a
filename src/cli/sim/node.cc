#include "cli/sim/node.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/common/duration.h"
#include "cli/common/exit_status.h"
#include "cli/common/table.h"
#include "cli/sim/call_code.h"
#include "cli/sim/node_show.h"
#include "sim/node/model.h"
#include "sim/node/node.h"

namespace tranche::cli::sim {
namespace {

using base::Result;
using base::Status;
using namespace std::chrono_literals;

constexpr char kDefaultRoot[] = "/tmp/tranche-node";

// What was typed, shared by the commands: each uses its part.
struct Typed {
  std::string root = kDefaultRoot;
  std::string profile;
  std::string output;
  std::string device;
  std::string what;
  std::string call;
  std::string only_gpu;
  std::string process_action;
  std::string process_kind = "compute";
  std::uint64_t number = 0;
  std::uint32_t pid = 0;
  tranche::sim::MemoryErrors memory_errors;
  bool forget = false;
  unsigned count = 0;
  std::int64_t lasts_ns = 0;
  std::uint64_t memory_bytes = 0;
  std::optional<unsigned> utilization;
  std::optional<unsigned> memory_utilization;
  std::optional<std::uint64_t> memory_used;
  std::optional<unsigned> temperature;
  std::optional<unsigned> power_watts;
};

class Commands {
 public:
  Commands(CLI::App& sim, int& exit_code) : sim_(sim), exit_code_(exit_code) {}

  void Add() {
    AddNode();
    AddHealth();
    AddMemoryErrors();
    AddPlugging();
    AddReadings();
    AddFaults();
  }

 private:
  using Action = std::function<Status(const Typed&)>;

  CLI::App* Command(CLI::App& parent, const std::string& name, const std::string& about,
                    const std::string& example, Action action) {
    CLI::App* command = parent.add_subcommand(name, about);
    command->footer(common::ExitStatus("tranche sim (the node and its GPUs)") +
                    "Example:\n  tranche sim " + example);
    command->add_option("--root", typed_->root, "The node's driver root")->capture_default_str();
    command->callback([typed = typed_, action = std::move(action), &exit = exit_code_] {
      const Status status = action(*typed);
      if (!status.ok()) std::cerr << "tranche sim: " << status.message() << "\n";
      exit = status.ok() ? 0 : 1;
    });
    return command;
  }

  // A command that acts on an open node.
  CLI::App* OnNode(const std::string& name, const std::string& about, const std::string& example,
                   std::function<Status(tranche::sim::Node&, const Typed&)> action) {
    return Command(sim_, name, about, example, [action = std::move(action)](const Typed& typed) {
      Result<std::unique_ptr<tranche::sim::Node>> node = tranche::sim::Node::Open(typed.root);
      return node.ok() ? action(**node, typed) : node.status();
    });
  }

  // A command about one GPU or MIG device.
  CLI::App* OnDevice(
      const std::string& name, const std::string& about, const std::string& example,
      std::function<Status(tranche::sim::Node&, const tranche::sim::DeviceRef&, const Typed&)>
          action) {
    CLI::App* command =
        OnNode(name, about, example,
               [action = std::move(action)](tranche::sim::Node& node, const Typed& typed) {
                 Result<tranche::sim::DeviceRef> device = node.Find(typed.device);
                 return device.ok() ? action(node, *device, typed) : device.status();
               });
    command->add_option("gpu", typed_->device, "Index, UUID, or index:index of a MIG device")
        ->required();
    return command;
  }

  void AddNode();
  void AddHealth();
  void AddMemoryErrors();
  void AddPlugging();
  void AddReadings();
  void AddProcesses();
  void AddFaults();
  enum class Trouble { kFails, kHangs };
  CLI::App* AddFault(const std::string& name, const std::string& about, const std::string& example,
                     Trouble trouble);

  CLI::App& sim_;
  int& exit_code_;
  std::shared_ptr<Typed> typed_ = std::make_shared<Typed>();
};

Status Create(const Typed& typed) {
  Result<tranche::sim::SimHome> home = tranche::sim::FindSimHome();
  if (!home.ok()) return home.status();
  Result<tranche::sim::NodeProfile> profile =
      tranche::sim::LoadProfile(home->profiles(), typed.profile);
  if (!profile.ok()) return profile.status();
  Result<tranche::sim::DeviceNodes> nodes = tranche::sim::CreateNode(*home, *profile, typed.root);
  if (!nodes.ok()) return nodes.status();
  std::cout << "node " << profile->name << " in " << typed.root << ": " << profile->gpus.size()
            << " GPU(s), driver " << profile->driver_version << "\n";
  if (*nodes == tranche::sim::DeviceNodes::kPlainFiles) {
    std::cout << "device nodes are plain files: making character nodes is not allowed here\n";
  }
  std::cout << "to use it: LD_LIBRARY_PATH=" << tranche::sim::LibraryDirectory(typed.root) << "\n"
            << "for CUDA, serve its GPUs: tranche sim driver --root " << typed.root << "\n";
  return Status::Ok();
}

Status Show(tranche::sim::Node& node, const Typed& typed) {
  const tranche::sim::NodeSnapshot snapshot = node.Read();
  if (typed.output == "json") {
    std::cout << SimNodeJson(snapshot).Dump(2) << "\n";
  } else {
    std::cout << SimNodeText(snapshot, common::ColorOfOutput());
  }
  return Status::Ok();
}

Status ListProfiles(const Typed&) {
  Result<tranche::sim::SimHome> home = tranche::sim::FindSimHome();
  if (!home.ok()) return home.status();
  Result<std::vector<std::string>> profiles = tranche::sim::ShippedProfiles(home->profiles());
  if (!profiles.ok()) return profiles.status();
  Result<std::vector<tranche::sim::GpuState>> models = tranche::sim::LoadModels(home->profiles());
  if (!models.ok()) return models.status();
  std::cout << "profiles (tranche sim node create):\n";
  for (const std::string& name : *profiles) std::cout << "  " << name << "\n";
  std::cout << "models (tranche sim plug):\n";
  for (const tranche::sim::GpuState& model : *models) std::cout << "  " << model.model << "\n";
  return Status::Ok();
}

void Commands::AddNode() {
  CLI::App* node = sim_.add_subcommand("node", "Make a simulated node, or look at one");
  node->require_subcommand(1);
  CLI::App* create = Command(*node, "create", "Make a driver root after a profile",
                             "node create a100x2 --root /tmp/tranche-node", Create);
  create->add_option("profile", typed_->profile, "A shipped profile's name, or a YAML file")
      ->required();
  CLI::App* show = Command(*node, "show", "What the node has and what is happening on it",
                           "node show -o json", [](const Typed& typed) {
                             Result<std::unique_ptr<tranche::sim::Node>> opened =
                                 tranche::sim::Node::Open(typed.root);
                             return opened.ok() ? Show(**opened, typed) : opened.status();
                           });
  show->add_option("-o,--output", typed_->output, "json: for programs")
      ->check(CLI::IsMember({"json", "text"}));
  Command(sim_, "profiles", "The profiles and GPU models there are", "profiles", ListProfiles);
}

void Commands::AddHealth() {
  CLI::App* xid = OnDevice(
      "xid", "Raise an XID on a GPU or MIG device", "xid 0 48\n  tranche sim xid 0 31 --pid 4711",
      [](tranche::sim::Node& node, const tranche::sim::DeviceRef& device, const Typed& typed) {
        return node.RaiseXid(device, typed.number, typed.pid);
      });
  xid->add_option("code", typed_->number, "The XID")->required();
  xid->add_option(
      "--pid", typed_->pid,
      "The process whose fault it is, as the host numbers it: 31 and 43 end what it has "
      "on the GPU, where it has to be");
  OnDevice("lose", "A GPU falls off the bus: XID 79, and no call about it succeeds", "lose 1",
           [](tranche::sim::Node& node, const tranche::sim::DeviceRef& device, const Typed&) {
             return node.Lose(device.slot);
           });
  OnDevice("return", "A lost GPU comes back", "return 1",
           [](tranche::sim::Node& node, const tranche::sim::DeviceRef& device, const Typed&) {
             return node.Return(device.slot);
           });
}

void Commands::AddMemoryErrors() {
  CLI::App* ecc = OnDevice(
      "ecc", "Count memory errors on a GPU",
      "ecc 0 --corrected 3\n  tranche sim ecc 0 --uncorrected 1 --remapped 1 --remap-pending\n"
      "  tranche sim ecc 0 --forget",
      [](tranche::sim::Node& node, const tranche::sim::DeviceRef& device, const Typed& typed) {
        if (typed.forget) return node.ForgetMemoryErrors(device.slot);
        return node.AddMemoryErrors(device.slot, typed.memory_errors);
      });
  tranche::sim::MemoryErrors& errors = typed_->memory_errors;
  ecc->add_option("--corrected", errors.corrected, "Add so many errors that were corrected");
  ecc->add_option("--uncorrected", errors.uncorrected,
                  "Add so many errors that were not corrected");
  ecc->add_flag("--sram", errors.sram, "The errors were in on-chip memory, not in DRAM");
  ecc->add_option("--remapped", errors.remapped_uncorrected,
                  "Remap so many rows because of errors that were not corrected");
  ecc->add_option("--remapped-corrected", errors.remapped_corrected,
                  "Remap so many rows because of errors that were corrected");
  ecc->add_flag("--remap-pending", errors.remap_pending, "A row waits to be remapped at a reset");
  ecc->add_flag("--remap-failed", errors.remap_failed, "A row could not be remapped");
  ecc->add_flag("--forget", typed_->forget, "The GPU is as new: every count is zero");
}

void Commands::AddPlugging() {
  OnNode("plug", "Plug a GPU in; programs see it when they initialise NVML again",
         "plug a100-sxm4-80gb\n  tranche sim plug h100x8/3",
         [](tranche::sim::Node& node, const Typed& typed) -> Status {
           Result<tranche::sim::SimHome> home = tranche::sim::FindSimHome();
           if (!home.ok()) return home.status();
           Result<std::string> uuid = node.Plug(*home, typed.what);
           if (uuid.ok()) std::cout << *uuid << "\n";
           return uuid.status();
         })
      ->add_option("what", typed_->what, "A model, or PROFILE/INDEX for a GPU of a profile")
      ->required();
  OnDevice("unplug", "Take a GPU out", "unplug 1",
           [](tranche::sim::Node& node, const tranche::sim::DeviceRef& device, const Typed&) {
             return node.Unplug(device.slot);
           });
  OnDevice(
      "mig", "Cut a GPU by MIG, or stop it",
      "mig 0 '3g.40gb,1g.10gb*4'\n  tranche sim mig 0 '3g.40gb:1c+2c'\n  tranche sim mig 0 off",
      [](tranche::sim::Node& node, const tranche::sim::DeviceRef& device, const Typed& typed) {
        return node.SetMig(device.slot, typed.what);
      })
      ->add_option("layout", typed_->what, "PROFILE[*COUNT][:nc+nc…],… or on, or off")
      ->required();
}

void Commands::AddReadings() {
  CLI::App* set = OnDevice(
      "set", "Set what a GPU reports", "set 0 --utilization 80 --memory-used 10Gi",
      [](tranche::sim::Node& node, const tranche::sim::DeviceRef& device, const Typed& typed) {
        tranche::sim::Readings readings{.utilization_percent = typed.utilization,
                                        .memory_utilization_percent = typed.memory_utilization,
                                        .memory_used_bytes = typed.memory_used,
                                        .temperature_celsius = typed.temperature,
                                        .power_milliwatts = std::nullopt};
        if (typed.power_watts) {
          readings.power_milliwatts = *typed.power_watts * 1000;
        }
        return node.SetReadings(device.slot, readings);
      });
  set->add_option("--utilization", typed_->utilization, "Percent");
  set->add_option("--memory-utilization", typed_->memory_utilization, "Percent");
  set->add_option("--memory-used", typed_->memory_used, "Bytes, or 512Mi, 10Gi: beside processes")
      ->transform(CLI::AsSizeValue(false));
  set->add_option("--temperature", typed_->temperature, "Degrees Celsius");
  set->add_option("--power", typed_->power_watts, "Watts when idle");
  AddProcesses();
}

void Commands::AddProcesses() {
  CLI::App* process = OnDevice(
      "process", "Add a process to a GPU, or remove one",
      "process 0 add 4711 --memory 2Gi\n  tranche sim process 0 remove 4711",
      [](tranche::sim::Node& node, const tranche::sim::DeviceRef& device, const Typed& typed) {
        const auto pid = static_cast<std::uint32_t>(typed.number);
        if (typed.process_action == "remove") return node.RemoveProcess(device.slot, pid);
        tranche::sim::ProcessState state{};
        state.pid = pid;
        state.kind = typed.process_kind == "graphics" ? tranche::sim::ProcessKind::kGraphics
                     : typed.process_kind == "mps"    ? tranche::sim::ProcessKind::kMps
                                                      : tranche::sim::ProcessKind::kCompute;
        state.memory_bytes = typed.memory_bytes;
        state.sm_percent = typed.utilization.value_or(0);
        state.memory_percent = typed.memory_utilization.value_or(0);
        return node.AddProcess(device, state);
      });
  process->add_option("action", typed_->process_action, "add or remove")
      ->required()
      ->check(CLI::IsMember({"add", "remove"}));
  process->add_option("pid", typed_->number, "As NVML reports it")->required();
  process->add_option("--memory", typed_->memory_bytes, "Bytes, or 512Mi, 2Gi")
      ->transform(CLI::AsSizeValue(false));
  process->add_option("--kind", typed_->process_kind, "compute, graphics or mps")
      ->check(CLI::IsMember({"compute", "graphics", "mps"}));
  process->add_option("--utilization", typed_->utilization, "Percent of the GPU");
  process->add_option("--memory-utilization", typed_->memory_utilization, "Percent");
}

CLI::App* Commands::AddFault(const std::string& name, const std::string& about,
                             const std::string& example, Trouble trouble) {
  const bool hang = trouble == Trouble::kHangs;
  CLI::App* command =
      OnNode(name, about, example, [hang](tranche::sim::Node& node, const Typed& typed) -> Status {
        tranche::sim::Fault fault;
        const auto equals = typed.call.find('=');
        fault.call = typed.call.substr(0, equals);
        fault.hang = hang;
        fault.count = typed.count;
        fault.lasts = std::chrono::nanoseconds(typed.lasts_ns);
        if (equals != std::string::npos) {
          Result<std::uint32_t> code = ParseCallCode(fault.call, typed.call.substr(equals + 1));
          if (!code.ok()) return code.status();
          fault.code = *code;
        }
        if (!typed.only_gpu.empty()) {
          Result<tranche::sim::DeviceRef> device = node.Find(typed.only_gpu);
          if (!device.ok()) return device.status();
          fault.slot = device->slot;
        }
        return node.Break(fault);
      });
  command
      ->add_option("call", typed_->call,
                   hang ? "A function of NVML or CUDA, without version for all of them; nvml* or "
                          "cu* for every one of a library"
                        : "A function of NVML or CUDA[=CODE], without version for all of them; "
                          "nvml* or cu* for every one of a library")
      ->required();
  command->add_option("--for", typed_->lasts_ns, "How long (default: until healed)")
      ->transform(CLI::Validator(common::DurationBetween(1ms, 10'000h), ""))
      ->type_name("TIME");
  command->add_option("--count", typed_->count, "Only so many calls of each process");
  command->add_option("--gpu", typed_->only_gpu, "Only calls about this GPU");
  return command;
}

void Commands::AddFaults() {
  AddFault("fail", "Make a call of NVML or CUDA fail",
           "fail nvmlDeviceGetMemoryInfo=GPU_IS_LOST --gpu 0 --for 5s\n"
           "  tranche sim fail nvmlInit=DRIVER_NOT_LOADED --count 3\n"
           "  tranche sim fail cuMemAlloc=CUDA_ERROR_OUT_OF_MEMORY --gpu 0",
           Trouble::kFails);
  AddFault("hang", "Make a call of NVML or CUDA hang",
           "hang nvmlDeviceGetCount --for 30s\n  tranche sim hang cuLaunchKernel --for 5s",
           Trouble::kHangs);
  OnNode("heal", "End failures and hangs, of one call or all", "heal",
         [](tranche::sim::Node& node, const Typed& typed) { return node.Heal(typed.call); })
      ->add_option("call", typed_->call, "As given to fail or hang (default: everything)");
  OnDevice("duplicate", "NVML lists a GPU twice (heal ends it)", "duplicate 0",
           [](tranche::sim::Node& node, const tranche::sim::DeviceRef& device, const Typed&) {
             return node.Duplicate(device.slot);
           });
}

}  // namespace

void AddSimNodeCommands(CLI::App& sim, int& exit_code) { Commands(sim, exit_code).Add(); }

}  // namespace tranche::cli::sim
