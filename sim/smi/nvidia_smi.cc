// The simulated node's nvidia-smi: enough of it for people and scripts that look whether the GPUs
// are there and what runs on them.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "sim/smi/library.h"
#include "sim/smi/processes.h"
#include "sim/smi/query.h"
#include "sim/smi/summary.h"

namespace tranche::sim::smi {
namespace {

constexpr char kUsage[] =
    "Usage: nvidia-smi [-i GPU,…] [-L | pmon [-c TIMES] [-d SECONDS] | -am 0|1 |\n"
    "       --query-gpu=FIELD,… | --query-compute-apps=FIELD,… | --query-accounted-apps=FIELD,…\n"
    "       --format=csv[,noheader][,nounits]]\n";

enum class Task {
  kSummary,
  kList,
  kMonitor,
  kQueryGpus,
  kQueryComputeApplications,
  kQueryAccountedApplications,
  kSetAccounting,
  kHelp,
  kWrong,
};

struct Typed {
  Task task = Task::kSummary;
  Query query;
  unsigned times = 0;  // 0: for ever
  unsigned seconds = 1;
  std::string accounting;
};

// Reads "--name=value", "--name value" and "-n value".
class Arguments {
 public:
  Arguments(int count, char** values) : left_(values + 1, values + count) {}

  // Takes the option if it is next. Without a value the command line is wrong.
  bool Take(const std::string& name, std::string* value) {
    if (left_.empty()) return false;
    const std::string& next = left_.front();
    if (next == name && left_.size() > 1) {
      *value = left_[1];
      left_.erase(left_.begin(), left_.begin() + 2);
      return true;
    }
    if (!next.starts_with(name + "=")) return false;
    *value = next.substr(name.size() + 1);
    left_.erase(left_.begin());
    return true;
  }
  bool Take(const std::string& name) {
    if (left_.empty() || left_.front() != name) return false;
    left_.erase(left_.begin());
    return true;
  }
  [[nodiscard]] bool empty() const { return left_.empty(); }

 private:
  std::vector<std::string> left_;
};

bool TakeQuery(Arguments& arguments, const std::string& name, Task task, Typed* typed) {
  if (!arguments.Take(name, &typed->query.fields)) return false;
  typed->task = task;
  return true;
}

bool TakeTask(Arguments& arguments, Typed* typed) {
  if (arguments.Take("-L") || arguments.Take("--list-gpus")) {
    typed->task = Task::kList;
  } else if (arguments.Take("pmon")) {
    typed->task = Task::kMonitor;
  } else if (arguments.Take("-h") || arguments.Take("--help")) {
    typed->task = Task::kHelp;
  } else if (arguments.Take("-am", &typed->accounting) ||
             arguments.Take("--accounting-mode", &typed->accounting)) {
    typed->task = Task::kSetAccounting;
  } else {
    return TakeQuery(arguments, "--query-gpu", Task::kQueryGpus, typed) ||
           TakeQuery(arguments, "--query-compute-apps", Task::kQueryComputeApplications, typed) ||
           TakeQuery(arguments, "--query-accounted-apps", Task::kQueryAccountedApplications, typed);
  }
  return true;
}

unsigned Number(const std::string& text) {
  return static_cast<unsigned>(std::strtoul(text.c_str(), nullptr, 10));
}

Typed Read(Arguments arguments) {
  Typed typed;
  std::string value;
  while (!arguments.empty()) {
    if (TakeTask(arguments, &typed) || arguments.Take("--format", &typed.query.format) ||
        arguments.Take("-i", &typed.query.only) || arguments.Take("--id", &typed.query.only)) {
      continue;
    }
    if (arguments.Take("-c", &value) || arguments.Take("--count", &value)) {
      typed.times = Number(value);
    } else if (arguments.Take("-d", &value) || arguments.Take("--delay", &value)) {
      typed.seconds = Number(value);
    } else {
      typed.task = Task::kWrong;
      return typed;
    }
  }
  return typed;
}

int SetAccounting(const Table& table, const Typed& typed) {
  const nvml::EnableState mode =
      typed.accounting == "1" || typed.accounting == "ENABLED" ? nvml::kEnabled : nvml::kDisabled;
  int result = 0;
  const int failed = ForEachGpu(table, typed.query.only, [&](unsigned index, nvml::Device device) {
    const nvml::Return got = table.nvmlDeviceSetAccountingMode(device, mode);
    if (got == nvml::kSuccess) {
      std::printf("%s Accounting Mode for GPU %u.\n",
                  mode == nvml::kEnabled ? "Enabled" : "Disabled", index);
    } else {
      std::printf("Unable to set Accounting Mode for GPU %u: %s\n", index,
                  table.nvmlErrorString(got));
      result = static_cast<int>(got);
    }
  });
  return result != 0 ? result : failed;
}

int Do(const Table& table, const Typed& typed) {
  switch (typed.task) {
    case Task::kList:
      return PrintList(table, typed.query.only);
    case Task::kMonitor:
      return MonitorProcesses(table, typed.query.only, typed.times == 0 ? ~0U : typed.times,
                              typed.seconds);
    case Task::kQueryGpus:
      return QueryGpus(table, typed.query);
    case Task::kQueryComputeApplications:
      return QueryComputeApplications(table, typed.query);
    case Task::kQueryAccountedApplications:
      return QueryAccountedApplications(table, typed.query);
    case Task::kSetAccounting:
      return SetAccounting(table, typed);
    default:
      return PrintSummary(table, typed.query.only);
  }
}

int Main(int argc, char** argv) {
  const Typed typed = Read(Arguments(argc, argv));
  if (typed.task == Task::kHelp || typed.task == Task::kWrong) {
    std::fputs(kUsage, stdout);
    return typed.task == Task::kHelp ? 0 : 1;
  }
  Table table;
  if (!LoadLibrary(&table)) {
    std::puts("NVIDIA-SMI couldn't find libnvidia-ml.so.1 on this node.");
    return 12;
  }
  if (const nvml::Return got = table.nvmlInit_v2(); got != nvml::kSuccess) {
    std::printf("Failed to initialize NVML: %s\n", table.nvmlErrorString(got));
    return static_cast<int>(got);
  }
  const int result = Do(table, typed);
  table.nvmlShutdown();
  return result;
}

}  // namespace
}  // namespace tranche::sim::smi

int main(int argc, char** argv) { return tranche::sim::smi::Main(argc, argv); }
