// What a client of the stand-in gets: lists, and a watch that tells what changes from then on.
#include "sim/stage/pod_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/json_read.h"
#include "base/timer.h"
#include "http/testing/client.h"

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

  http::testing::Client Get(const std::string& target) {
    const std::string config = names_->Kubeconfig();
    const std::string host = "http://127.0.0.1:";
    http::testing::Client client(std::stoi(config.substr(config.find(host) + host.size())));
    client.Send("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return client;
  }

  // What it has been sent, once that has `part` in it; or until the server has hung up.
  std::string Read(http::testing::Client client, const std::string& part) {
    return ReadOn(client, part);
  }
  std::string ReadOn(http::testing::Client& client, const std::string& part) {
    while (client.Received().find(part) == std::string::npos && !client.Closed()) {
      base::Timer turn(*loop_);
      turn.Start(std::chrono::milliseconds(1), [this] { loop_->Stop(); });
      loop_->Run();
    }
    return client.Received();
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
  http::testing::Client watch = Get("/api/v1/pods?watch=1&resourceVersion=2&timeoutSeconds=9");
  EXPECT_THAT(ReadOn(watch, "\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  ASSERT_TRUE(names_->Annotate("greedy", "tranche.dev/gpu-memory", "30Gi").ok());
  const std::string line = ReadOn(watch, "30Gi");
  EXPECT_THAT(line, HasSubstr(R"("type":"MODIFIED")"));
  EXPECT_THAT(line, HasSubstr(R"("tranche.dev/gpu-memory":"30Gi")"));
  EXPECT_THAT(line, HasSubstr(R"("resourceVersion":"3")"));
  EXPECT_THAT(Read(Get("/api/v1/pods?watch=1&resourceVersion=2"), "30Gi"), HasSubstr("MODIFIED"));
  EXPECT_EQ(names_->Annotate("nobody", "a", "b").code(), base::Code::kNotFound);
}

TEST_F(PodNamesTest, NothingElseIsServed) {
  EXPECT_THAT(Read(Get("/api/v1/nodes"), kNever), StartsWith("HTTP/1.1 404 "));
}

}  // namespace
}  // namespace tranche::sim
