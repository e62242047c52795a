#include "cli/sim/kubelet.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/json_read.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/common/exit_status.h"
#include "cli/common/table.h"
#include "sim/kubelet/control.h"

namespace tranche::cli::sim {
namespace {

using base::Json;
using base::Result;
using base::Status;

constexpr int kDone = 0;
constexpr int kNo = 1;
constexpr int kNobody = 2;
constexpr int kNotYet = 3;

constexpr std::size_t kMaxTextBytes = 1024;

// What may be typed after any of the commands.
struct Typed {
  SimKubeletOptions serve;
  std::string control = "/run/tranche-sim/kubelet.sock";
  bool json = false;
  std::string pod;
  std::vector<std::string> requests;
  std::vector<std::string> env;
  std::vector<std::string> command;
  bool bound = false;
  std::string count;
  double timeout = 60;
  double down = 0;
  std::int64_t events = 0;
};

// Text for the terminal.
std::string Shown(const Json& json, std::string_view key) {
  return base::PrintableAt(json, key, kMaxTextBytes);
}

std::string Number(const Json& json, std::string_view key) {
  const std::optional<std::int64_t> number = base::IntAt(json, key);
  return number ? std::to_string(*number) : "";
}

std::string Joined(const Json& json, std::string_view key) {
  std::vector<std::string> texts = base::TextsAt(json, key);
  for (std::string& text : texts) text = base::Printable(text);
  return base::Join(texts, " ");
}

// NAME=COUNT, as `--request` and `wait` take it; the name may itself hold no "=".
Result<std::pair<std::string, std::int64_t>> Counted(const std::string& text) {
  const auto equals = text.rfind('=');
  std::int64_t count = 0;
  if (equals == std::string::npos || equals == 0 ||
      !CLI::detail::lexical_cast(text.substr(equals + 1), count) || count < 0) {
    return Status(base::Code::kInvalidArgument, "not RESOURCE=COUNT: " + base::Printable(text));
  }
  return std::pair(text.substr(0, equals), count);
}

Json Verb(const std::string& verb) { return Json::MakeObject({{"verb", verb}}); }

Json PodVerb(const std::string& verb, const std::string& pod) {
  return Json::MakeObject({{"verb", verb}, {"name", pod}});
}

int Failed(const Status& status) {
  std::cerr << "tranche sim: " << base::Printable(status.message(), 4096) << "\n";
  const bool nobody =
      status.code() == base::Code::kUnavailable || status.message().starts_with("connecting to ");
  if (nobody) return kNobody;
  return status.code() == base::Code::kDeadlineExceeded ? kNotYet : kNo;
}

void ShowPods(const Json::Array& pods) {
  std::vector<std::vector<cli::common::Cell>> rows{
      {{"NAME"}, {"PHASE"}, {"RESTARTS"}, {"IDS"}, {"MESSAGE"}}};
  for (const Json& pod : pods) {
    const std::string phase = Shown(pod, "phase");
    rows.push_back({{Shown(pod, "name")},
                    {phase},
                    {Number(pod, "restarts")},
                    {Joined(pod, "ids")},
                    {Shown(pod, "message")}});
  }
  std::cout << cli::common::Table(rows, cli::common::Color::kOff);
}

void ShowNode(const Json& node) {
  std::vector<std::vector<cli::common::Cell>> rows{
      {{"RESOURCE"}, {"CAPACITY"}, {"ALLOCATABLE"}, {"UNHEALTHY"}}};
  for (const auto& [name, count] : base::MembersAt(node, "resources")) {
    rows.push_back({{base::Printable(name)},
                    {Number(count, "capacity")},
                    {Number(count, "allocatable")},
                    {Number(count, "unhealthy")}});
  }
  std::cout << cli::common::Table(rows, cli::common::Color::kOff);
}

// Sends, shows the answer, gives the exit code.
int Ask(const Typed& typed, const Json& request, const std::function<void(const Json&)>& show) {
  const auto answer = tranche::sim::CallControl(typed.control, request);
  if (!answer.ok()) return Failed(answer.status());
  if (typed.json) {
    std::cout << answer->Dump(2) << "\n";
  } else if (show) {
    show(*answer);
  }
  return kDone;
}

int AskForPod(const Typed& typed, const Json& request) {
  std::string phase;
  const auto answer = tranche::sim::CallControl(typed.control, request);
  if (!answer.ok()) return Failed(answer.status());
  if (typed.json) {
    std::cout << answer->Dump(2) << "\n";
  } else {
    ShowPods({*answer});
  }
  phase = Shown(*answer, "phase");
  if (phase == "Pending") return kNotYet;
  return phase == "Failed" ? kNo : kDone;
}

int RunPod(const Typed& typed) {
  Json requests = Json::MakeObject();
  for (const std::string& text : typed.requests) {
    const auto counted = Counted(text);
    if (!counted.ok()) return Failed(counted.status());
    requests.Set(counted->first, counted->second);
  }
  Json env = Json::MakeObject();
  for (const std::string& text : typed.env) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) {
      return Failed({base::Code::kInvalidArgument, "not NAME=VALUE: " + text});
    }
    env.Set(text.substr(0, equals), text.substr(equals + 1));
  }
  Json command = Json::MakeArray();
  for (const std::string& word : typed.command) command.Append(word);
  Json pod = Json::MakeObject({{"name", typed.pod},
                               {"requests", std::move(requests)},
                               {"env", std::move(env)},
                               {"command", std::move(command)},
                               {"bound", typed.bound}});
  return AskForPod(typed, Json::MakeObject({{"verb", "pod-run"}, {"pod", std::move(pod)}}));
}

