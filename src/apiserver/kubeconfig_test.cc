#include "apiserver/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/file.h"
#include "base/testing/real_loop.h"

namespace tranche::apiserver {
namespace {

using base::Code;
using base::testing::TempDir;
using ::testing::HasSubstr;

constexpr const char* kWhole = R"(apiVersion: v1
kind: Config
current-context: one
clusters:
- name: c
  cluster: {server: "https://h:6443", certificate-authority: pki/ca.crt, tls-server-name: kubernetes,
            proxy-url: "socks5://127.0.0.1:1080"}
- name: plain
  cluster: {server: "http://127.0.0.1:8001"}
users:
- name: u
  user: {client-certificate-data: Y2VydA==, client-key: /abs/key, tokenFile: tok}
- name: program
  user:
    exec: {command: aws}
contexts:
- name: one
  context: {cluster: c, user: u, namespace: ns}
- name: two
  context: {cluster: plain, user: ""}
- name: three
  context: {cluster: plain, user: program}
)";

TEST(KubeconfigTest, ReadsTheContextInForce) {
  const auto config = ParseKubeconfig(kWhole, "/k/config", "");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->server, "https://h:6443");
  EXPECT_EQ(config->ca_file, "/k/pki/ca.crt");
  EXPECT_EQ(config->tls_server_name, "kubernetes");
  EXPECT_EQ(config->proxy_url, "socks5://127.0.0.1:1080");
  EXPECT_EQ(config->certificate_data, "cert");
  EXPECT_EQ(config->key_file, "/abs/key");
  EXPECT_EQ(config->token_file, "/k/tok");
  EXPECT_EQ(config->default_namespace, "ns");
  EXPECT_EQ(config->where, "/k/config, context one");
  const auto other = ParseKubeconfig(kWhole, "/k/config", "two");
  ASSERT_TRUE(other.ok()) << other.status().message();
  EXPECT_EQ(other->server, "http://127.0.0.1:8001");
  EXPECT_EQ(other->token_file, "");
}

TEST(KubeconfigTest, SaysWhatToDoInsteadOfRunningAProgram) {
  const auto config = ParseKubeconfig(kWhole, "/k/config", "three");
  EXPECT_EQ(config.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(config.status().message(), HasSubstr("/k/config:15: "));
  EXPECT_THAT(config.status().message(), HasSubstr("kubectl proxy"));
  EXPECT_THAT(config.status().message(), HasSubstr("--server http://127.0.0.1:8001"));
}

TEST(KubeconfigTest, NamesWhatIsWrong) {
  const auto message = [](const std::string& text, const std::string& context = "") {
    const auto config = ParseKubeconfig(text, "f", context);
    EXPECT_FALSE(config.ok()) << text;
    return config.status().message();
  };
  EXPECT_THAT(message(""), HasSubstr("no kubeconfig"));
  EXPECT_THAT(message("- a"), HasSubstr("no kubeconfig"));
  EXPECT_THAT(message("a: ["), HasSubstr("f:"));
  EXPECT_THAT(message("a: b"), HasSubstr("current-context"));
  EXPECT_THAT(message(kWhole, "four"), HasSubstr("there is no context \"four\""));
  EXPECT_THAT(message("current-context: x\ncontexts: 5"), HasSubstr("f:2: contexts is no list"));
  const std::string head = "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n";
  EXPECT_THAT(message(head), HasSubstr("there is no cluster \"c\""));
  EXPECT_THAT(message(head + "clusters: [{name: c, cluster: {a: b}}]"), HasSubstr("no server"));
  EXPECT_THAT(message(head + "clusters: [{name: c, cluster: {server: h, "
                             "certificate-authority-data: \"?\"}}]"),
              HasSubstr("f:3: certificate-authority-data: it is not base64"));
  EXPECT_THAT(message(head + "clusters: [{name: c, cluster: {server: h, certificate-authority: a, "
                             "insecure-skip-tls-verify: true}}]"),
              HasSubstr("exclude each other"));
  EXPECT_THAT(message(std::string(100000, '[')), HasSubstr("too deeply"));
  EXPECT_THAT(message(std::string(100000, '-')), HasSubstr("too deeply"));
  EXPECT_EQ(ParseKubeconfig(std::string(kMaxKubeconfigBytes + 1, 'x'), "f", "").status().code(),
            Code::kOutOfRange);
}

TEST(KubeconfigTest, DecodesBase64) {
  EXPECT_EQ(DecodeBase64("").value(), "");
  EXPECT_EQ(DecodeBase64("YQ==").value(), "a");
  EXPECT_EQ(DecodeBase64("YW\nJj").value(), "abc");
  EXPECT_EQ(DecodeBase64("+/8=").value(), "\xfb\xff");
  for (const char* bad : {"Y", "YQ", "YQ=", "YQ=a", "====", "Y-Jj"}) {
    EXPECT_FALSE(DecodeBase64(bad).ok() && *DecodeBase64(bad) != "") << bad;
  }
}

TEST(KubeconfigTest, FindsTheFile) {
  const TempDir folder;
  ASSERT_TRUE(base::WriteFileAtomic(folder / "config", kWhole).ok());
  const std::string list = (folder / "missing") + ":" + (folder / "config");
  ASSERT_EQ(setenv("KUBECONFIG", list.c_str(), 1), 0);
  const auto config = KubeconfigFile("");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->ca_file, folder / "pki/ca.crt");
  EXPECT_EQ(KubeconfigFile("", "two")->server, "http://127.0.0.1:8001");
  unsetenv("KUBECONFIG");
  EXPECT_EQ(KubeconfigFile(folder / "missing").status().code(), Code::kNotFound);
}

TEST(InClusterConfigTest, ReadsTheServiceAccount) {
  const TempDir folder;
  unsetenv("KUBERNETES_SERVICE_HOST");
  EXPECT_EQ(InClusterConfigAt(folder.path()).status().code(), Code::kNotFound);
  setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  EXPECT_EQ(InClusterConfigAt(folder.path()).status().code(), Code::kNotFound) << "no token";
  ASSERT_TRUE(base::WriteFileAtomic(folder / "token", "t").ok());
  ASSERT_TRUE(base::WriteFileAtomic(folder / "ca.crt", "c").ok());
  ASSERT_TRUE(base::WriteFileAtomic(folder / "namespace", "gpu-operator\n").ok());
  const auto config = InClusterConfigAt(folder.path());
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->server, "https://[fd00::1]:443");
  EXPECT_EQ(config->token_file, folder / "token");
  EXPECT_EQ(config->ca_file, folder / "ca.crt");
  EXPECT_EQ(config->default_namespace, "gpu-operator");
  unsetenv("KUBERNETES_SERVICE_HOST");
  unsetenv("KUBERNETES_SERVICE_PORT");
}

}  // namespace
}  // namespace tranche::apiserver
