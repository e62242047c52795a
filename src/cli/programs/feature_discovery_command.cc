#include "cli/programs/feature_discovery_command.h"

#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "apiserver/client.h"
#include "apiserver/config.h"
#include "base/log.h"
#include "cli/common/flag_values.h"
#include "cli/common/version.h"
#include "config/flag_table.h"
#include "discovery/feature_discovery.h"
#include "gpu/nvml/driver.h"
#include "labels/choice.h"

namespace tranche::cli::programs {
namespace {

using base::Code;
using base::Result;
using base::Status;
using config::FlagGroup;
using config::FlagKind;

// Ours, by environment only: an argument that upstream does not know is an error as with upstream.
FlagGroup OwnVariables() {
  const auto variable = [](const char* name, const char* environment, const char* fallback,
                           const char* help) {
    return config::FlagSpec{.name = name,
                            .aliases = {},
                            .environment = {environment},
                            .kind = FlagKind::kText,
                            .default_text = fallback,
                            .help = help};
  };
  return {
      .title = "Ours, by environment only",
      .flags = {variable("labels", "TRANCHE_LABELS", "by --use-node-feature-api",
                         "where labels go: none, nfd-file, node-feature, or node itself"),
                variable("sys-root", "TRANCHE_SYS_ROOT", "",
                         "goes before /sys and /proc, for a simulated node"),
                variable("log-level", "TRANCHE_LOG_LEVEL", "info", "debug, info, warning or error"),
                variable("log-format", "TRANCHE_LOG_FORMAT", "text", "text or json")}};
}

std::string Help() {
  return "usage: gpu-feature-discovery [flags]\n\n"
         "Labels a node by its GPUs and how they are shared. Takes the place of NVIDIA's program\n"
         "of that name: the same flags and environment. `tranche agent --labels=…` does the same\n"
         "within the agent.\n\n" +
         config::FormatFlags({config::UpstreamFeatureDiscoveryFlags(), OwnVariables()}) +
         "\nThe command line beats the environment, which beats the config file, which beats the "
         "default.\n"
         "\nSignals: HUP reads the config and looks at the node again, with a new timestamp; TERM "
         "and INT end.\n"
         "\nExamples:\n"
         "  gpu-feature-discovery --oneshot --use-node-feature-api=false --output-file=\n"
         "  gpu-feature-discovery --config-file=/config/config.yaml --node-name=$NODE_NAME\n";
}

template <class Number>
Status ReadNumber(const cli::common::FlagValues& values, std::string_view flag, Number& out) {
  const std::string text = values.Text(flag);
  if (text.empty()) return Status::Ok();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && end == text.data() + text.size() && out > 0) return Status::Ok();
  return {Code::kInvalidArgument, fmt::format("invalid value \"{}\" for flag -{}", text, flag)};
}

struct Setup {
  discovery::FeatureDiscoveryOptions options;
  apiserver::ApiClientOptions api;
  std::string kubeconfig;
  std::string labels;  // "": as the config says
  labels::NodeFeatureOptions node;
};

Result<Setup> ReadSetup(const cli::common::FlagValues& values) {
  TRANCHE_TRY(cli::common::ConfigureLogging(values));
  Setup setup;
  TRANCHE_TRY(ReadNumber(values, "kube-api-qps", setup.api.qps));
  TRANCHE_TRY(ReadNumber(values, "kube-api-burst", setup.api.burst));
  setup.api.user_agent = std::string("gpu-feature-discovery/") + cli::common::kVersion;
  setup.kubeconfig = values.Text("kubeconfig");
  setup.labels = values.Text("labels");
  setup.node = {.node = values.Text("node-name"),
                .namespace_name = values.Text("namespace", "default"),
                .pod = values.Text("pod-name")};
  setup.options.config_file = values.Text("config-file");
  setup.options.sys_root = values.Text("sys-root");
  setup.options.version = cli::common::kVersion;
  setup.options.new_driver = [sys_root = setup.options.sys_root](const std::string& driver_root) {
    return std::shared_ptr<gpu::GpuDriver>(
        gpu::nvml::NewNvmlDriver({.driver_root = driver_root, .sys_root = sys_root}));
  };
  return setup;
}

labels::OutletChoice Choose(const Setup& setup, const config::Config& config) {
  labels::OutletChoice choice{
      .kind = setup.labels, .file = config.flags.gfd.output_file, .node = setup.node};
  if (choice.kind.empty()) {
    choice.kind = config.flags.use_node_feature_api.value_or(true) ? "node-feature" : "nfd-file";
  }
  return choice;
}

// The client, made where an outlet first needs it.
class LazyClient {
 public:
  LazyClient(base::EventLoop& loop, std::string kubeconfig, apiserver::ApiClientOptions options)
      : loop_(loop), kubeconfig_(std::move(kubeconfig)), options_(std::move(options)) {}

