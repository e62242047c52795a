#include "cli/node/cleanup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cdi/shim.h"
#include "cli/common/defaults.h"
#include "daemon/handover/note.h"
#include "daemon/status_file.h"
#include "node/delivery/shim_files.h"
#include "rpc/unix_socket.h"
#include "wire/message.h"

namespace tranche::cli::node {

namespace {

using base::Code;
using base::JoinPath;
using base::Status;

constexpr char kPluginDirectory[] = "/var/lib/kubelet/device-plugins";
constexpr char kFeatureDirectory[] = "/etc/kubernetes/node-feature-discovery/features.d";
constexpr char kFeatureFile[] = "gfd";
// As written: a host may have /var/run as a link to /run, or as a folder of its own.
constexpr std::array<const char*, 2> kCdiDirectories{"/var/run/cdi", "/run/cdi"};
// See daemon/handover_note, profile/last_good and agent/serve/endpoint_names.
constexpr std::array<std::string_view, 4> kStateFiles{daemon::handover::kLockName,
                                                      daemon::handover::kAnnouncementName,
                                                      "endpoints.json", "last-good.json"};
constexpr std::array<std::string_view, 2> kRunFiles{daemon::kStatusName, daemon::kStatusLockName};
// See cdi/spec: "k8s.device-plugin.nvidia.com-gpu.json" and the others.
constexpr std::string_view kCdiPrefix = "k8s.device-plugin.nvidia.com-";
constexpr std::array<std::string_view, 5> kCdiClasses{"gpu", "imex-channel", "gdrcopy", "gds",
                                                      "mofed"};
constexpr std::size_t kMaxNamed = 3;  // pods in a message

// Of `tranche node`: the paths of the chart, beside the defaults of its flags.
constexpr std::array<const char*, 2> kWallsDirectories{"/var/lib/tranche/walls", wire::kDirectory};
constexpr std::array<const char*, 3> kShimCdiDirectories{"/etc/cdi", "/var/run/cdi", "/run/cdi"};
constexpr std::array<std::string_view, 3> kNodeRunFiles{daemon::kStatusName,
                                                        daemon::kStatusLockName, "walls.json"};
constexpr std::array<std::string_view, 2> kWallsFiles{wire::kSocketFile, wire::kAwayFile};

constexpr char kOtherPlugin[] = "another plugin serves this node";

// `name`, or what an interrupted write of it left: "NAME.tmp.123" (base/file).
bool IsOrWasMeantAs(std::string_view name, std::string_view file) {
  if (name == file) return true;
  constexpr std::string_view kTemporary = ".tmp.";
  return name.starts_with(file) && name.substr(file.size()).starts_with(kTemporary) &&
         base::AllDigits(name.substr(file.size() + kTemporary.size()));
}

template <class Names>
bool IsOneOf(std::string_view name, const Names& files) {
  return std::ranges::any_of(files,
                             [&](std::string_view file) { return IsOrWasMeantAs(name, file); });
}

bool IsStateFile(std::string_view name) {
  return IsOneOf(name, kStateFiles) || name.starts_with("successor.json.new.");
}

bool IsCdiFile(std::string_view name) {
  if (!name.starts_with(kCdiPrefix)) return false;
  name.remove_prefix(kCdiPrefix.size());
  return std::ranges::any_of(kCdiClasses, [&](std::string_view one) {
    return IsOrWasMeantAs(name, std::string(one) + ".json");
  });
}

// See labels/outlet for the two hidden ones.
bool IsFeatureFile(std::string_view name) {
  return IsOneOf(name, std::array<std::string_view, 2>{kFeatureFile, ".gfd.new"});
}

// Also what an interrupted write of it left.
bool IsShimFile(std::string_view name) {
  return tranche::node::delivery::IsShimFile(name) ||
         (name.find(".tmp.") != std::string_view::npos &&
          tranche::node::delivery::IsShimFile(name.substr(0, name.find(".tmp."))));
}

bool IsSocket(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

// `path` below `root`. The absolute link /var/run -> /run of the root must not lead out of it.
std::string InRoot(const std::string& root, const std::string& path) {
  if (root.empty()) return path;
  constexpr std::string_view kVarRun = "/var/run/";
  struct stat info {};
  const bool linked = lstat((root + "/var/run").c_str(), &info) == 0 && S_ISLNK(info.st_mode);
  if (linked && path.starts_with(kVarRun)) return root + "/run/" + path.substr(kVarRun.size());
  return root + path;
}

// The agent that serves the node, "" for none.
std::string RunningAgent(const std::string& state_directory) {
  const std::optional<daemon::handover::AgentIdentity> agent =
      daemon::handover::LookForAgent(state_directory).agent;
  if (!agent) return "";
  return agent->host.empty() ? "an agent" : "the agent " + agent->host;
}

std::string Holders(const std::vector<kubelet::Holding>& holdings) {
  std::vector<std::string> pods;
  for (const kubelet::Holding& holding : holdings) {
    if (!holding.resource.starts_with("nvidia.com/")) continue;
    std::string pod = base::Printable(holding.pod_namespace + "/" + holding.pod, 320);
    if (std::ranges::find(pods, pod) == pods.end()) pods.push_back(std::move(pod));
  }
  if (pods.empty()) return "";
  std::string text = "running pods hold GPUs (";
  for (std::size_t i = 0; i < std::min(pods.size(), kMaxNamed); ++i) {
    text.append(i == 0 ? "" : ", ").append(pods[i]);
  }
  if (pods.size() > kMaxNamed) text += ", …";
  return text + "), and would not start again without";
}

class Planner {
 public:
  Planner(const CleanupOptions& options, const HoldingsReader& holdings)
      : options_(options), holdings_(holdings) {}

  CleanupPlan Run() {
    const std::string plugins = InRoot(options_.root, kPluginDirectory);
    const std::string state = JoinPath(plugins, "tranche");
    plan_.agent = RunningAgent(state);
    AddSockets(plugins);
    AddFolder(state, IsStateFile, "");
    AddCdi();
    AddFeatureFile();
    AddNode();
    AddFolder(
        InRoot(options_.root, common::kAgentRunDirectory),
        [](std::string_view name) { return IsOneOf(name, kRunFiles); }, "");
    return std::move(plan_);
  }

 private:
  template <class Ours>
  void AddFiles(const std::string& directory, Ours ours, const std::string& kept) {
    const auto names = base::ListDirectory(directory);
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      if (ours(name)) plan_.files.push_back({.path = JoinPath(directory, name), .kept = kept});
    }
  }
  template <class Ours>
  void AddFolder(const std::string& directory, Ours ours, const std::string& kept) {
    AddFiles(directory, ours, kept);
    if (base::Exists(directory)) plan_.folders.push_back(directory);
  }

  // A socket's name is NVIDIA's plugin's too: only what nobody serves is removed.
  void AddSockets(const std::string& directory) {
    const auto names = base::ListDirectory(directory);
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      const std::string path = JoinPath(directory, name);
      if (!name.starts_with("nvidia-") || !name.ends_with(".sock") || !IsSocket(path)) continue;
      const auto connection = rpc::ConnectToUnixSocket(path);
      const bool dead = !connection.ok() && connection.status().code() == Code::kUnavailable;
      // Without a lock of ours, whoever answers is another.
      if (!dead && plan_.agent.empty()) served_by_other_ = true;
      plan_.files.push_back({.path = path, .kept = dead ? "" : "somebody serves it"});
    }
  }

