// Runs one device plugin on a stage of its own and prints what the kubelet sees of it.
//
//   peer_observe < REQUEST > OBSERVATION      (both JSON; peer_test.py says what is in a request)
//
// A path of the stage's own folder is written @STAGE@ in the observation, and may be in a request.
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iostream>
#include <iterator>
#include <sstream>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/json_read.h"
#include "cli/sim/call_code.h"
#include "observation.h"
#include "sim/stage/stage.h"

namespace tranche::peer {

namespace {

using base::Json;
using base::Status;

constexpr char kCdiDirectory[] = "/var/run/cdi";
constexpr base::Duration kSettle = std::chrono::milliseconds(60);
constexpr base::Duration kStartLimit = std::chrono::seconds(10);
constexpr base::Duration kHealthLimit = std::chrono::seconds(8);
constexpr std::size_t kMostFile = 16U << 20U;

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
  return text;
}

class Observer {
 public:
  Observer(sim::Stage& stage, Registrations& registrations, const Json& request)
      : stage_(stage), registrations_(registrations), request_(request) {}

  Status Run(Json* observation) {
    TRANCHE_TRY(Prepare());
    TRANCHE_TRY(Start());
    AwaitStart();
    observation->Set("runs", stage_.Runs(pid_));
    for (const SeenRegistration& seen : registrations_.seen()) {
      endpoints_.push_back(std::make_unique<Endpoint>(stage_, seen));
      TRANCHE_TRY(endpoints_.back()->Open().Wrap(seen.resource));
    }
    const Json* times = request_.Find("times");
    Json resources = Json::MakeObject();
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      resources.Set(
          registrations_.seen()[i].resource,
          endpoints_[i]->Observe(times == nullptr ? 1 : static_cast<int>(times->as_int())));
    }
    observation->Set("resources", std::move(resources));
    observation->Set("cdi", CdiFiles());
    TRANCHE_TRY(Health(observation));
    // Interrupted, not terminated: nothing need be kept for a successor.
    stage_.StopProgram(pid_, SIGINT);
    observation->Set("log", Log());
    return Status::Ok();
  }

 private:
  [[nodiscard]] std::string Here(const std::string& text) const {
    return Replaced(text, "@STAGE@", stage_.directory());
  }
  std::string Log() {
    auto text = base::ReadFile(base::JoinPath(stage_.directory(), "plugin.log"), kMostFile);
    return text.ok() ? *text : std::string();
  }

