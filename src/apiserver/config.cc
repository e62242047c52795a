#include "apiserver/config.h"

#include <fmt/format.h>

#include <cstdlib>

#include "apiserver/kubeconfig.h"
#include "base/file.h"

namespace tranche::apiserver {

using base::Code;
using base::Result;
using base::Status;

namespace {

// https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
constexpr const char* kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::size_t kMaxNamespaceBytes = 4096;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// $KUBECONFIG is a list, as PATH is: the first that exists, or else the first.
std::string DefaultKubeconfig() {
  const std::string list = Environment("KUBECONFIG");
  std::string first;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    std::string path = list.substr(at, end - at);
    at = end + 1;
    if (path.empty()) continue;
    if (base::Exists(path)) return path;
    if (first.empty()) first = path;
  }
  if (!first.empty()) return first;
  const std::string home = Environment("HOME");
  return base::JoinPath(home.empty() ? "/root" : home, ".kube/config");
}

}  // namespace

Result<ApiConfig> InClusterConfigAt(const std::string& folder) {
  const std::string host = Environment("KUBERNETES_SERVICE_HOST");
  const std::string port = Environment("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return Status(Code::kNotFound,
                  "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not "
                  "both set");
  }
  ApiConfig config;
  const bool six = host.find(':') != std::string::npos;
  config.server =
      six ? fmt::format("https://[{}]:{}", host, port) : fmt::format("https://{}:{}", host, port);
  config.token_file = base::JoinPath(folder, "token");
  if (!base::Exists(config.token_file)) {
    return Status(Code::kNotFound, fmt::format("in a cluster, but there is no {}: is "
                                               "automountServiceAccountToken off?",
                                               config.token_file));
  }
  // Without one the system's, as client-go does.
  if (std::string ca = base::JoinPath(folder, "ca.crt"); base::Exists(ca)) {
    config.ca_file = std::move(ca);
  }
  if (auto name = base::ReadFile(base::JoinPath(folder, "namespace"), kMaxNamespaceBytes);
      name.ok()) {
    config.default_namespace = std::move(name).value();
    while (config.default_namespace.ends_with('\n')) config.default_namespace.pop_back();
  }
  config.where = "in-cluster";
  return config;
}

Result<ApiConfig> InClusterConfig() { return InClusterConfigAt(kServiceAccount); }

Result<ApiConfig> KubeconfigFile(const std::string& path, const std::string& context) {
  const std::string file = path.empty() ? DefaultKubeconfig() : path;
  const auto text = base::ReadFile(file, kMaxKubeconfigBytes);
  if (!text.ok()) return text.status().Wrap("kubeconfig");
  auto config = ParseKubeconfig(*text, file, context);
  if (!config.ok()) return config.status().Wrap("kubeconfig");
  return config;
}

Result<ApiConfig> FindApiConfig(const std::string& kubeconfig) {
  return kubeconfig.empty() ? InClusterConfig() : KubeconfigFile(kubeconfig);
}

}  // namespace tranche::apiserver