  std::string WhyKeepCdi() {
    if (options_.all) return "";
    if (served_by_other_) return kOtherPlugin;
    return WhyPodsNeedIt();
  }

  std::string WhyPodsNeedIt() {
    const auto holdings = holdings_(InRoot(options_.root, common::kPodResourcesSocket));
    if (holdings.ok()) return Holders(*holdings);
    if (holdings.status().code() == Code::kNotFound) return "";  // no kubelet, so no pods
    return "what pods hold is not known (" + holdings.status().message() + ")";
  }

  void AddCdi() {
    std::vector<base::FileIdentity> seen;
    std::optional<std::string> kept;
    for (const char* directory : kCdiDirectories) {
      const std::string path = InRoot(options_.root, directory);
      // The link is followed: the same folder may go by both names.
      const base::FileIdentity identity = base::IdentityOf(path + "/.");
      if (!identity.exists() || std::ranges::find(seen, identity) != seen.end()) continue;
      seen.push_back(identity);
      const std::size_t before = plan_.files.size();
      AddFiles(path, IsCdiFile, "");
      if (plan_.files.size() == before) continue;
      if (!kept) kept = WhyKeepCdi();  // asked for only where there is something to keep
      for (std::size_t i = before; i < plan_.files.size(); ++i) plan_.files[i].kept = *kept;
    }
  }

