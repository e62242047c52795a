#include "bench/scene.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/json.h"
#include "bench/contender.h"

namespace tranche::bench {
namespace {

using base::Status;

// How often something is done in one round; once in a smoke run.
struct Effort {
  int starts = 4;
  int edits = 6;
  int allocations = 400;
  int lists = 3;
};

// What is measured on the stage of one node, all programs in turns.
class Scene {
 public:
  Scene(sim::Stage& stage, const Options& options, int gpus)
      : stage_(stage), options_(options), gpus_(gpus) {
    programs_.push_back({.who = kOurs, .path = options.ours, .needs_signal = false, .gpus = gpus});
    if (!options.peer.empty()) {
      programs_.push_back({.who = kPeer, .path = options.peer, .needs_signal = true, .gpus = gpus});
    }
    if (options.smoke) effort_ = {.starts = 1, .edits = 2, .allocations = 5, .lists = 1};
  }

  Status Play() {
    for (int round = 0; round < options_.rounds; ++round) {
      for (const Program& program : programs_) TRANCHE_TRY(Round(program));
      TRANCHE_TRY(ServersRound());
      // Who goes first is the other's turn.
      std::reverse(programs_.begin(), programs_.end());
      fmt::print(stderr, "  {} GPUs: round {} of {}\n", gpus_, round + 1, options_.rounds);
    }
    return Status::Ok();
  }

  [[nodiscard]] const Results& results() const { return results_; }

 private:
  Status Round(const Program& program) {
    if (gpus_ > 1) {
      TRANCHE_TRY(Starts(program));
      TRANCHE_TRY(EditsAndAllocations(program));
      TRANCHE_TRY(List(program));
    }
    for (const PreferredSize& size : PreferredSizes()) {
      if (size.gpus == gpus_) TRANCHE_TRY(Preferred(program, size));
    }
    return Status::Ok();
  }

  base::Result<std::unique_ptr<Contender>> Start(const Program& program, int replicas) {
    auto contender = Contender::Start(stage_, program, replicas);
    if (contender.ok()) {
      Add(fmt::format("start to registered, {}×{}", gpus_, replicas), "ms", program,
          (*contender)->start_milliseconds());
      Add(fmt::format("of it on the CPU, {}×{}", gpus_, replicas), "ms", program,
          (*contender)->start_cpu_milliseconds());
    }
    return contender;
  }

  Status Starts(const Program& program) {
    for (int i = 0; i < effort_.starts; ++i) {
      auto contender = Start(program, 4);
      if (!contender.ok()) return contender.status();
    }
    return Status::Ok();
  }

  Status EditsAndAllocations(const Program& program) {
    auto contender = Start(program, 4);
    if (!contender.ok()) return contender.status();
    TRANCHE_TRY(AddMemory(**contender, program, "idle, 8×4"));
    const std::vector<std::string> ids = (*contender)->Ids();
    std::vector<double> took;
    for (int i = 0; i < effort_.allocations; ++i) {
      auto one = (*contender)->TimeAllocate(ids[static_cast<std::size_t>(i) % ids.size()]);
      if (!one.ok()) return one.status();
      took.push_back(*one);
    }
    Add("Allocate, p50", "µs", program, Quantile(took, 0.5));
    Add("Allocate, p99", "µs", program, Quantile(took, 0.99));
    for (int i = 0; i < effort_.edits; ++i) {
      auto one = (*contender)->Edit(i % 2 == 0 ? 8 : 4);
      if (!one.ok()) return one.status();
      Add("config edit to the kubelet's new count, 8×4 and 8×8", "ms", program, *one);
    }
    return Status::Ok();
  }

  Status List(const Program& program) {
    auto contender = Start(program, 7500);
    if (!contender.ok()) return contender.status();
    for (int i = 0; i < effort_.lists; ++i) {
      auto sent = (*contender)->TimeList();
      if (!sent.ok()) return sent.status();
      Add("ListAndWatch, 8×7500: first list", "ms", program, sent->milliseconds);
      Add("ListAndWatch, 8×7500: its size", "MB", program, sent->bytes / 1e6);
    }
    return Status::Ok();
  }

  Status Preferred(const Program& program, const PreferredSize& size) {
    auto contender = Start(program, size.replicas);
    if (!contender.ok()) return contender.status();
    const std::string state = fmt::format("{}×{}", size.gpus, size.replicas);
    if (size.replicas == 1000) TRANCHE_TRY(AddMemory(**contender, program, "idle, " + state));
    ids_[state] = (*contender)->Ids();
    const int calls = program.who == kPeer ? size.peer_calls : size.calls;
    TRANCHE_TRY(TimeCalls((*contender)->client(), program.who, size, calls, true));
    if (size.replicas == 1000) {
      TRANCHE_TRY(AddMemory(**contender, program, state + " and its requests"));
    }
    return Status::Ok();
  }

