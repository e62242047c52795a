#include "cli/programs/node_command.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "cdi/shim.h"
#include "cli/common/defaults.h"
#include "cli/common/exit_status.h"
#include "cli/common/version.h"
#include "cli/programs/profile_flags.h"
#include "config/units.h"
#include "daemon/api_link.h"
#include "daemon/life.h"
#include "gpu/nvml/driver.h"
#include "http/tcp_listener.h"
#include "web/page.h"

namespace tranche::cli::programs {

namespace {

using base::Code;
using base::Result;
using base::Status;
using common::BoolFlag;
using common::Flag;
using common::ListFlag;

std::string Help() {
  return "usage: tranche node [flags]\n\n"
         "Shows who uses this node's GPUs, by pod: memory, time, energy, processes. It observes "
         "from\n"
         "outside, whatever plugin serves the GPUs. Where the sharing config has `memory: {mode: "
         "enforce}`,\n"
         "it also holds up memory walls, and brings their library to pods. It has to see the "
         "host's\n"
         "processes (hostPID in a pod).\n\n" +
         common::FormatFlags(NodeFlags()) +
         "\nThe command line beats the environment, which beats the default.\n"
         "\nSignals: HUP looks at the GPUs again; TERM and INT end.\n\n" +
         cli::common::ExitStatus("tranche node") +
         "\nExamples:\n"
         "  tranche node --node-name=$NODE_NAME\n"
         "  tranche node --node-name=$NODE_NAME --watch-node "
         "--profiles-configmap=gpu-operator/device-plugin-config\n"
         "  tranche node --node-name=$NODE_NAME --config-file=/config/config.yaml   # memory "
         "walls, if it has them\n"
         "  tranche node --listen=127.0.0.1:9436 --dcgm-names=off\n"
         "  tranche node --page-listen=127.0.0.1:8080   # then http://127.0.0.1:8080 in a "
         "browser\n";
}

common::FlagGroup SourcesFlags() {
  return {.title = "Who tells what",
          .flags = {
              Flag("node-name")
                  .Env("NODE_NAME")
                  .Help("name of this node, whose pods are watched for their names; empty: pods "
                        "have their UIDs for names"),
              KubeconfigFlag(),
              Flag("pod-resources-socket")
                  .Env("TRANCHE_POD_RESOURCES_SOCKET")
                  .Default(common::kPodResourcesSocket)
                  .Help("where to ask the kubelet who was given which GPU; empty: do without"),
              Flag("driver-root")
                  .Env("DRIVER_ROOT_CTR_PATH")
                  .Default("/driver-root")
                  .Help("where the driver's files are for this program; where there is no such "
                        "folder: /"),
              Flag("proc-root")
                  .Env("TRANCHE_PROC_ROOT")
                  .Default("/proc")
                  .Help("where the processes of the host are seen"),
              Flag("sys-root")
                  .Env("TRANCHE_SYS_ROOT")
                  .Help("prefix for /sys and /proc/driver (simulated nodes)"),
          }};
}

common::FlagGroup ConfigFlags() {
  common::FlagGroup group{.title = "The sharing config, as the agent has it (for limits of memory)",
                          .flags = {
                              Flag("config-file")
                                  .Env("CONFIG_FILE")
                                  .Help("the config; empty, and none of the others: none is read"),
                          }};
  for (auto& flag : ClusterProfileFlags()) group.flags.push_back(std::move(flag));
  for (auto& flag : DefaultProfileFlags()) group.flags.push_back(std::move(flag));
  return group;
}

common::FlagGroup ShowingFlags() {
  return {
      .title = "What is shown",
      .flags = {
          Flag("listen")
              .Env("TRANCHE_LISTEN")
              .Default(std::to_string(common::kNodePort))
              .Help("[address:]port of /metrics, /livez, /readyz and /status; empty: none"),
          Flag("page-listen")
              .Env("TRANCHE_PAGE_LISTEN")
              .Default("127.0.0.1:" + std::to_string(common::kPagePort))
              .Help("address:port of the page to look at in a browser, on this machine's own "
                    "address (127.0.0.1 or [::1]); empty: none"),
          Flag("dcgm-names")
              .Env("TRANCHE_DCGM_NAMES")
              .Default("auto")
              .Help("whether GPUs are also told of under the names of NVIDIA's dcgm-exporter: "
                    "on, off, or auto, which is off where a dcgm-exporter runs on the node"),
          Flag("hostname")
              .Env("NODE_NAME")
              .DefaultWords("the machine's")
              .Help("the label Hostname of these"),
          BoolFlag("events", false)
              .Env("TRANCHE_EVENTS")
              .Help("tell what happens as Kubernetes Events on the node, and on pods what happens "
                    "to their limits of memory"),
          Flag("run-dir")
              .Env("TRANCHE_NODE_RUN_DIR")
              .Default(common::kNodeRunDirectory)
              .Help("where status.json is written; empty: nowhere"),
      }};
}

common::FlagGroup WallsFlags() {
  return {.title = "Memory walls, where the config has `memory: {mode: enforce}`",
          .flags = {
              Flag("walls-directory")
                  .Env("TRANCHE_WALLS_DIRECTORY")
                  .Default(node::Node::kWallsDirectory)
                  .Help("where programs in pods ask for their walls; empty: nothing is enforced"),
              Flag("shim-files")
                  .Env("TRANCHE_SHIM_FILES")
                  .DefaultWords("beside this program")
                  .Help("the folder of the library that goes into pods, as it was installed"),
              Flag("shim-directory")
                  .Env("TRANCHE_SHIM_DIRECTORY")
                  .Default(common::kShimDirectory)
                  .Help("the folder of the host from which pods get it, by the same path here; "
                        "empty: none do"),
              Flag("births-directory")
                  .Env("TRANCHE_BIRTHS_DIRECTORY")
                  .Default(common::kBirthsDirectory)
                  .Help("where tranche-hook says what came of each container; empty: not read"),
              ListFlag("shim-cdi-dirs")
                  .Env("TRANCHE_SHIM_CDI_DIRS")
                  .Default(cdi::kShimDirectories)
                  .Help("where the CDI device tranche.dev/shim=pod is published: folders that the "
                        "container runtime reads, one of which is there again after a reboot"),
          }};
}

common::FlagGroup RunningFlags() {
  return {.title = "Running",
          .flags = {
              Flag("interval")
                  .Env("TRANCHE_NODE_INTERVAL")
                  .Default("1s")
                  .Help("how often the driver is asked who uses the GPUs, from 100ms to 10s"),
              Flag("rescan-interval")
                  .Env("TRANCHE_RESCAN_INTERVAL")
                  .Default("10s")
                  .Help("how often to look for lost GPUs, hot-plug and MIG changes"),
              Flag("log-level")
                  .Env("TRANCHE_LOG_LEVEL")
                  .Default("info")
                  .Help("debug, info, warning or error"),
              Flag("log-format").Env("TRANCHE_LOG_FORMAT").Default("text").Help("text or json"),
          }};
}

Status ReadDuration(const common::FlagValues& values, std::string_view flag, base::Duration least,
                    base::Duration most, base::Duration& out) {
  const std::string text = values.Text(flag);
  const auto duration = config::ParseGoDuration(text);
  if (duration.ok() && *duration >= least && *duration <= most) {
    out = std::chrono::duration_cast<base::Duration>(*duration);
    return Status::Ok();
  }
  return {Code::kInvalidArgument, "--" + std::string(flag) + " is a duration such as " +
                                      "1s, not too short and not too long, not '" + text + "'"};
}

// In a build, and as it is installed.
std::string FilesBesideProgram() {
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  const std::string folder = base::ParentDirectory(program);
  std::string built = base::JoinPath(folder, "shim");
  if (base::Exists(built)) return built;
  return base::JoinPath(base::ParentDirectory(folder), "lib/tranche/shim");
}

Status ReadWallsOptions(const common::FlagValues& values, node::NodeOptions& options) {
  options.walls = {.directory = values.Text("walls-directory"),
                   .proc_root = values.TextUnlessEmpty("proc-root"),
                   .shims = values.Text("shim-directory"),
                   .births = values.Text("births-directory")};
  options.delivery = {.source = values.Text("shim-files"),
                      .files = values.Text("shim-directory"),
                      .walls = options.walls.directory,
                      .cdi_directories = values.List("shim-cdi-dirs")};
  if (options.delivery.source.empty()) options.delivery.source = FilesBesideProgram();
  // Names of host paths go into the kubelet's own records.
  for (const std::string& path : {options.walls.directory, options.delivery.files}) {
    if (!path.empty() && !path.starts_with('/')) {
      return {Code::kInvalidArgument,
              "--walls-directory and --shim-directory are absolute paths, "
              "not '" +
                  base::Printable(path) + "'"};
    }
  }
  return Status::Ok();
}

std::string MachineName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

std::vector<common::FlagGroup> NodeFlags() {
  return {SourcesFlags(), ConfigFlags(), ShowingFlags(), WallsFlags(), RunningFlags()};
}

Result<node::NodeOptions> ToNodeOptions(const common::FlagValues& values) {
  node::NodeOptions options;
  options.version = common::kVersion;
  options.node_name = values.Text("node-name");
  options.pod_resources_socket = values.Text("pod-resources-socket");
  options.run_directory = values.Text("run-dir");
  options.listen = values.Text("listen");
  if (!options.listen.empty()) {
    TRANCHE_TRY(http::CheckTcpAddress(options.listen).Wrap("--listen"));
  }
  options.page_listen = values.Text("page-listen");
  if (!options.page_listen.empty()) {
    TRANCHE_TRY(web::CheckPageAddress(options.page_listen).Wrap("--page-listen"));
  }
  options.driver_root = values.Text("driver-root");
  if (!base::Exists(options.driver_root)) options.driver_root = "/";
  options.hostname = values.Text("hostname");
  if (options.hostname.empty()) options.hostname = MachineName();
  options.events = values.Bool("events");
  if (options.events && options.node_name.empty()) {
    return Status(Code::kInvalidArgument, "--events needs --node-name (NODE_NAME)");
  }
  TRANCHE_TRY(
      ReadProfileFlags(values, options.node_name, options.config.files, options.config.cluster));
  const std::string names = values.TextUnlessEmpty("dcgm-names");
  if (names == "on") {
    options.dcgm_names = node::DcgmNames::kOn;
  } else if (names == "off") {
    options.dcgm_names = node::DcgmNames::kOff;
  } else if (names != "auto") {
    return Status(Code::kInvalidArgument,
                  "--dcgm-names is auto, on or off, not '" + base::Printable(names) + "'");
  }
  using std::chrono::hours;
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  TRANCHE_TRY(ReadDuration(values, "interval", milliseconds(100), seconds(10), options.interval));
  TRANCHE_TRY(ReadDuration(values, "rescan-interval", milliseconds(100), hours(24),
                           options.rescan_interval));
  options.gpus.start_driver = gpu::nvml::NvmlDriverStarter(values.Text("sys-root"));
  TRANCHE_TRY(ReadWallsOptions(values, options));
  options.new_proc = [root = values.TextUnlessEmpty("proc-root")] {
    return node::identity::NewProc(root);
  };
  options.new_api = [kubeconfig = values.Text("kubeconfig")](base::EventLoop& loop) {
    return daemon::ConnectToApi(loop, kubeconfig,
                                {.user_agent = std::string("tranche-node/") + common::kVersion});
  };
  return options;
}

int RunNode(const std::vector<std::string>& arguments) {
  const common::DaemonProgram program{.name = "tranche node", .flags = NodeFlags(), .help = Help};
  auto called = common::ReadDaemonCall(program, arguments);
  if (const int* answered = std::get_if<int>(&called)) return *answered;
  const common::FlagValues values(std::move(std::get<common::DaemonCall>(called)));
  if (const Status status = common::ConfigureLogging(values); !status.ok()) {
    return common::Misuse(program.name, status);
  }
  auto options = ToNodeOptions(values);
  if (!options.ok()) return common::Misuse(program.name, options.status());
  return daemon::RunOnLoop([&](base::EventLoop& loop, std::function<void(int)>& on_signal) {
    node::Node node(loop, *options);
    on_signal = [&node](int number) { node.OnSignal(number); };
    const int status = node.Run();
    on_signal = [](int) {};
    return status;
  });
}

}  // namespace tranche::cli::programs
