// The client over real TLS: whom it trusts, as whom it comes, and what it bears.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <string>

#include "apiserver/client.h"
#include "apiserver/kubeconfig.h"
#include "apiserver/testing/certificates.h"
#include "apiserver/testing/tls_front.h"
#include "base/file.h"
#include "base/testing/real_loop.h"
#include "http/testing/scripted_server.h"

namespace tranche::apiserver {
namespace {

using apiserver::testing::Authority;
using apiserver::testing::Base64;
using apiserver::testing::KeyPair;
using apiserver::testing::TlsFront;
using base::Code;
using base::Json;
using base::Result;
using base::Status;
using http::testing::ScriptedServer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kOk = R"({"kind":"Node"})";

class ApiTlsTest : public ::testing::Test {
 protected:
  ApiTlsTest() {
    answer_ = [this](const auto& request) { server_.Reply(request, 200, kOk); };
  }

  KeyPair ServerPair(const Authority& authority,
                     const std::string& addresses = "DNS:localhost,IP:127.0.0.1") {
    return authority.Sign({.common_name = "kube-apiserver", .addresses = addresses});
  }
  [[nodiscard]] std::string Url(const std::string& host = "127.0.0.1") const {
    return "https://" + host + ":" + std::to_string(front_.port());
  }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(base::WriteFileAtomic(folder_ / name, text).ok());
  }

  void Connect(ApiConfig config) {
    if (config.server.empty()) config.server = Url();
    auto client = NewApiClient(*loop_, std::move(config), {.qps = 0});
    ASSERT_TRUE(client.ok()) << client.status().message();
    client_ = std::move(client).value();
  }
  Result<Json> Ask(base::Duration deadline = seconds(60)) {
    std::optional<Result<Json>> reply;
    const auto call = client_->Send({.path = "/api/v1/nodes/n", .deadline = deadline},
                                    [&](Result<Json> r) { reply = std::move(r); });
    loop_.RunUntil([&] { return reply.has_value(); }, seconds(90));
    return reply ? *reply : Status(Code::kUnknown, "no reply");
  }
  Status AskOnce(ApiConfig config) {
    Connect(std::move(config));
    return Ask().status();
  }
  // That the client would not speak to the server: no byte of HTTP, and so no token, reached it.
  void ExpectRefused(const Status& status, const std::string& why) {
    EXPECT_EQ(status.code(), Code::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("API server https://"));
    EXPECT_THAT(status.message(), HasSubstr(why));
    EXPECT_THAT(server_.requests(), IsEmpty());
  }

