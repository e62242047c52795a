// ApiConfig says where the API server is and as whom to call it: as a service account, or as a
// kubeconfig says.
//
// The kubelet rotates tokens and CAs. A token or CA that is named by a file is therefore read again
// when the file changes.
//
// Threading: a plain value; the functions read files and are safe on any thread.
// Errors: kNotFound outside a cluster; otherwise a Status that says what is wrong with the file.
#pragma once

#include <string>

#include "base/status.h"

namespace tranche::apiserver {

struct ApiConfig {
  std::string
      server;  // "https://10.0.0.1:443"; http:// only for a loopback address, unless plain_http
  std::string ca_file;           // PEM; with ca_data empty too: the system's
  std::string ca_data;           // PEM itself
  std::string token_file;        // bearer token, read again when it changes
  std::string token;             // bearer token itself
  std::string certificate_file;  // client certificate, PEM, or
  std::string certificate_data;  // the same itself
  std::string key_file;
  std::string key_data;
  std::string tls_server_name;
  std::string proxy_url;  // "": none, whatever the environment says
  bool insecure_skip_tls_verify = false;
  bool plain_http = false;        // http:// to any address: for one that is sent no secret
  std::string default_namespace;  // of the service account or the context; may be ""
  std::string where;              // for messages: "in-cluster", "/root/.kube/config, context x"
};

// KUBERNETES_SERVICE_HOST and _PORT and the service account's folder. kNotFound: not in a cluster.
base::Result<ApiConfig> InClusterConfig();

// kubectl's file format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
// `path` "" is $KUBECONFIG (the first file of the list that exists) or ~/.kube/config; `context` ""
// is its current-context. A user with `exec` or `auth-provider` is refused, saying what to do.
base::Result<ApiConfig> KubeconfigFile(const std::string& path, const std::string& context = "");

// What upstream's programs do: the kubeconfig where one is named, else in-cluster.
base::Result<ApiConfig> FindApiConfig(const std::string& kubeconfig);

}  // namespace tranche::apiserver
