#include "cli/kubectl/command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include "apiserver/client.h"
#include "apiserver/config.h"
#include "base/event_loop.h"
#include "base/json_read.h"
#include "base/log.h"
#include "cli/common/exit_status.h"
#include "cli/common/table.h"
#include "cli/common/version.h"
#include "cli/common/yaml.h"
#include "cli/kubectl/cluster.h"
#include "cli/kubectl/complete.h"
#include "cli/kubectl/facts.h"
#include "cli/kubectl/profile.h"
#include "cli/kubectl/status.h"
#include "cli/kubectl/use.h"
#include "cli/kubectl/use_command.h"
#include "cli/node/validate.h"
#include "config/units.h"

namespace tranche::cli::kubectl {

namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

constexpr int kCannot = 2;
// A person waits for these answers; kubectl allows itself as much.
constexpr double kQps = 50;
constexpr int kBurst = 100;

struct Settings {
  std::string kubeconfig;
  std::string context;
  std::string server;
  std::string output = "table";
  ClusterView view;
};

Result<apiserver::ApiConfig> WhereIsTheCluster(const Settings& settings) {
  auto config = apiserver::KubeconfigFile(settings.kubeconfig, settings.context);
  const bool named = !settings.kubeconfig.empty() || !settings.context.empty();
  if (!config.ok() && config.status().code() == Code::kNotFound && !named) {
    auto in_cluster = apiserver::InClusterConfig();
    if (in_cluster.ok()) return in_cluster;
    if (!settings.server.empty()) config = apiserver::ApiConfig{.where = "--server"};
  }
  if (config.ok() && !settings.server.empty()) config->server = settings.server;
  return config;
}

// The loop, the client on it, and what a person may ask through them.
class Session {
 public:
  static Result<std::unique_ptr<Session>> Open(const Settings& settings) {
    auto session = std::make_unique<Session>();
    auto loop = base::NewEpollLoop();
    if (!loop.ok()) return loop.status();
    session->loop_ = std::move(*loop);
    auto signals =
        base::WatchSignals(*session->loop_, {SIGINT, SIGTERM}, [raw = session.get()](int) {
          if (raw->cluster_ != nullptr) raw->cluster_->Interrupt();
        });
    if (!signals.ok()) return signals.status();
    session->signals_ = std::move(*signals);
    auto config = WhereIsTheCluster(settings);
    if (!config.ok()) return config.status();
    apiserver::ApiClientOptions limits{.qps = kQps, .burst = kBurst, .user_agent = {}};
    limits.user_agent = std::string("kubectl-tranche/") + cli::common::kVersion;
    auto client = apiserver::NewApiClient(*session->loop_, std::move(*config), limits);
    if (!client.ok()) return client.status();
    session->client_ = std::move(*client);
    session->cluster_ = std::make_unique<Cluster>(*session->loop_, *session->client_);
    return session;
  }
  [[nodiscard]] Cluster& cluster() { return *cluster_; }

