#include "daemon/daemon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"

namespace tranche::daemon {
namespace {

using base::Status;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DaemonTest : public ::testing::Test {
 protected:
  std::unique_ptr<Daemon> New() {
    auto daemon = std::make_unique<Daemon>(
        loop_,
        Daemon::Options{.version = "test",
                        .run_directory = dir_.path(),
                        .listen = "not an address",
                        .events_node = "n1",
                        .new_api = [this](base::EventLoop&) -> base::Result<ApiConnection> {
                          if (!api_status_.ok()) return api_status_;
                          auto client = std::make_unique<apiserver::testing::FakeApi>(loop_);
                          api_ = client.get();
                          return ApiConnection{.client = std::move(client),
                                               .default_namespace = "here"};
                        }},
        Daemon::Owner{
            .status =
                [this] {
                  ++written_;
                  return base::Json::MakeObject({{"times", written_}});
                },
            .connected = [this](apiserver::ApiClient& /*api*/,
                                const std::string& name_space) { told_.push_back(name_space); },
            .not_connected = [this](const Status& why) { told_.push_back(why.message()); }});
    daemon->endpoints().Answer("/livez", [] { return http::Answer{}; });
    return daemon;
  }
  int Run(Daemon& daemon, const std::function<void()>& script) {
    loop_.SetScript([&] {
      script();
      daemon.End(3);
    });
    return daemon.Run([this] { begun_ = true; });
  }
  void Advance(int milliseconds) { loop_.AdvanceBy(std::chrono::milliseconds(milliseconds)); }
  std::string StatusText() const {
    const auto text = base::ReadFile(base::JoinPath(dir_.path(), kStatusName), 4096);
    return text.ok() ? *text : "";
  }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  apiserver::testing::FakeApi* api_ = nullptr;
  Status api_status_;
  int written_ = 0;
  bool begun_ = false;
  std::vector<std::string> told_;
};

TEST_F(DaemonTest, LivesUntilItIsEnded) {
  const auto daemon = New();
  EXPECT_EQ(Run(*daemon,
                [&] {
                  Advance(0);
                  EXPECT_TRUE(begun_);
                  EXPECT_FALSE(daemon->ending());
                }),
            3);
  EXPECT_TRUE(daemon->ending());
}

TEST_F(DaemonTest, AnEventIsInTheStatusAndOnceConnectedOnTheNode) {
  const auto daemon = New();
  Run(*daemon, [&] {
    daemon->events().Raise(EventType::kNormal, "TookOver", "alone now");
    Advance(1000);
    EXPECT_EQ(written_, 1);
    daemon->api().Connect();
    Advance(1000);
    ASSERT_NE(api_, nullptr);
    EXPECT_THAT(told_, ElementsAre("here"));
    EXPECT_EQ(api_->Count(apiserver::Method::kPost, "/api/v1/namespaces"), 1);
    EXPECT_GT(written_, 1) << "that it is connected is in the status";
  });
  EXPECT_THAT(StatusText(), HasSubstr("times"));
  daemon->RemoveStatus();
  EXPECT_EQ(StatusText(), "");
}

TEST_F(DaemonTest, AnApiServerThatCannotBeAskedIsTold) {
  api_status_ = Status(base::Code::kUnavailable, "no token");
  const auto daemon = New();
  Run(*daemon, [&] {
    daemon->api().Connect();
    Advance(1000);
    EXPECT_THAT(told_, ElementsAre("no token"));
    EXPECT_EQ(written_, 1);
  });
}

TEST_F(DaemonTest, AnAddressThatCannotBeHadIsAnEvent) {
  const auto daemon = New();
  Run(*daemon, [&] {
    daemon->endpoints().Start();
    Advance(100);
    ASSERT_FALSE(daemon->events().events().empty());
    EXPECT_EQ(daemon->events().events().front().reason, "NoHttp");
  });
}

}  // namespace
}  // namespace tranche::daemon
