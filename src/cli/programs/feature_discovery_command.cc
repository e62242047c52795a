#include "cli/programs/feature_discovery_command.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "apiserver/client.h"
#include "base/log.h"
#include "cli/common/exit_status.h"
#include "cli/common/flag_table.h"
#include "cli/common/flag_values.h"
#include "cli/common/version.h"
#include "cli/programs/feature_discovery_flags.h"
#include "cli/programs/unused_values.h"
#include "daemon/api_link.h"
#include "daemon/life.h"
#include "discovery/feature_discovery.h"
#include "gpu/nvml/driver.h"
#include "labels/choice.h"

namespace tranche::cli::programs {
namespace {

using base::Code;
using base::Result;
using base::Status;

std::string Help() {
  return "usage: gpu-feature-discovery [flags]\n\n"
         "Labels a node by its GPUs and how they are shared. Takes the place of NVIDIA's program\n"
         "of that name: the same flags and environment. `tranche agent --labels=…` does the same\n"
         "within the agent.\n\n" +
         common::FormatFlags(FeatureDiscoveryFlags()) +
         "\nThe command line beats the environment, which beats the config file, which beats the "
         "default.\n"
         "\nSignals: HUP reads the config and looks at the node again, with a new timestamp; TERM "
         "and INT end.\n\n" +
         cli::common::ExitStatus("gpu-feature-discovery") +
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
  WarnOfUnusedValues(values.Text("unused-values"));
  Setup setup;
  TRANCHE_TRY(ReadNumber(values, "kube-api-qps", setup.api.qps));
  TRANCHE_TRY(ReadNumber(values, "kube-api-burst", setup.api.burst));
  setup.api.user_agent = std::string("gpu-feature-discovery/") + cli::common::kVersion;
  setup.kubeconfig = values.Text("kubeconfig");
  setup.labels = values.Text("labels");
  setup.node = {.node = values.Text("node-name"),
                .namespace_name = values.Text("namespace"),
                .pod = values.Text("pod-name")};
  setup.options.config_file = values.Text("config-file");
  setup.options.sys_root = values.Text("sys-root");
  setup.options.version = cli::common::kVersion;
  setup.options.gpus.start_driver = gpu::nvml::NvmlDriverStarter(setup.options.sys_root);
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
  LazyClient(base::EventLoop& loop, const Setup& setup) : loop_(loop), setup_(setup) {}

  Result<apiserver::ApiClient*> Get() {
    if (client_ == nullptr) {
      auto connection = daemon::ConnectToApi(loop_, setup_.kubeconfig, setup_.api);
      if (!connection.ok()) return connection.status();
      client_ = std::move(connection->client);
    }
    return client_.get();
  }

 private:
  base::EventLoop& loop_;
  const Setup& setup_;
  std::unique_ptr<apiserver::ApiClient> client_;
};

Result<std::unique_ptr<labels::LabelOutlet>> NewOutlet(
    base::EventLoop& loop, const Setup& setup, LazyClient& client, const config::Config& config,
    labels::LabelOutlet::StateChanged state_changed) {
  const labels::OutletChoice choice = Choose(setup, config);
  TRANCHE_TRY(labels::CheckOutlet(choice));
  apiserver::ApiClient* api = nullptr;
  if (choice.NeedsApi()) {
    auto made = client.Get();
    if (!made.ok()) return made.status();
    api = *made;
  }
  return labels::NewOutlet(loop, choice, api, std::move(state_changed));
}

int Serve(const Setup& setup) {
  return daemon::RunOnLoop([&](base::EventLoop& loop, std::function<void(int)>& on_signal) {
    LazyClient client(loop, setup);
    discovery::FeatureDiscoveryOptions options = setup.options;
    options.new_outlet = [&](const config::Config& config,
                             labels::LabelOutlet::StateChanged state_changed) {
      return NewOutlet(loop, setup, client, config, std::move(state_changed));
    };
    auto discovery = discovery::FeatureDiscovery::New(loop, std::move(options));
    if (!discovery.ok()) {
      base::LogError(discovery.status().message());
      return 1;
    }
    on_signal = [&discovery](int number) { (*discovery)->OnSignal(number); };
    const int status = (*discovery)->Run();
    on_signal = [](int) {};
    return status;
  });
}

}  // namespace

int RunFeatureDiscovery(const std::vector<std::string>& arguments) {
  const cli::common::DaemonProgram program{
      .name = "gpu-feature-discovery", .flags = FeatureDiscoveryFlags(), .help = Help};
  auto called = cli::common::ReadDaemonCall(program, arguments);
  if (const int* answered = std::get_if<int>(&called)) return *answered;
  const cli::common::FlagValues values(std::move(std::get<cli::common::DaemonCall>(called)));
  auto setup = ReadSetup(values);
  if (!setup.ok()) return cli::common::Misuse(program.name, setup.status());
  setup->options.overrides = {.environment = values.call().environment,
                              .command_line = values.call().command_line};
  return Serve(*setup);
}

}  // namespace tranche::cli::programs
