#include "cli/sim/driver.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "cli/common/duration.h"
#include "cli/common/exit_status.h"
#include "sim/driver/report.h"
#include "sim/driver/serve.h"

namespace tranche::cli::sim {
namespace {

using base::Result;
using base::Status;
using namespace std::chrono_literals;

namespace driver = tranche::sim::driver;

constexpr char kServeExit[] = "tranche sim driver";
constexpr char kShowExit[] = "tranche sim (what a driver has done)";
constexpr int kNobody = 2;

struct Typed {
  driver::ServeOptions serve;
  std::string root = "/tmp/tranche-node";
  std::string output = "text";
  bool chrome = false;
};

int Failed(const Status& status) {
  std::cerr << "tranche sim: " << status.message() << "\n";
  return status.code() == base::Code::kNotFound ? kNobody : 1;
}

int Serve(const Typed& typed) {
  driver::ServeOptions options = typed.serve;
  options.root = typed.root;
  const Status status = driver::Serve(options);
  if (!status.ok()) std::cerr << "tranche sim: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}

int ShowStatus(const Typed& typed) {
  const Result<base::Json> status = driver::ReadStatus(typed.root);
  if (!status.ok()) return Failed(status.status());
  std::cout << (typed.output == "json" ? status->Dump(2) + "\n" : driver::StatusText(*status));
  return 0;
}

int ShowTrace(const Typed& typed) {
  const Result<std::string> text =
      typed.chrome ? driver::ChromeTrace(typed.root) : driver::TraceText(typed.root);
  if (!text.ok()) return Failed(text.status());
  std::cout << *text;
  return 0;
}

void AddServe(CLI::App& sim, const std::shared_ptr<Typed>& typed, int& exit_code) {
  CLI::App* command = sim.add_subcommand(
      "driver",
      "Serve a simulated node's GPUs: programs that use its libcuda.so.1 get memory and time here");
  command->footer(
      "Programs reach it through run/nvidia-persistenced/socket in the driver root. It runs until\n"
      "SIGTERM or SIGINT; programs then find their GPUs unavailable. What happened is in the\n"
      "driver root: var/log/tranche-sim/driver.jsonl (JSON lines; tranche sim trace) and\n"
      "status.json beside it (sums by process, written each second, at SIGUSR1 and at the "
      "end).\n\n" +
      common::ExitStatus(kServeExit) +
      "Examples:\n"
      "  tranche sim driver --root /tmp/tranche-node\n"
      "  tranche sim driver --time-scale 4 --switch-cost 200us   slower, with dear switches");
  command->add_option("--root", typed->root, "The node's driver root")->capture_default_str();
  command
      ->add_option("--time-scale", typed->serve.time_scale,
                   "How many times slower than the machine's clock GPU time goes")
      ->check(CLI::Range(1U, 1000U).description(""))
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option("--switch-cost", typed->serve.hardware.switch_cost,
                   "What a GPU loses when it changes from one process's work to another's "
                   "(50us)")
      ->transform(CLI::Validator(common::DurationBetween(0ns, 1s), ""))
      ->type_name("TIME");
  command
      ->add_option("--slice", typed->serve.hardware.slice,
                   "How long a process computes while another waits (1.024ms)")
      ->transform(CLI::Validator(common::DurationBetween(1us, 1000s), ""))
      ->type_name("TIME");
  command
      ->add_option("--log-size", typed->serve.log_bytes,
                   "What the log may take on the disk at most, 1Mi or more (64Mi)")
      ->transform(CLI::AsSizeValue(false).description(""))
      ->check(CLI::Range(std::uint64_t{1} << 20U, std::uint64_t{1} << 40U).description(""))
      ->type_name("SIZE");
  command->callback([typed, &exit_code] { exit_code = Serve(*typed); });
}

void AddShow(CLI::App& sim, const std::shared_ptr<Typed>& typed, int& exit_code) {
  CLI::App* status = sim.add_subcommand(
      "driver-status", "What each process has used of a simulated node's GPUs, in sums");
  status->footer(common::ExitStatus(kShowExit) + "Example:\n  tranche sim driver-status -o json");
  status->add_option("--root", typed->root, "The node's driver root")->capture_default_str();
  status->add_option("-o,--output", typed->output, "json: for programs")
      ->check(CLI::IsMember({"json", "text"}));
  status->callback([typed, &exit_code] { exit_code = ShowStatus(*typed); });

  CLI::App* trace =
      sim.add_subcommand("trace", "Who used a simulated node's GPUs when: a table, or a picture");
  trace->footer(common::ExitStatus(kShowExit) +
                "Example:\n  tranche sim trace --chrome > trace.json   "
                "to open in chrome://tracing or ui.perfetto.dev");
  trace->add_option("--root", typed->root, "The node's driver root")->capture_default_str();
  trace->add_flag("--chrome", typed->chrome, "As a Chrome trace");
  trace->callback([typed, &exit_code] { exit_code = ShowTrace(*typed); });
}

}  // namespace

void AddSimDriverCommands(CLI::App& sim, int& exit_code) {
  const auto typed = std::make_shared<Typed>();
  AddServe(sim, typed, exit_code);
  AddShow(sim, typed, exit_code);
}

}  // namespace tranche::cli::sim
