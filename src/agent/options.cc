#include "agent/options.h"

#include "base/file.h"

namespace tranche::agent {

namespace {
// Upstream's fixed path, for an agent that is told not to register.
constexpr char kDefaultSocketDirectory[] = "/var/lib/kubelet/device-plugins";
}  // namespace

std::string AgentOptions::SocketDirectory() const {
  return kubelet_socket.empty() ? kDefaultSocketDirectory : base::ParentDirectory(kubelet_socket);
}

std::string AgentOptions::StateDirectory() const {
  return base::JoinPath(SocketDirectory(), "tranche");
}

}  // namespace tranche::agent