  // The node's device nodes under /dev, where they are looked for without any root; the machine's
  // own stay reachable from there.
  Status ShowDevices() {
    const std::string own = "/run/machine-dev";
    const std::string nodes = base::JoinPath(stage_.driver_root(), "dev");
    TRANCHE_TRY(base::MakeDirectories(own));
    if (mount("/dev", own.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0 ||
        mount("tmpfs", "/dev", "tmpfs", 0, "mode=0755") != 0) {
      return base::ErrnoStatus(errno, "covering /dev");
    }
    for (const std::string& from : {own, nodes}) {
      const auto names = base::ListDirectory(from);
      if (!names.ok()) continue;
      for (const std::string& name : *names) {
        // Names that both have are the machine's.
        if (symlink(base::JoinPath(from, name).c_str(), ("/dev/" + name).c_str()) != 0 &&
            errno != EEXIST) {
          return base::ErrnoStatus(errno, "link in /dev");
        }
      }
    }
    return Status::Ok();
  }

  // A call that fails from the start: "nvmlDeviceGetName=UNKNOWN", or of one GPU "…@1".
  Status Break(const std::string& text) {
    const auto equals = text.find('=');
    const auto at = text.find('@');
    const std::string code = text.substr(equals + 1, at - equals - 1);
    if (equals == std::string::npos) return {base::Code::kInvalidArgument, "no such fault"};
    const auto number = cli::sim::ParseCallCode("nvml", code);
    if (!number.ok()) return number.status();
    sim::Fault fault{.call = text.substr(0, equals), .code = *number};
    if (at != std::string::npos) {
      const auto device = stage_.node()->Find(text.substr(at + 1));
      if (!device.ok()) return device.status();
      fault.slot = device->slot;
    }
    return stage_.node()->Break(fault);
  }

  // Faults, and files the case needs: {path: text}.
  Status Prepare() {
    for (const std::string& fault : base::TextsAt(request_, "faults")) {
      TRANCHE_TRY(Break(fault).Wrap(fault));
    }
    const Json* devices = request_.Find("devices");
    if (devices != nullptr && devices->as_bool()) TRANCHE_TRY(ShowDevices());
    const Json* files = request_.Find("files");
    if (files == nullptr) return Status::Ok();
    for (const auto& [path, text] : files->as_object()) {
      const std::string here = Here(path);
      TRANCHE_TRY(base::MakeDirectories(base::ParentDirectory(here)));
      TRANCHE_TRY(base::WriteFileAtomic(here, text.as_string(), 0755));
    }
    return Status::Ok();
  }

  Status Start() {
    sim::ProgramSpec spec{.path = base::TextAt(request_, "program"),
                          .arguments = {"nvidia-device-plugin"},
                          .env = {},
                          .log = "plugin.log"};
    for (const std::string& argument : base::TextsAt(request_, "arguments"))
      spec.arguments.push_back(Here(argument));
    if (const Json* env = request_.Find("env"); env != nullptr) {
      for (const auto& [name, value] : env->as_object()) spec.env[name] = Here(value.as_string());
    }
    auto started = stage_.StartProgram(spec);
    if (!started.ok()) return started.status();
    pid_ = *started;
    return Status::Ok();
  }

  // Until as many resources are registered as the case says, a line is in the log, or the end.
  void AwaitStart() {
    const std::vector<std::string> lines = base::TextsAt(request_, "until");
    const Json* expected = request_.Find("resources");
    const auto count = static_cast<std::size_t>(expected == nullptr ? 0 : expected->as_int());
    int turn = 0;
    stage_.Until(
        [&] {
          // Where none is expected, any says enough.
          if (registrations_.seen().size() >= std::max<std::size_t>(count, 1)) return true;
          if (!stage_.Runs(pid_)) return true;
          if (++turn % 16 != 0) return false;
          const std::string log = Log();
          return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
            return log.find(line) != std::string::npos;
          });
        },
        kStartLimit);
    Rest(kSettle);
  }
  void Rest(base::Duration how_long) {
    stage_.Until([] { return false; }, how_long);
  }

  static Json CdiFiles() {
    Json object = Json::MakeObject();
    const auto names = base::ListDirectory(kCdiDirectory);
    if (!names.ok()) return object;
    for (const std::string& name : *names) {
      const auto text = base::ReadFile(base::JoinPath(kCdiDirectory, name), kMostFile);
      if (!text.ok()) continue;
      auto parsed = Json::Parse(*text);
      object.Set(name, parsed.ok() ? std::move(*parsed) : Json(*text));
    }
    return object;
  }

  // What happens to the node ("xid 0 48", "lose 1"), and how the lists follow.
  Status Health(Json* observation) {
    const std::vector<std::string> events = base::TextsAt(request_, "events");
    if (events.empty()) return Status::Ok();
    // A program's event set is made after it has registered.
    Rest(std::chrono::milliseconds(300));
    for (const std::string& event : events) TRANCHE_TRY(Happen(event).Wrap(event));
    const bool followed = stage_.Until(
        [&] {
          return std::any_of(endpoints_.begin(), endpoints_.end(),
                             [](const auto& endpoint) { return endpoint->unhealthy() > 0; });
        },
        kHealthLimit);
    Rest(std::chrono::milliseconds(150));
    Json after = Json::MakeObject();
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      after.Set(registrations_.seen()[i].resource, endpoints_[i]->ObserveAgain());
    }
    observation->Set("noticed", followed);
    observation->Set("after", std::move(after));
    return Status::Ok();
  }

  Status Happen(const std::string& event) {
    std::istringstream words(event);
    std::string what;
    std::string device;
    std::uint64_t number = 0;
    words >> what >> device >> number;
    auto found = stage_.node()->Find(device);
    if (!found.ok()) return found.status();
    if (what == "xid") return stage_.node()->RaiseXid(*found, number);
    if (what == "lose") return stage_.node()->Lose(found->slot);
    return {base::Code::kInvalidArgument, "no such event"};
  }

  sim::Stage& stage_;
  Registrations& registrations_;
  const Json& request_;
  pid_t pid_ = -1;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
};

Status Observe(const Json& request) {
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) return loop.status();
  auto stage = sim::Stage::Set(**loop, {.node = base::TextAt(request, "node")});
  if (!stage.ok()) return stage.status();
  auto registrations = Registrations::Start(**loop);
  if (!registrations.ok()) return registrations.status();
  Json observation = Json::MakeObject();
  {
    Observer observer(**stage, **registrations, request);
    TRANCHE_TRY(observer.Run(&observation));
  }
  std::cout << Replaced(observation.Dump(), (*stage)->directory(), "@STAGE@") << "\n";
  return Status::Ok();
}

}  // namespace

int Main() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const auto request = base::Json::Parse(text);
  if (!request.ok()) {
    std::cerr << "peer_observe: " << request.status().message() << "\n";
    return 2;
  }
  const base::Status status = Observe(*request);
  if (!status.ok()) std::cerr << "peer_observe: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}

}  // namespace tranche::peer

int main() { return tranche::peer::Main(); }
