// EndpointNames chooses the socket name under which a resource registers, so that no (resource,
// endpoint) pair is registered while the kubelet may still have that pair's stream open (kubelet
// 1.37 then loses the plugin: docs, "life of an allocation").
//
// The plain name (upstream's: nvidia-gpu.sock) is used with a kubelet that has not seen it from us
// or a predecessor; otherwise nvidia-gpu.<n>.sock is used. A small file, which survives the wipe of
// the folder at a kubelet start, records which names were used with which kubelet. A name whose
// socket somebody serves is skipped whatever the file says: it belongs to another agent, or to
// NVIDIA's plugin that is about to be replaced.
//
// Threading: the loop's thread.
// Errors: none. A file that cannot be read or written costs only the memory across restarts.
#pragma once

#include <map>
#include <string>

#include "base/file.h"
#include "base/status.h"

namespace tranche::agent::serve {

class EndpointNames {
 public:
  // `directory`: …/device-plugins/tranche. An unreadable or damaged file counts as none: a
  // name that the kubelet refuses is followed by the next.
  EndpointNames(const std::string& directory, std::string kubelet_socket);

  // A name for `resource` never used with the present kubelet before. Remembers it at once, on disk
  // too; where that fails the name is still unique in this process.
  std::string Next(const std::string& resource);

 private:
  void Load();
  base::Status Save() const;
  [[nodiscard]] bool Served(const std::string& name) const;

  std::string path_;
  std::string kubelet_socket_;
  base::FileIdentity kubelet_;       // the kubelet that `used_` is about
  std::map<std::string, int> used_;  // resource: how many names it has had
};

// "nvidia-gpu.sock" for "nvidia.com/gpu" and 0; "nvidia-gpu.3.sock" for 3.
std::string EndpointName(const std::string& resource, int number);

}  // namespace tranche::agent::serve
