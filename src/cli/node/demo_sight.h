// The demo's chapter on who uses a GPU: three pods share one, and `tranche node` says of each what
// it uses, drawn as `tranche top` draws it.
//
// Pods of the small kubelet are put into control groups (demo_groups.h). No API server tells their
// names: those are the small kubelet's.
//
// Threading: the stage's thread.
// Errors: a Status that says what did not happen as told. Destruction ends the pods and removes the
// groups, as far as that can be done.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "cli/node/demo_gpu.h"
#include "cli/node/demo_groups.h"
#include "cli/top/frame.h"
#include "cli/top/use.h"
#include "gpu/device.h"

namespace tranche::cli::top {
class Asker;
}

namespace tranche::cli::node {

class SightChapter {
 public:
  using Say = std::function<void(const std::string&)>;

  SightChapter(tranche::sim::Stage& stage, const std::string& resource, const std::string& uuid,
               top::Looks looks, Say say);
  ~SightChapter();
  SightChapter(const SightChapter&) = delete;
  SightChapter& operator=(const SightChapter&) = delete;

  // The first GPU that is not cut by MIG, of which the driver samples no processes; "" for none.
  [[nodiscard]] static std::string GpuAmong(const gpu::Inventory& inventory);
  // Why the chapter cannot be told of that GPU on this machine; "" where it can.
  [[nodiscard]] static std::string WhyNot(const std::string& uuid);

  // The pods and `tranche node` go on until this object goes.
  base::Status Show();

 private:
  base::Status StartPods();
  base::Status StartProgram();
  base::Status Ask();
  void Told(const base::Result<base::Json>& answer);
  [[nodiscard]] const top::PodUse* Find(const std::string& name) const;
  [[nodiscard]] base::Status Judge() const;

  tranche::sim::Stage& stage_;
  DemoGpu gpu_;
  PodGroups groups_;
  const top::Looks looks_;
  const Say say_;
  std::map<std::string, std::string> names_;  // of pods, by the UID in the name of their group
  std::unique_ptr<top::Asker> asker_;
  base::Status told_;  // the last answer, or why there was none
  top::NodeUse node_;  // as last told, of our GPU alone
};

}  // namespace tranche::cli::node