  Status TimeCalls(sim::PluginClient& client, const std::string& who, const PreferredSize& size,
                   int calls, bool checked) {
    std::vector<std::string> available = ids_[fmt::format("{}×{}", size.gpus, size.replicas)];
    std::shuffle(available.begin(), available.end(), random_);
    for (int i = 0; i < (options_.smoke ? 1 : calls); ++i) {
      auto one = TimePreferred(stage_, client, available, size.size, checked);
      if (!one.ok()) return one.status();
      results_.Add(size.Name(), "µs", who, *one);
    }
    return Status::Ok();
  }

  // The same requests to the server of empty answers and to the plain one.
  Status ServersRound() {
    for (const auto& [who, flag] :
         {std::pair(kFloor, "--serve-empty="), {kPlain, "--serve-plain="}}) {
      const std::string socket = base::JoinPath(stage_.directory(), std::string(who) + ".sock");
      auto pid = stage_.StartProgram({.path = "/proc/self/exe",
                                      .arguments = {"plugin_bench", flag + socket},
                                      .env = {},
                                      .log = "servers.log"});
      if (!pid.ok()) return pid.status();
      sim::PluginClient client(stage_.loop(), "", socket);
      std::optional<Status> dialled;
      client.Dial([&](const Status& status) {
        dialled = status;
        stage_.loop().Stop();
      });
      RunUntil(stage_, [&] { return dialled.has_value(); });
      TRANCHE_TRY(dialled.value_or(Status(base::Code::kDeadlineExceeded, "no server")));
      const bool plain = std::string_view(who) == kPlain;
      for (const PreferredSize& size : PreferredSizes()) {
        if (size.gpus != gpus_) continue;
        TRANCHE_TRY(TimeCalls(client, who, size, plain ? size.plain_calls : size.calls, plain));
      }
      stage_.StopProgram(*pid, SIGTERM);
    }
    return Status::Ok();
  }

  Status AddMemory(Contender& contender, const Program& program, const std::string& state) {
    auto memory = contender.MeasureMemory();
    if (!memory.ok()) return memory.status();
    Add("memory (PSS), " + state, "MiB", program, memory->pss);
    Add("of it its own data, " + state, "MiB", program, memory->anonymous);
    return Status::Ok();
  }

  void Add(const std::string& name, const std::string& unit, const Program& program, double value) {
    results_.Add(name, unit, program.who, value);
  }

  sim::Stage& stage_;
  const Options& options_;
  const int gpus_;
  Effort effort_;
  std::vector<Program> programs_;
  std::map<std::string, std::vector<std::string>> ids_;  // by GPUs×replicas
  std::mt19937 random_{1};
  Results results_;
};

}  // namespace

std::string PreferredSize::Name() const {
  return fmt::format("preferred allocation, {}×{}, size {}", gpus, replicas, size);
}

const std::vector<PreferredSize>& PreferredSizes() {
  static const std::vector<PreferredSize> sizes = {
      {.gpus = 8, .replicas = 10, .size = 8, .calls = 200, .peer_calls = 200, .plain_calls = 200},
      {.gpus = 8, .replicas = 100, .size = 8, .calls = 100, .peer_calls = 50, .plain_calls = 20},
      {.gpus = 8, .replicas = 1000, .size = 100, .calls = 20, .peer_calls = 3, .plain_calls = 1},
      {.gpus = 1, .replicas = 24576, .size = 64, .calls = 10, .peer_calls = 3, .plain_calls = 1}};
  return sizes;
}

Status PlayNode(const Options& options, const std::string& node, int gpus, Results& results) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return base::ErrnoStatus(errno, "pipe2");
  const base::UniqueFd read_end(ends[0]);
  base::UniqueFd write_end(ends[1]);
  const pid_t child = fork();
  if (child < 0) return base::ErrnoStatus(errno, "fork");
  if (child == 0) {
    const auto fail = [](const Status& status) {
      fmt::print(stderr, "plugin_bench: {}\n", status.message());
      return 1;
    };
    int status = 0;
    {
      auto loop = base::NewEpollLoop();
      if (!loop.ok()) _exit(fail(loop.status()));
      auto stage = sim::Stage::Set(**loop, {.node = node, .force = false});
      if (!stage.ok()) _exit(fail(stage.status()));
      Scene scene(**stage, options, gpus);
      const Status played = scene.Play();
      if (!played.ok()) status = fail(played);
      const std::string text = scene.results().ToJson().Dump();
      for (std::size_t at = 0; at < text.size();) {
        const ssize_t wrote = write(write_end.get(), text.data() + at, text.size() - at);
        if (wrote <= 0) break;
        at += static_cast<std::size_t>(wrote);
      }
    }
    _exit(status);
  }
  write_end = base::UniqueFd();
  std::string text;
  char buffer[1 << 16];
  for (ssize_t got = 0; (got = read(read_end.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) return {base::Code::kInternal, "the measurement on " + node + " failed"};
  auto json = base::Json::Parse(text);
  if (!json.ok()) return json.status();
  return results.Merge(*json);
}

}  // namespace tranche::bench