 private:
  std::unique_ptr<base::EventLoop> loop_;
  std::unique_ptr<base::SignalWatch> signals_;
  std::unique_ptr<apiserver::ApiClient> client_;
  std::unique_ptr<Cluster> cluster_;
};

int Fail(const Status& status) {
  std::cerr << "kubectl tranche: " << base::Printable(status.message(), 2000) << "\n";
  return kCannot;
}

void Print(const Json& document, const Settings& settings) {
  std::cout << (settings.output == "yaml" ? common::ToYaml(document) : document.Dump(2) + "\n");
}

int RunStatus(const Settings& settings, const std::vector<std::string>& nodes) {
  auto session = Session::Open(settings);
  if (!session.ok()) return Fail(session.status());
  const auto status = CollectStatus((*session)->cluster(), settings.view, nodes);
  if (!status.ok()) return Fail(status.status());
  if (settings.output == "json" || settings.output == "yaml") {
    Print(*status, settings);
  } else {
    const Width width = settings.output == "wide" ? Width::kWide : Width::kNormal;
    std::cout << ShowClusterStatus(*status, width, common::ColorOfOutput());
  }
  return ClusterStatusExitCode(*status);
}

int RunUse(const Settings& settings, UseOptions options, const UseForms& forms) {
  // Also where it was said before the command.
  if (options.pod_namespace.empty() && !options.all_namespaces) {
    options.pod_namespace = settings.view.plugin_namespace;
  }
  auto session = Session::Open(settings);
  if (!session.ok()) return Fail(session.status());
  const auto use = CollectUse((*session)->cluster(), options);
  if (!use.ok()) return Fail(use.status());
  if (settings.output == "json" || settings.output == "yaml") {
    Print(forms.document(*use, options), settings);
  } else if (settings.output == "name") {
    std::cout << ShowNames(*use, options);
  } else {
    const UseView view{
        .wide = settings.output == "wide",
        .color = common::ColorOfOutput(),
        .now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
                   .count()};
    std::cout << forms.table(*use, options, view);
  }
  std::cout.flush();
  for (const std::string& warning : use->warnings) {
    std::cerr << "kubectl tranche: warning: " << base::Printable(warning, 2000) << "\n";
  }
  return ClusterUseExitCode(*use);
}

Result<gpu::Inventory> InventoryOfNode(const Settings& settings, const std::string& node) {
  if (node.empty()) return Status(Code::kNotFound, "no node was named");
  auto session = Session::Open(settings);
  if (!session.ok()) return session.status();
  Cluster& cluster = (*session)->cluster();
  const auto pods = FindPlugins(cluster, settings.view, node);
  if (!pods.ok()) return pods.status();
  const auto pod = pods->find(node);
  if (pod == pods->end()) return Status(Code::kNotFound, "no plugin pod runs there");
  const auto agent = AskAgent(cluster, pod->second);
  if (!agent.ok()) return agent.status();
  return AgentInventory(*agent);
}

int RunValidateHere(const Settings& settings, cli::node::ValidateOptions options) {
  options.json = settings.output == "json" || settings.output == "yaml";
  options.node_kind = "node";
  options.node_hint = "--node NODE";
  const auto reader = [&](const std::string& node) { return InventoryOfNode(settings, node); };
  if (settings.output != "yaml") {
    return cli::node::RunValidate(options, reader, std::cin, std::cout, std::cerr);
  }
  std::ostringstream text;
  const int exit_code = cli::node::RunValidate(options, reader, std::cin, text, std::cerr);
  if (const auto document = Json::Parse(text.str()); document.ok()) Print(*document, settings);
  return exit_code;
}

int RunProfile(const Settings& settings, ProfileOptions options, const std::string& timeout) {
  const auto duration = config::ParseGoDuration(timeout);
  if (!duration.ok() || *duration < base::Duration::zero()) {
    return Fail({Code::kInvalidArgument,
                 "--timeout is a duration such as 90s or 2m, not '" + timeout + "'"});
  }
  options.timeout = *duration;
  options.view = settings.view;
  if (options.remove != options.profile.empty()) {
    return Fail({Code::kInvalidArgument, "say a profile's NAME, or --remove, and not both"});
  }
  if (!options.remove && !IsLabelValue(options.profile)) {
    return Fail({Code::kInvalidArgument,
                 "'" + options.profile + "' cannot be a label's value, so no profile's name"});
  }
  auto session = Session::Open(settings);
  if (!session.ok()) return Fail(session.status());
  return SetProfile((*session)->cluster(), options, std::cout, std::cerr);
}

void AddSettings(CLI::App& app, Settings& settings) {
  app.fallthrough();
  app.add_option("--kubeconfig", settings.kubeconfig,
                 "The kubeconfig file (KUBECONFIG counts too)");
  app.add_option("--context", settings.context, "The context of it");
  app.add_option("-s,--server", settings.server, "The API server's address");
  app.add_option("-n,--namespace", settings.view.plugin_namespace,
                 "Where the plugin's pods are (any namespace)");
  app.add_option("--label", settings.view.node_label, "The label that names a node's profile")
      ->capture_default_str();
  app.add_option("-o,--output", settings.output, "table, wide, json or yaml")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml"}))
      ->capture_default_str();
}

void AddStatus(CLI::App& app, const Settings& settings, int& exit_code) {
  auto nodes = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand(
      "status", "GPUs, profiles, what is advertised and in use, health and warnings, by node");
  command->add_option("NODE", *nodes, "Only these nodes");
  command->footer(common::ExitStatus("kubectl tranche status") +
                  "Examples:\n"
                  "  kubectl tranche status\n"
                  "  kubectl tranche status gpu-node -o wide\n"
                  "  kubectl tranche status -o json | jq '.nodes[].warnings'");
  command->callback([&settings, nodes, &exit_code] { exit_code = RunStatus(settings, *nodes); });
}

void AddValidate(CLI::App& app, const Settings& settings, int& exit_code) {
  auto options = std::make_shared<cli::node::ValidateOptions>();
  CLI::App* command = app.add_subcommand(
      "validate", "Check sharing configs and say what each would advertise on a node");
  command
      ->add_option("FILE", options->files,
                   "A config, or a manifest or Helm values that carry configs; - is standard input")
      ->required();
  command->add_option("--node", options->node, "The node whose GPUs count");
  command->add_flag("-r,--recursive", options->recursive,
                    "Look for configs in all .yaml, .yml and .json files of a folder");
  command->add_flag("--lenient", options->lenient,
                    "What NVIDIA's plugin takes and cannot be meant, an unknown key for one, is a "
                    "warning and not an error");
  command->footer(
      common::ExitStatus("kubectl tranche validate") +
      "Examples:\n"
      "  kubectl tranche validate configmap.yaml --node gpu-node\n"
      "  kubectl get configmap device-plugin-config -o yaml | kubectl tranche validate -");
  command->callback(
      [&settings, options, &exit_code] { exit_code = RunValidateHere(settings, *options); });
}

void AddProfile(CLI::App& app, const Settings& settings, int& exit_code) {
  auto options = std::make_shared<ProfileOptions>();
  auto timeout = std::make_shared<std::string>("60s");
  CLI::App* command = app.add_subcommand(
      "profile", "Give a node a profile: label it, and wait until that is in force");
  command->add_option("NODE", options->node, "The node")->required();
  command->add_option("NAME", options->profile, "The profile: a key of the ConfigMap");
  command->add_flag("--remove", options->remove, "Remove the label: the node gets the default");
  command->add_flag("--wait,!--no-wait", options->wait, "Wait until it is in force (the default)");
  command->add_option("--timeout", *timeout, "How long to wait")->capture_default_str();
  command->footer("Interrupted, it stops waiting; the label stays.\n" +
                  common::ExitStatus("kubectl tranche profile") +
                  "Examples:\n"
                  "  kubectl tranche top                        who uses the GPUs, on all nodes\n"
                  "  kubectl tranche profile gpu-node dev\n"
                  "  kubectl tranche profile gpu-node --remove --timeout=2m");
  command->callback([&settings, options, timeout, &exit_code] {
    exit_code = RunProfile(settings, *options, *timeout);
  });
}

std::vector<std::string> NodeNames(const Settings& settings) {
  std::vector<std::string> names;
  auto session = Session::Open(settings);
  if (!session.ok()) return names;
  const auto nodes = (*session)->cluster().Ask({.path = "/api/v1/nodes?limit=500",
                                                .form = apiserver::ReplyForm::kMetadata,
                                                .deadline = std::chrono::seconds(2)});
  if (!nodes.ok()) return names;
  for (const Json& node : base::ItemsAt(*nodes, "items")) {
    names.push_back(base::TextAt(node, {"metadata", "name"}));
  }
  return names;
}

std::vector<std::string> ProfileNames(const Settings& settings, const std::string& node) {
  auto session = Session::Open(settings);
  if (!session.ok()) return {};
  const auto pods = FindPlugins((*session)->cluster(), settings.view, node);
  if (!pods.ok() || !pods->contains(node)) return {};
  return ProfilesOf((*session)->cluster(), pods->at(node));
}

}  // namespace

