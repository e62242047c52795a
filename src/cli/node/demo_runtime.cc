#include "cli/node/demo_runtime.h"

#include <fmt/format.h>

#include <string_view>

#include "base/file.h"
#include "base/json.h"
#include "base/json_read.h"
#include "cdi/shim.h"
#include "cli/node/demo_gpu.h"

namespace tranche::cli::node {
namespace {

using base::Json;
using base::Result;

constexpr std::size_t kMaxSpec = 64U << 10U;

// For a POSIX shell.
std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string Mount(const Json& mount) {
  const std::string inside = Quoted(base::TextAt(mount, "containerPath"));
  std::string options;
  for (const std::string& option : base::TextsAt(mount, "options")) {
    options += (options.empty() ? "" : ",") + option;
  }
  return fmt::format("mkdir -p {}\nmount -o {} {} {}\n", inside, Quoted(options),
                     Quoted(base::TextAt(mount, "hostPath")), inside);
}

std::string Hook(const Json& hook, const std::string& state) {
  std::string line =
      fmt::format("printf %s {} | {}", Quoted(state), Quoted(base::TextAt(hook, "path")));
  const auto arguments = base::TextsAt(hook, "args");
  for (std::size_t i = 1; i < arguments.size(); ++i) line += " " + Quoted(arguments[i]);
  return line + "\n";
}

// What the hook reads of a bundle. The pod has no file system of its own: its root is the stage's.
Json Bundle(const DemoContainer& container) {
  return Json::MakeObject(
      {{"ociVersion", "1.0.2"},
       {"root", Json::MakeObject({{"path", "/"}})},
       {"process", Json::MakeObject({{"cwd", "/"},
                                     {"env", Json::MakeArray({Json("LD_LIBRARY_PATH=" +
                                                                   container.library_path)})}})},
       {"mounts", Json::MakeArray()}});
}

}  // namespace

Result<std::string> WriteContainer(const DemoContainer& container) {
  const auto text = base::ReadFile(base::JoinPath(kDemoSpecs, cdi::kShimFile), kMaxSpec);
  if (!text.ok()) return text.status();
  const auto spec = Json::Parse(*text);
  if (!spec.ok()) return spec.status();
  const Json::Array& devices = base::ItemsAt(*spec, "devices");
  if (devices.size() != 1) return NotAsTold("the CDI file of the shim has not one device");

  TRANCHE_TRY(base::MakeDirectories(container.folder));
  TRANCHE_TRY(base::WriteFileAtomic(base::JoinPath(container.folder, "config.json"),
                                    Bundle(container).Dump(2)));
  const std::string state = Json::MakeObject({{"ociVersion", "1.0.2"},
                                              {"id", container.id},
                                              {"status", "creating"},
                                              {"bundle", container.folder}})
                                .Dump();
  std::string script = "set -e\n";
  for (const Json& mount : base::ItemsAt(devices[0], {"containerEdits", "mounts"})) {
    script += Mount(mount);
  }
  for (const Json& hook : base::ItemsAt(devices[0], {"containerEdits", "hooks"})) {
    script += Hook(hook, state);
  }
  const std::string path = base::JoinPath(container.folder, "start");
  TRANCHE_TRY(base::WriteFileAtomic(path, script + "exec \"$@\"\n"));
  return "unshare --mount --propagation private sh " + path;
}

}  // namespace tranche::cli::node
