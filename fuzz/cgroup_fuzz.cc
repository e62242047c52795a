// /proc/PID/cgroup as a container may have made it: any text is read or refused, and a pod that is
// found has a UID and an id of the shapes that Kubernetes and the runtimes give.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "node/identity/cgroup.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto group = tranche::node::identity::ReadPodGroup(
      std::string_view(reinterpret_cast<const char*>(data), size));
  if (!group.ok()) return 0;
  const std::size_t uid = group->pod_uid.size();
  const std::size_t container = group->container_id.size();
  if ((uid != 32 && uid != 36) || (container != 0 && container != 64)) std::abort();
  constexpr std::string_view kPlain = "0123456789abcdef-";
  if (group->pod_uid.find_first_not_of(kPlain) != std::string::npos) std::abort();
  if (group->container_id.find_first_not_of(kPlain) != std::string::npos) std::abort();
  return 0;
}