int Wait(const Typed& typed) {
  const auto counted = Counted(typed.count);
  if (!counted.ok()) return Failed(counted.status());
  return Ask(typed,
             Json::MakeObject({{"verb", "wait"},
                               {"resource", counted->first},
                               {"count", counted->second},
                               {"timeoutMs", static_cast<std::int64_t>(typed.timeout * 1000)}}),
             nullptr);
}

int Trace(const Typed& typed) {
  std::int64_t seen = 0;
  const Status status = tranche::sim::TraceControl(typed.control, [&](const std::string& line) {
    std::cout << line << std::endl;
    return ++seen != typed.events;
  });
  return status.ok() ? kDone : Failed(status);
}

// The row of the table of exit statuses.
constexpr char kExitStatus[] = "tranche sim (kubelet and pods)";

class Commands {
 public:
  Commands(CLI::App& sim, int& exit_code) : sim_(sim), exit_code_(exit_code) {}

  void Add() {
    AddServe();
    AddNode();
    AddPods();
    AddEvents();
  }

 private:
  using Action = std::function<int(const Typed&)>;

  CLI::App* Command(CLI::App& parent, const std::string& name, const std::string& about,
                    const std::string& example, Action action) {
    CLI::App* command = parent.add_subcommand(name, about);
    command->footer(common::ExitStatus(kExitStatus) + "Example:\n  tranche sim " + example);
    command->add_option("--control", typed_->control, "The small kubelet's control socket")
        ->envname("TRANCHE_SIM_KUBELET_CONTROL")
        ->capture_default_str();
    command->callback([typed = typed_, action = std::move(action), &exit = exit_code_] {
      exit = action(*typed);
    });
    return command;
  }

  void AddOutput(CLI::App* command) {
    command
        ->add_option_function<std::string>(
            "-o,--output",
            [typed = typed_](const std::string& form) { typed->json = form == "json"; },
            "text or json")
        ->check(CLI::IsMember({"text", "json"}));
  }

  CLI::App* PodCommand(const std::string& name, const std::string& about, Action action) {
    CLI::App* command = Command(*pod_, name, about, "pod " + name + " trainer", std::move(action));
    command->add_option("name", typed_->pod, "The pod's name")->required();
    return command;
  }

  void AddServe();
  void AddNode();
  void AddPods();
  void AddEvents();

  CLI::App& sim_;
  int& exit_code_;
  CLI::App* pod_ = nullptr;
  std::shared_ptr<Typed> typed_ = std::make_shared<Typed>();
};