  base::testing::TempDir folder_;
  base::testing::RealLoop loop_;
  ScriptedServer::Handler answer_;
  ScriptedServer server_{*loop_,
                         [this](const ScriptedServer::Request& request) { answer_(request); }};
  Authority authority_;
  Authority stranger_;  // of the same name: its key alone tells it apart
  TlsFront front_{*loop_, server_.port(), ServerPair(authority_), authority_.certificate()};
  std::unique_ptr<ApiClient> client_;
};

// ---- whom it trusts ----

TEST_F(ApiTlsTest, SpeaksToAServerOfItsAuthority) {
  EXPECT_EQ(AskOnce({.ca_data = authority_.certificate(), .token = "secret"}), Status::Ok());
  Write("ca.crt", authority_.certificate());
  EXPECT_EQ(AskOnce({.server = Url("localhost"), .ca_file = folder_ / "ca.crt"}), Status::Ok());
  ASSERT_EQ(server_.requests().size(), 2U);
  EXPECT_EQ(server_.requests()[0].headers.at("authorization"), "Bearer secret");
  ASSERT_EQ(front_.peers().size(), 2U);
  EXPECT_EQ(front_.peers()[1].server_name, "localhost");
}

TEST_F(ApiTlsTest, RefusesAnotherAuthority) {
  const ApiConfig config{.ca_data = stranger_.certificate(), .token = "secret"};
  ExpectRefused(AskOnce(config), "certificate");
  EXPECT_THAT(front_.peers(), IsEmpty());
  // Where only the key's work tells them apart, OpenSSL's own words say little.
  front_.Present(authority_.Sign(
      {.common_name = "kube-apiserver", .addresses = "IP:127.0.0.1", .names_key = false}));
  ExpectRefused(AskOnce(config), "is its certificate another authority's?");
  EXPECT_EQ(AskOnce({.token = "secret", .insecure_skip_tls_verify = true}), Status::Ok())
      << "only who asks for it goes without";
}

TEST_F(ApiTlsTest, RefusesTheCertificateOfAnotherHost) {
  front_.Present(ServerPair(authority_, "DNS:elsewhere.example,IP:127.0.0.2"));
  const ApiConfig config{.ca_data = authority_.certificate(), .token = "secret"};
  ExpectRefused(AskOnce(config), "127.0.0.1");
  ApiConfig by_name = config;
  by_name.server = Url("localhost");
  ExpectRefused(AskOnce(by_name), "localhost");
  // A kubeconfig may say under which name the server goes.
  ApiConfig named = config;
  named.tls_server_name = "elsewhere.example";
  EXPECT_EQ(AskOnce(named), Status::Ok());
  EXPECT_EQ(front_.peers().back().server_name, "elsewhere.example");
  EXPECT_EQ(server_.requests().back().headers.at("host"), Url().substr(8));
}

TEST_F(ApiTlsTest, RefusesACertificateThatHasExpired) {
  front_.Present(authority_.Sign(
      {.common_name = "kube-apiserver", .addresses = "IP:127.0.0.1", .valid_for = seconds(-60)}));
  ExpectRefused(AskOnce({.ca_data = authority_.certificate()}), "expired");
}

// The machine trusts many, the client one: who may sign for the web may not sign for this cluster.
// The machine's own folder is replaced, so this is done in a child, in a mount namespace.
TEST_F(ApiTlsTest, TrustsNobodyBesideTheClustersAuthority) {
  const Authority machine("an authority of the web");
  Write("ca-certificates.crt", machine.certificate());
  Write(machine.HashName(), machine.certificate());
  front_.Present(ServerPair(machine));
  constexpr const char* kTrusted = "/etc/ssl/certs";
  constexpr int kCannot = 77;
  const auto in_child = [&](const ApiConfig& config) {
    const pid_t child = fork();
    if (child == 0) {
      const bool replaced =
          (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
          mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
          mount(folder_.path().c_str(), kTrusted, nullptr, MS_BIND, nullptr) == 0;
      if (!replaced) _exit(kCannot);
      _exit(AskOnce(config).ok() ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const int by_machine = in_child({});
  if (by_machine == kCannot) GTEST_SKIP() << "no mount namespace may be made here";
  ASSERT_EQ(by_machine, 0) << "without an authority of its own, the machine's are asked";
  EXPECT_EQ(in_child({.ca_data = authority_.certificate()}), 1);
}

// ---- as whom it comes ----

TEST_F(ApiTlsTest, ShowsTheCertificateOfAKubeconfig) {
  const KeyPair admin = authority_.Sign({.common_name = "admin"});
  Write("admin.crt", admin.certificate);
  Write("admin.key", admin.key);
  Write("ca.crt", authority_.certificate());
  const auto kubeconfig = [&](const std::string& cluster, const std::string& user) {
    Write("config", "current-context: x\nclusters: [{name: c, cluster: {server: \"" + Url() +
                        "\", " + cluster + "}}]\nusers: [{name: u, user: {" + user +
                        "}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n");
    return KubeconfigFile(folder_ / "config").value();
  };
  EXPECT_EQ(AskOnce(kubeconfig("certificate-authority: ca.crt",
                               "client-certificate: admin.crt, client-key: admin.key")),
            Status::Ok());
  EXPECT_EQ(AskOnce(kubeconfig("certificate-authority-data: " + Base64(authority_.certificate()),
                               "client-certificate-data: " + Base64(admin.certificate) +
                                   ", client-key-data: " + Base64(admin.key))),
            Status::Ok());
  EXPECT_EQ(AskOnce(kubeconfig("certificate-authority: ca.crt", "token: t")), Status::Ok());
  ASSERT_EQ(front_.peers().size(), 3U);
  EXPECT_EQ(front_.peers()[0].common_name, "admin");
  EXPECT_EQ(front_.peers()[1].common_name, "admin");
  EXPECT_EQ(front_.peers()[2].common_name, "");
}

TEST_F(ApiTlsTest, SaysWhatIsWrongWithItsOwnCertificate) {
  const KeyPair admin = authority_.Sign({.common_name = "admin"});
  const KeyPair other = authority_.Sign({.common_name = "other"});
  const KeyPair foreign = Authority("another").Sign({.common_name = "admin"});
  ApiConfig config{.ca_data = authority_.certificate(),
                   .certificate_data = admin.certificate,
                   .key_data = other.key};
  Connect(config);
  const Status mismatch = Ask().status();
  EXPECT_FALSE(mismatch.ok());
  EXPECT_THAT(mismatch.message(), HasSubstr("key"));
  config.certificate_data = foreign.certificate;
  config.key_data = foreign.key;
  Connect(config);
  EXPECT_EQ(Ask().status().code(), Code::kUnavailable) << "the server does not take it";
  EXPECT_THAT(server_.requests(), IsEmpty());
}

// ---- files that are replaced while it runs ----

TEST_F(ApiTlsTest, ReadsTokenAndCertificateAnew) {
  const KeyPair first = authority_.Sign({.common_name = "first"});
  const KeyPair second = authority_.Sign({.common_name = "second"});
  Write("token", "one");
  Write("c.crt", first.certificate);
  Write("c.key", first.key);
  Connect({.ca_data = authority_.certificate(),
           .token_file = folder_ / "token",
           .certificate_file = folder_ / "c.crt",
           .key_file = folder_ / "c.key"});
  EXPECT_EQ(Ask().status(), Status::Ok());
  Write("token", "two");
  EXPECT_EQ(Ask().status(), Status::Ok());
  EXPECT_EQ(front_.connections(), 1) << "a token needs no new connection";
  Write("c.crt", second.certificate);
  Write("c.key", second.key);
  EXPECT_EQ(Ask().status(), Status::Ok());
  ASSERT_EQ(front_.peers().size(), 2U);
  EXPECT_EQ(front_.peers()[0].common_name, "first");
  EXPECT_EQ(front_.peers()[1].common_name, "second");
  EXPECT_EQ(server_.requests().at(0).headers.at("authorization"), "Bearer one");
  EXPECT_EQ(server_.requests().at(2).headers.at("authorization"), "Bearer two");
}

TEST_F(ApiTlsTest, ReadsItsAuthorityAnew) {
  Write("ca.crt", stranger_.certificate());
  Connect({.ca_file = folder_ / "ca.crt"});
  ExpectRefused(Ask().status(), "certificate");
  Write("ca.crt", stranger_.certificate() + authority_.certificate());
  EXPECT_EQ(Ask().status(), Status::Ok()) << "both, while one takes the other's place";
  Write("ca.crt", stranger_.certificate());
  EXPECT_EQ(Ask().status().code(), Code::kUnavailable)
      << "no connection of the time before is used for one who is not trusted any more";
  front_.Present(ServerPair(stranger_));
  EXPECT_EQ(Ask().status(), Status::Ok());
  EXPECT_EQ(server_.requests().size(), 2U);
}

// ---- the way there ----

TEST_F(ApiTlsTest, UsesNoProxyOfTheEnvironmentInACluster) {
  std::vector<std::string> at_proxy;
  ScriptedServer proxy(*loop_, [&](const ScriptedServer::Request& request) {
    at_proxy.push_back(request.method + " " + request.target);
    proxy.Reply(request, 403, "");
  });
  constexpr std::array kVariables = {"HTTP_PROXY",  "http_proxy", "HTTPS_PROXY",
                                     "https_proxy", "ALL_PROXY",  "all_proxy"};
  for (const char* variable : kVariables) setenv(variable, proxy.url().c_str(), 1);
  setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1", 1);
  setenv("KUBERNETES_SERVICE_PORT", std::to_string(front_.port()).c_str(), 1);
  Write("token", "t");
  Write("ca.crt", authority_.certificate());
  const auto config = InClusterConfigAt(folder_.path());
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(AskOnce(*config), Status::Ok());
  EXPECT_THAT(at_proxy, IsEmpty());
  // One that a kubeconfig names is used, and does not see what is said.
  ApiConfig with_proxy = *config;
  with_proxy.proxy_url = proxy.url();
  EXPECT_EQ(AskOnce(with_proxy).code(), Code::kUnavailable);
  EXPECT_THAT(at_proxy, ElementsAre("CONNECT " + Url().substr(8)));
  for (const char* variable : kVariables) unsetenv(variable);
  unsetenv("KUBERNETES_SERVICE_HOST");
  unsetenv("KUBERNETES_SERVICE_PORT");
}

// ---- what it bears ----

TEST_F(ApiTlsTest, TakesNoPartOfAReplyForTheWhole) {
  constexpr const char* kHead = "HTTP/1.1 200 OK\r\n";
  const std::string whole = R"({"kind":"Node"})";
  const std::array cut = {
      std::string("HTTP/1.1 2"),
      std::string(kHead) + "Content-Len",
      std::string(kHead) + "Content-Length: 100\r\n\r\n" + whole,
      std::string(kHead) + "Transfer-Encoding: chunked\r\n\r\nf\r\n" + whole,
      std::string(kHead) + "Transfer-Encoding: chunked\r\n\r\nff\r\n" + whole,
  };
  for (const std::string& bytes : cut) {
    answer_ = [&](const auto& request) {
      server_.Write(request, bytes);
      server_.HangUp(request);
    };
    EXPECT_EQ(AskOnce({.ca_data = authority_.certificate()}).code(), Code::kUnavailable) << bytes;
  }
  // Here the end of the connection is that of the body: half an object is none.
  answer_ = [&](const auto& request) {
    server_.Write(request, std::string(kHead) + "Connection: close\r\n\r\n" + whole.substr(0, 9));
    server_.HangUp(request);
  };
  EXPECT_EQ(Ask().status().code(), Code::kInternal);
  answer_ = [&](const auto& request) { server_.Reply(request, 200, whole); };
  EXPECT_EQ(Ask().status(), Status::Ok()) << "the client is none the worse for it";
}

TEST_F(ApiTlsTest, BoundsARepliesHeadAndBody) {
  const auto endless = [&](const std::string& head, const std::string& piece) {
    answer_ = [this, head, piece](const auto& request) {
      server_.Write(request, head);
      server_.WriteForEver(request, piece);
    };
    Connect({.ca_data = authority_.certificate()});
    const Status status = Ask(seconds(60)).status();
    client_.reset();
    EXPECT_TRUE(loop_.RunUntil([&] { return server_.open_connections() == 0; })) << "it hangs up";
    return status;
  };
  const std::string chunk = "4000\r\n" + std::string(0x4000, ' ') + "\r\n";
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk).code(),
            Code::kResourceExhausted);
  const std::string letters(0x4000, 'x');
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\n\r\n", letters).code(), Code::kResourceExhausted);
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\nX: ", letters).code(), Code::kUnavailable);
  std::string lines;
  while (lines.size() < 0x4000) lines += "X-Line: " + std::string(100, 'y') + "\r\n";
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\n", lines).code(), Code::kUnavailable);
}

TEST_F(ApiTlsTest, BoundsTheTimeOfAReplyThatTrickles) {
  answer_ = [&](const auto& request) {
    server_.Write(request, "HTTP/1.1 200 OK\r\nX: ");
    server_.WriteForEver(request, "y", milliseconds(10));
  };
  Connect({.ca_data = authority_.certificate()});
  EXPECT_EQ(Ask(seconds(1)).status().code(), Code::kDeadlineExceeded);
}

TEST_F(ApiTlsTest, BoundsALineOfAWatch) {
  answer_ = [&](const ScriptedServer::Request& request) {
    if (request.target.find("watch=1") == std::string::npos) {
      return server_.Reply(request, 200, R"({"metadata":{"resourceVersion":"7"},"items":[]})");
    }
    server_.StartStream(request);
    server_.WriteForEver(request, "4000\r\n" + std::string(0x4000, ' ') + "\r\n");
  };
  Connect({.ca_data = authority_.certificate()});
  Status state;
  const auto watch = client_->Watch({.path = "/api/v1/nodes"},
                                    {.state = [&](const Status& news) { state = news; }});
  EXPECT_TRUE(loop_.RunUntil([&] { return state.code() == Code::kResourceExhausted; }, seconds(60)))
      << state.message();
}

}  // namespace
}  // namespace tranche::apiserver