int RunKubectl(const std::vector<std::string>& arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  base::ConfigureLog(base::LogLevel::kError, base::LogFormat::kText);
  Settings settings;
  int exit_code = 0;
  CLI::App app("Shared GPUs of the cluster: state, configs, profiles", "kubectl tranche");
  app.set_version_flag("--version", cli::common::VersionLine());
  app.require_subcommand(1);
  AddSettings(app, settings);
  AddStatus(app, settings, exit_code);
  AddUseCommands(app, settings.output, [&](const UseOptions& options, const UseForms& forms) {
    exit_code = RunUse(settings, options, forms);
  });
  AddValidate(app, settings, exit_code);
  AddProfile(app, settings, exit_code);
  app.footer(
      "Examples:\n"
      "  kubectl tranche status                     every node's GPUs, and who is ill\n"
      "  kubectl tranche profile gpu-node dev       another profile for a node, and wait for it\n"
      "  kubectl tranche validate configmap.yaml --node gpu-node\n");
  std::vector<std::string> words(arguments.rbegin(), arguments.rend());  // CLI11 takes the last
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kCannot;
  }
  return exit_code;
}

int RunKubectlComplete(const std::vector<std::string>& arguments) {
  // Any message printed here would end up in the line that is being typed.
  base::ConfigureLog(base::LogLevel::kError, base::LogFormat::kText);
  Settings settings;
  settings.kubeconfig = TypedFlag(arguments, "--kubeconfig");
  settings.context = TypedFlag(arguments, "--context");
  settings.server = TypedFlag(arguments, "--server");
  settings.view.plugin_namespace = TypedFlag(arguments, "--namespace");
  const CompletionSources sources{
      .nodes = [&] { return NodeNames(settings); },
      .profiles = [&](const std::string& node) { return ProfileNames(settings, node); }};
  for (const std::string& line : CompleteKubectl(arguments, sources)) fmt::print("{}\n", line);
  return 0;
}

}  // namespace tranche::cli::kubectl
