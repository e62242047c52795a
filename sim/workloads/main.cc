// Programs that use a GPU as real ones do, on the CUDA driver API only. They run on a real GPU and
// on a simulated node.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "sim/workloads/checking.h"
#include "sim/workloads/computing.h"
#include "sim/workloads/crew.h"
#include "sim/workloads/holding.h"
#include "sim/workloads/report.h"
#include "sim/workloads/settings.h"

namespace tranche::sim::workloads {
namespace {

void Write(int to, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = write(to, text.data() + done, text.size() - done);
    if (count <= 0) return;
    done += static_cast<std::size_t>(count);
  }
}

std::string Row(std::string_view name, std::string_view value, std::string_view about) {
  std::string row = "  " + std::string(name) + (value.empty() ? "" : " ") + std::string(value);
  row.resize(std::max<std::size_t>(row.size() + 1, 24), ' ');
  return row + std::string(about) + "\n";
}

std::string Help() {
  std::string text =
      "usage: tranche-workload NAME [OPTION VALUE]…\n\n"
      "Uses the GPU of libcuda.so.1, real or simulated, and reports what it got of it.\n\n";
  for (const WorkloadText& workload : kWorkloads) {
    text += Row(workload.name, "", workload.about);
    text += Row("", "", workload.defaults);
  }
  text += "\n";
  for (const OptionText& option : kOptions) text += Row(option.name, option.value, option.about);
  return text +
         "\nExit status: 0 done; 1 a call failed, or a result was wrong; 2 called wrongly.\n"
         "Memory that is refused to leak, greedy or storm is reported, and is no failure: it is "
         "what they are for.\n"
         "Example:\n  tranche-workload requests --for 10s --burst 10 --think 5ms -o json\n";
}

void (*FunctionOf(Kind kind))(Session&) {
  switch (kind) {
    case Kind::kStream:
      return RunStreams;
    case Kind::kPaced:
      return RunPaced;
    case Kind::kRequests:
      return RunRequests;
    case Kind::kGraphs:
      return RunGraphs;
    case Kind::kCheck:
      return RunCheck;
    case Kind::kHold:
      return RunHold;
    case Kind::kStorm:
      return RunStorm;
    case Kind::kLeak:
      return RunLeak;
    case Kind::kGreedy:
      return RunGreedy;
  }
  return nullptr;
}

bool TakesMemoryFirst(Kind kind) {
  return kind != Kind::kCheck && kind != Kind::kStorm && kind != Kind::kLeak &&
         kind != Kind::kGreedy;
}

int Main(const std::vector<std::string>& arguments) {
  if (!arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h")) {
    Write(STDOUT_FILENO, Help());
    return 0;
  }
  Settings settings;
  std::string wrong = ParseSettings(arguments, settings);
  // A clock that no driver has set reads CLOCK_MONOTONIC.
  if (wrong.empty()) wrong = RefusePast(settings, DriverClock().Now());
  if (!wrong.empty()) {
    Write(STDERR_FILENO, "tranche-workload: " + wrong + " (see tranche-workload --help)\n");
    return 2;
  }
  const Kind kind = settings.workload->kind;
  const Outcomes outcomes = RunCrew(
      settings,
      {.prepare = [&](Session& session) { return !TakesMemoryFirst(kind) || TakeMemory(session); },
       .run = FunctionOf(kind)});
  if (outcomes.empty()) {
    Write(STDERR_FILENO, "tranche-workload: no memory for its own figures\n");
    return 1;
  }
  Write(STDOUT_FILENO,
        settings.json ? JsonReport(settings, outcomes) : TextReport(settings, outcomes));
  const bool failed = std::any_of(outcomes.begin(), outcomes.end(),
                                  [](const Outcome* outcome) { return outcome->failed[0] != 0; });
  return failed ? 1 : 0;
}

// Tools that list the processes of a GPU call each by its first argument. So that they tell one
// workload from the other, its name becomes a part of that: the kernel has laid the arguments out
// one behind the other.
void NameAfterWorkload(int argc, char** argv) {
  if (argc < 2 || argv[1] != argv[0] + std::strlen(argv[0]) + 1 || argv[1][0] == '-') return;
  argv[1][-1] = ' ';
}

}  // namespace
}  // namespace tranche::sim::workloads

int main(int argc, char** argv) {
  tranche::sim::workloads::NameAfterWorkload(argc, argv);
  const int status = tranche::sim::workloads::Main({argv + std::min(argc, 1), argv + argc});
  // What is still queued is the driver's to drop.
  _exit(status);
}