  // Its labels are NVIDIA's by name, so a GPU plugin that serves is a reason to believe in them.
  void AddFeatureFile() {
    AddFiles(InRoot(options_.root, kFeatureDirectory), IsFeatureFile,
             served_by_other_ && !options_.all ? kOtherPlugin : "");
  }

  // Running pods refer to the shim, its folder of sockets and its CDI device. Nobody refers to the
  // status file and the records of births.
  void AddNode() {
    const std::string run = InRoot(options_.root, common::kNodeRunDirectory);
    const bool runs = daemon::StatusWriter(run) == daemon::Writer::kAlive && !options_.force;
    const std::string running = runs ? "tranche node runs on this node" : "";
    AddFolder(
        run, [](std::string_view name) { return IsOneOf(name, kNodeRunFiles); }, running);
    AddFolder(
        InRoot(options_.root, common::kBirthsDirectory), [](std::string_view) { return true; },
        running);
    const std::size_t before = plan_.files.size();
    for (const char* directory : kWallsDirectories) {
      AddFolder(
          InRoot(options_.root, directory),
          [](std::string_view name) { return IsOneOf(name, kWallsFiles); }, "");
    }
    AddFolder(InRoot(options_.root, common::kShimDirectory), IsShimFile, "");
    AddShimSpecs();
    if (before != plan_.files.size()) {
      const std::string kept = runs || options_.all ? running : WhyPodsNeedIt();
      for (std::size_t i = before; i < plan_.files.size(); ++i) plan_.files[i].kept = kept;
    }
    const std::string home = base::ParentDirectory(InRoot(options_.root, common::kShimDirectory));
    if (base::Exists(home)) plan_.folders.push_back(home);
  }

  void AddShimSpecs() {
    std::vector<base::FileIdentity> seen;
    for (const char* directory : kShimCdiDirectories) {
      const std::string path = InRoot(options_.root, directory);
      const base::FileIdentity identity = base::IdentityOf(path + "/.");
      if (!identity.exists() || std::ranges::find(seen, identity) != seen.end()) continue;
      seen.push_back(identity);
      AddFiles(
          path, [](std::string_view name) { return IsOrWasMeantAs(name, cdi::kShimFile); }, "");
    }
  }

  const CleanupOptions& options_;
  const HoldingsReader& holdings_;
  CleanupPlan plan_;
  bool served_by_other_ = false;
};

}  // namespace

CleanupPlan PlanCleanup(const CleanupOptions& options, const HoldingsReader& holdings) {
  return Planner(options, holdings).Run();
}

int RunCleanup(const CleanupOptions& options, const HoldingsReader& holdings, std::ostream& out,
               std::ostream& errors) {
  const CleanupPlan plan = PlanCleanup(options, holdings);
  const bool refused = !plan.agent.empty() && !options.force;
  if (refused) {
    errors << "tranche cleanup: " << plan.agent
           << " runs on this node: uninstall it first, or say --force\n";
    if (!options.dry_run) return 1;
  }
  int failures = 0;
  int removed = 0;
  for (const CleanupItem& item : plan.files) {
    const std::string shown = base::Printable(item.path);
    if (!item.kept.empty()) {
      out << "kept " << shown << ": " << item.kept << "\n";
    } else if (options.dry_run) {
      out << "would remove " << shown << "\n";
    } else if (unlink(item.path.c_str()) == 0) {
      ++removed;
      out << "removed " << shown << "\n";
    } else if (errno != ENOENT) {
      const Status status = base::ErrnoStatus(errno, "remove " + shown);
      errors << "tranche cleanup: " << status.message() << "\n";
      ++failures;
    }
  }
  for (const std::string& folder : plan.folders) {
    if (options.dry_run) continue;
    if (rmdir(folder.c_str()) == 0) {
      ++removed;
      out << "removed " << folder << "\n";
    } else if (errno == ENOTEMPTY || errno == EEXIST) {
      out << "kept " << folder << ": it holds other files\n";
    } else if (errno != ENOENT) {
      const Status status = base::ErrnoStatus(errno, "remove " + folder);
      errors << "tranche cleanup: " << status.message() << "\n";
      ++failures;
    }
  }
  if (plan.files.empty() && removed == 0) out << "nothing to remove\n";
  return failures > 0 || refused ? 1 : 0;
}

}  // namespace tranche::cli::node
