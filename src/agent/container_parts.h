// ContainerParts makes what a container is given besides its GPUs from the node as it is now: the
// driver's control nodes, IMEX channels, the CDI spec with its names, and the shim of memory walls
// where the config asks for those.
//
// It watches the folders of device nodes and that of the CDI specs. Its owner has everything made
// again when they change, and CatchUp before an answer sees to it that nothing old is given.
//
// A driver root may lie on a file system that hangs. So a worker looks at the files; the loop waits
// a moment for what it needs at once, and goes on with what is known where no answer comes.
//
// Threading: the loop's thread.
// Errors: a config that the node cannot serve is refused by Make, and one whose files do not answer
// in time is (kDeadlineExceeded): `answered` says when to try again. What of the config in force
// has become impossible is in WhyUnfit; it is tried again.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/device_folders.h"
#include "agent/shim_watch.h"
#include "base/disk/look.h"
#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "cdi/spec.h"
#include "cdi/spec_folder.h"
#include "config/config.h"
#include "gpu/device.h"
#include "plan/allocation.h"
#include "plan/as_advertised.h"

namespace tranche::agent {

class ContainerParts {
 public:
  struct Options {
    std::string cdi_directory;
    std::string own_root;  // the folder whose dev is this process's own /dev
    std::function<std::optional<cdi::CharDevice>(const std::string& path)> stat_char_device;
    ShimWatch::Options shim;
  };
  struct Owner {
    // What is in use is to be made again: the node is another, or it failed a while ago.
    std::function<void()> remake;
    std::function<bool()> may_mend;  // whether the spec files are still this agent's
    // What Make or Use could not wait for has come: the same call again has its answer.
    std::function<void()> answered;
    ShimWatch::Owner shim;
  };

  // The node as far as it matters here.
  struct Node {
    bool driver_ready = false;
    const gpu::Inventory& inventory;
    std::string driver_root;
    std::string device_folder;  // "/driver-root/dev"
  };

  // What a config makes of a node.
  struct Made {
    plan::NodeFacts facts;
    plan::Unfit unfit;  // devices that cannot be given to a container
    std::vector<cdi::CdiFile> files;
    std::vector<std::string> device_roots;  // whose nodes all this was made of, to be watched
    std::string device_folder;
  };

  // The worker outlives the parts.
  ContainerParts(base::EventLoop& loop, base::disk::Worker& worker, Options options, Owner owner);

  // Looks at the node and changes nothing.
  base::Result<Made> Make(const config::Config& config, const Node& node);
  // Writes the spec files and takes the rest into use; or neither.
  base::Status Use(Made made);
  // Make and Use for the config in force. Where that fails, what was in use stays as far as it is
  // still true.
  void Remake(const config::Config& config, const Node& node);
  // Sees to it that what has happened on the node by now is known.
  void CatchUp();

  // The folder of device nodes that what is in use was made of.
  [[nodiscard]] const std::string& device_folder() const { return used_.device_folder; }
  [[nodiscard]] const plan::NodeFacts& facts() const { return used_.facts; }
  // Which of these devices cannot be given to a container, and why.
  [[nodiscard]] plan::Unfit WhyUnfit(const plan::Plan& plan) const;
  // Why what is in use is not made of the node as it is now; "" when it is.
  [[nodiscard]] std::string degraded() const;
  [[nodiscard]] ShimWatch& shim() { return shim_; }
  [[nodiscard]] const ShimWatch& shim() const { return shim_; }

 private:
  // All that a look at the node depends on; it owns it.
  struct Question {
    config::Config config;
    std::string config_text;  // the same, to be compared
    bool driver_ready = false;
    gpu::Inventory inventory;
    std::string driver_root;
    std::string device_folder;
    Options options;

    [[nodiscard]] bool Same(const Question& other) const;
    [[nodiscard]] cdi::CdiRoots Roots() const;
  };
  struct Answer {
    Question question;
    base::Result<Made> made;
  };

  // These two are for any thread.
  static base::Result<Made> Find(const Question& question);
  static base::Status AddCdi(const Question& question, Made& made);

  const Options options_;
  Owner owner_;
  base::disk::Look look_;
  std::optional<Answer> late_;  // that Make could not wait for
  Made used_;
  base::Status remade_;   // of the last attempt
  base::Status on_disk_;  // why no spec can be given to anybody
  base::Timer retry_timer_;
  DeviceFolders folders_;
  cdi::SpecFolder specs_;
  ShimWatch shim_;
};

}  // namespace tranche::agent
