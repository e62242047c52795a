// What a client of the stand-in gets: lists, and a watch that tells what changes from then on.
#include "sim/stage/pod_names.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json_read.h"
#include "base/timer.h"

namespace tranche::sim {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class PodNamesTest : public ::testing::Test {
 protected:
  PodNamesTest() {
    loop_ = std::move(*base::NewEpollLoop());
    names_ = std::move(*PodNames::Start(*loop_, "worker"));
    names_->Add({.uid = "7f3c", .name = "greedy", .container_id = "c1"});
  }

  // A client that has sent these bytes.
  base::UniqueFd Ask(const std::string& bytes) {
    const std::string config = names_->Kubeconfig();
    const std::string host = "http://127.0.0.1:";
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(
        static_cast<std::uint16_t>(std::stoi(config.substr(config.find(host) + host.size()))));
    base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    return fd;
  }
  base::UniqueFd Get(const std::string& target) {
    return Ask("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }

  void Turn() {
    base::Timer turn(*loop_);
    turn.Start(std::chrono::milliseconds(1), [this] { loop_->Stop(); });
    loop_->Run();
  }

  // What it has been sent, once that has `part` in it; or until the server has hung up.
  std::string Read(const base::UniqueFd& fd, const std::string& part) {
    std::string text;
    bool hung_up = false;
    while (!hung_up && text.find(part) == std::string::npos) {
      Turn();
      std::array<char, 4096> bytes{};
      const ssize_t got = recv(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got > 0) text.append(bytes.data(), static_cast<std::size_t>(got));
      hung_up = got == 0 || (got < 0 && errno != EAGAIN);
    }
    return text;
  }
  static constexpr char kNever[] = "\1";

  std::unique_ptr<base::EventLoop> loop_;
  std::unique_ptr<PodNames> names_;
};

base::Json BodyOf(const std::string& answer) {
  auto body = base::Json::Parse(answer.substr(answer.find("\r\n\r\n") + 4));
  return body.ok() ? std::move(*body) : base::Json();
}

TEST_F(PodNamesTest, ListsPodsAsTheApiServerDoes) {
  const std::string answer = Read(Get("/api/v1/pods?fieldSelector=spec.nodeName%3Dworker"), kNever);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  const base::Json list = BodyOf(answer);
  EXPECT_EQ(base::TextAt(list, {"metadata", "resourceVersion"}), "2");
  ASSERT_EQ(base::ItemsAt(list, "items").size(), 1U);
  const base::Json& pod = base::ItemsAt(list, "items")[0];
  EXPECT_EQ(base::TextAt(pod, {"metadata", "uid"}), "7f3c");
  EXPECT_EQ(base::TextAt(pod, {"metadata", "name"}), "greedy");
  EXPECT_EQ(base::TextAt(pod, {"metadata", "namespace"}), "default");
  EXPECT_EQ(base::TextAt(pod, {"spec", "nodeName"}), "worker");
  EXPECT_EQ(base::TextAt(base::ItemsAt(pod, {"status", "containerStatuses"})[0], "containerID"),
            "containerd://c1");
}

TEST_F(PodNamesTest, AWatchTellsOfAnnotationsAndOfWhatItsClientHasMissed) {
  const base::UniqueFd watch = Get("/api/v1/pods?watch=1&resourceVersion=2&timeoutSeconds=9");
  EXPECT_THAT(Read(watch, "\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  ASSERT_TRUE(names_->Annotate("greedy", "tranche.dev/gpu-memory", "30Gi").ok());
  const std::string line = Read(watch, "\n");
  EXPECT_THAT(line, HasSubstr(R"("type":"MODIFIED")"));
  EXPECT_THAT(line, HasSubstr(R"("tranche.dev/gpu-memory":"30Gi")"));
  EXPECT_THAT(line, HasSubstr(R"("resourceVersion":"3")"));
  EXPECT_THAT(Read(Get("/api/v1/pods?watch=1&resourceVersion=2"), "30Gi"), HasSubstr("MODIFIED"));
  EXPECT_EQ(names_->Annotate("nobody", "a", "b").code(), base::Code::kNotFound);
}

TEST_F(PodNamesTest, NothingElseIsServedAndNobodyMayAskAtLength) {
  EXPECT_THAT(Read(Get("/api/v1/nodes"), kNever), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Read(Ask("POST /api/v1/pods HTTP/1.1\r\n\r\n"), kNever), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Read(Ask("\r\n\r\n"), kNever), StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(Read(Ask(std::string(20000, 'x')), kNever), "");
  // Whoever keeps connections open makes room for who comes.
  std::vector<base::UniqueFd> idle;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(Ask("GET "));
    Turn();
  }
  EXPECT_THAT(Read(Get("/api/v1/pods"), kNever), HasSubstr("greedy"));
}

}  // namespace
}  // namespace tranche::sim