  Result<apiserver::ApiClient*> Get() {
    if (client_ == nullptr) {
      auto where = apiserver::FindApiConfig(kubeconfig_);
      if (!where.ok()) return where.status().Wrap("no way to reach the API server");
      auto client = apiserver::NewApiClient(loop_, std::move(*where), options_);
      if (!client.ok()) return client.status();
      client_ = std::move(*client);
    }
    return client_.get();
  }

 private:
  base::EventLoop& loop_;
  const std::string kubeconfig_;
  const apiserver::ApiClientOptions options_;
  std::unique_ptr<apiserver::ApiClient> client_;
};

int Serve(Setup setup) {
  // A write past a file size limit or to a closed pipe is an error to handle, not a reason to die.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) {
    base::LogError("cannot start", {base::Kv("error", loop.status().message())});
    return 1;
  }
  discovery::FeatureDiscovery* running = nullptr;
  const auto signals =
      base::WatchSignals(**loop, {SIGHUP, SIGINT, SIGTERM, SIGQUIT}, [&](int number) {
        if (running != nullptr) running->OnSignal(number);
      });
  if (!signals.ok()) {
    base::LogError("cannot start", {base::Kv("error", signals.status().message())});
    return 1;
  }
  LazyClient client(**loop, setup.kubeconfig, setup.api);
  discovery::FeatureDiscoveryOptions options = setup.options;
  options.new_outlet =
      [&](const config::Config& config,
          labels::LabelOutlet::State state) -> Result<std::unique_ptr<labels::LabelOutlet>> {
    const labels::OutletChoice choice = Choose(setup, config);
    TRANCHE_TRY(labels::CheckOutlet(choice));
    apiserver::ApiClient* api = nullptr;
    if (choice.NeedsApi()) {
      auto made = client.Get();
      if (!made.ok()) return made.status();
      api = *made;
    }
    return labels::NewOutlet(**loop, choice, api, std::move(state));
  };
  discovery::FeatureDiscovery discovery(**loop, std::move(options));
  running = &discovery;
  return discovery.Run();
}

}  // namespace

int RunFeatureDiscovery(const std::vector<std::string>& arguments) {
  const cli::common::DaemonProgram program{
      .name = "gpu-feature-discovery",
      .typed = {config::UpstreamFeatureDiscoveryFlags()},
      .all = {config::UpstreamFeatureDiscoveryFlags(), OwnVariables()},
      .help = Help};
  auto called = cli::common::ReadDaemonCall(program, arguments);
  if (const int* answered = std::get_if<int>(&called)) return *answered;
  auto& call = std::get<cli::common::DaemonCall>(called);
  auto setup = ReadSetup(cli::common::FlagValues(call.environment, call.command_line));
  if (!setup.ok()) return cli::common::Misuse(program.name, setup.status());
  setup->options.environment = std::move(call.environment);
  setup->options.command_line = std::move(call.command_line);
  return Serve(std::move(*setup));
}

}  // namespace tranche::cli::programs