void Commands::AddServe() {
  CLI::App* serve = Command(
      sim_, "kubelet", "Serve a small kubelet: the real one's sockets, pods as local processes",
      "kubelet --dir /tmp/n/device-plugins --state /tmp/n/kubelet --control /tmp/n/control.sock",
      [](const Typed& typed) {
        SimKubeletOptions options = typed.serve;
        options.control = typed.control;
        const Status status = ServeSimKubelet(options);
        return status.ok() ? kDone : Failed(status);
      });
  SimKubeletOptions& options = typed_->serve;
  serve->add_option("--dir", options.directory, "Device-plugin folder (kubelet.sock)")->required();
  serve->add_option("--state", options.state, "Folder for pods and their logs")->required();
  serve->add_option("--pod-resources", options.pod_resources, "Pod-resources socket to serve");
  serve->add_flag("--force", options.force, "Also where a kubelet serves the folder");
  serve->add_flag("--end-pods", options.end_pods, "End the pods when this program is stopped");
}

void Commands::AddNode() {
  AddOutput(Command(sim_, "node-status", "What the node counts", "node-status -o json",
                    [](const Typed& typed) { return Ask(typed, Verb("node-status"), ShowNode); }));
  CLI::App* restart = Command(
      sim_, "kubelet-restart", "Restart the kubelet: sockets wiped, pods run on",
      "kubelet-restart --down 0.5", [](const Typed& typed) {
        return Ask(typed,
                   Json::MakeObject({{"verb", "kubelet-restart"},
                                     {"downMs", static_cast<std::int64_t>(typed.down * 1000)}}),
                   nullptr);
      });
  restart->add_option("--down", typed_->down, "Seconds to stay away")
      ->check(CLI::Range(0.0, 3600.0));
}

void Commands::AddPods() {
  pod_ = sim_.add_subcommand("pod", "Run pods on the small kubelet, or look at them");
  pod_->require_subcommand(1);
  CLI::App* run = PodCommand("run", "Run a pod; without a command it sleeps until deleted", RunPod);
  run->footer(
      common::ExitStatus(kExitStatus) +
      "Example:\n  tranche sim pod run trainer --request nvidia.com/gpu=1 -- nvidia-smi -L");
  run->add_option("--request", typed_->requests, "RESOURCE=COUNT (repeatable)")
      ->allow_extra_args(false);
  run->add_option("--env", typed_->env, "NAME=VALUE of its own (repeatable)")
      ->allow_extra_args(false);
  run->add_flag("--bound", typed_->bound,
                "Skip the scheduler, so that the kubelet itself has to refuse what does not fit");
  run->add_option("command", typed_->command, "Command and arguments, after --");
  AddOutput(run);
  CLI::App* list = Command(*pod_, "list", "All pods", "pod list -o json", [](const Typed& typed) {
    return Ask(typed, Verb("pod-list"), [](const Json& pods) {
      if (pods.is_array()) ShowPods(pods.as_array());
    });
  });
  AddOutput(list);
  AddOutput(PodCommand("show", "One pod: ids, environment, mounts, devices, annotations, CDI names",
                       [](const Typed& typed) {
                         return Ask(typed, PodVerb("pod-show", typed.pod), [](const Json& pod) {
                           std::cout << base::Printable(pod.Dump(), 1 << 20) << "\n";
                         });
                       }));
  PodCommand("delete", "End and forget a pod", [](const Typed& typed) {
    return Ask(typed, PodVerb("pod-delete", typed.pod), nullptr);
  });
  AddOutput(PodCommand("restart-container", "A new process, with the stored allocation",
                       [](const Typed& typed) {
                         return AskForPod(typed, PodVerb("pod-restart-container", typed.pod));
                       }));
}

void Commands::AddEvents() {
  CLI::App* wait = Command(sim_, "wait", "Wait until a resource's allocatable is a count",
                           "wait nvidia.com/gpu=8 --timeout 10", Wait);
  wait->add_option("count", typed_->count, "RESOURCE=COUNT")->required();
  wait->add_option("--timeout", typed_->timeout, "Seconds")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  CLI::App* trace =
      Command(sim_, "kubelet-trace", "Show what happens, as JSON lines", "kubelet-trace", Trace);
  trace->add_option("--events", typed_->events, "Stop after this many (0: never)");
}

}  // namespace

void AddSimKubeletCommands(CLI::App& sim, int& exit_code) { Commands(sim, exit_code).Add(); }

}  // namespace tranche::cli::sim
