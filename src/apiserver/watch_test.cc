// The watch and the rate limit in virtual time, over a transport the test answers for.
#include "apiserver/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/throttle.h"
#include "apiserver/watch_lines.h"
#include "base/testing/fake_loop.h"

namespace tranche::apiserver {
namespace {

using base::Code;
using base::Json;
using base::Status;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FakeTransport final : public HttpTransport {
 public:
  struct Exchange {
    HttpRequest request;
    HttpOwner owner;
    bool open = true;
  };
  std::unique_ptr<HttpTransfer> Start(HttpRequest request, HttpOwner owner) override {
    auto exchange = std::make_shared<Exchange>(
        Exchange{.request = std::move(request), .owner = std::move(owner)});
    exchanges.push_back(exchange);
    class Transfer final : public HttpTransfer {
     public:
      explicit Transfer(std::shared_ptr<Exchange> e) : exchange_(std::move(e)) {}
      Transfer(const Transfer&) = delete;
      Transfer& operator=(const Transfer&) = delete;
      ~Transfer() override { exchange_->open = false; }

     private:
      std::shared_ptr<Exchange> exchange_;
    };
    return std::make_unique<Transfer>(exchange);
  }
  Exchange& last() { return *exchanges.back(); }
  std::vector<std::shared_ptr<Exchange>> exchanges;
};

class ApiWatchTest : public ::testing::Test {
 protected:
  void Begin() {
    watch_ = NewApiWatch(
        loop_, transport_, [] { return 0.5; }, {.path = "/api/v1/nodes"},
        {.listed =
             [this](const auto& all) { told_.push_back("list" + std::to_string(all.size())); },
         .changed = [this](const Json&) { told_.emplace_back("changed"); },
         .removed = [this](const Json&) { told_.emplace_back("removed"); },
         .state = [this](const Status& s) { told_.emplace_back(s.ok() ? "ok" : "bad"); }});
    loop_.AdvanceBy({});
  }
  void Answer(int code, const std::string& body, base::Duration retry_after = {}) {
    const auto exchange = transport_->exchanges.back();
    exchange->owner.done(HttpReply{code, retry_after, body});
    loop_.AdvanceBy({});
  }
  void Cut() {
    const auto exchange = transport_->exchanges.back();
    exchange->owner.done(Status(Code::kUnavailable, "cut"));
    loop_.AdvanceBy({});
  }
  void Data(const std::string& bytes) {
    const auto exchange = transport_->exchanges.back();
    exchange->owner.data(bytes);
    loop_.AdvanceBy({});
  }
  void OpenedWatch() {
    Begin();
    Answer(200, R"({"metadata":{"resourceVersion":"5"},"items":null})");
    Open();
  }
  void Open() { transport_->last().owner.opened(); }
  [[nodiscard]] std::string Path() const { return transport_->last().request.path; }
  [[nodiscard]] std::size_t Count() const { return transport_->exchanges.size(); }

  base::testing::FakeLoop loop_;
  std::shared_ptr<FakeTransport> transport_ = std::make_shared<FakeTransport>();
  std::vector<std::string> told_;
  std::unique_ptr<ApiWatch> watch_;
};

TEST_F(ApiWatchTest, ReadsAListPageByPage) {
  Begin();
  EXPECT_EQ(Path(), "/api/v1/nodes?limit=500");
  Answer(200, R"({"metadata":{"resourceVersion":"5","continue":"a+b"},"items":[{},{}]})");
  EXPECT_THAT(Path(), HasSubstr("&continue=a%2Bb"));
  EXPECT_TRUE(told_.empty());
  Answer(200, R"({"metadata":{"resourceVersion":"5"},"items":[{}]})");
  EXPECT_THAT(told_, ElementsAre("list3"));
  EXPECT_THAT(Path(), HasSubstr("resourceVersion=5&timeoutSeconds=450"));
}

constexpr char kBookmark[] =
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"40\"}}}\n";

TEST_F(ApiWatchTest, GoesOnFromABookmark) {
  OpenedWatch();
  Data(kBookmark);
  loop_.AdvanceBy(seconds(450));
  Answer(200, "");  // ended in its time: no wait, and nobody is told
  EXPECT_THAT(Path(), HasSubstr("resourceVersion=40&"));
  EXPECT_THAT(told_, ElementsAre("list0", "ok"));
}

TEST_F(ApiWatchTest, ListsAgainWhereTheVersionIsGone) {
  OpenedWatch();
  Data(
      "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"6\"}}}\n"
      "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n");
  EXPECT_EQ(Path(), "/api/v1/nodes?limit=500");
  Answer(200, R"({"metadata":{"resourceVersion":"9"},"items":[{}]})");
  Answer(410, R"({"kind":"Status","code":410})");  // at once, of a list's own version: with a wait
  const std::size_t count = Count();
  loop_.AdvanceBy(milliseconds(400));
  EXPECT_EQ(Count(), count);
  loop_.AdvanceBy(milliseconds(200));
  EXPECT_EQ(Path(), "/api/v1/nodes?limit=500");
  EXPECT_THAT(told_, ElementsAre("list0", "ok", "changed", "list1", "bad"));
}

TEST_F(ApiWatchTest, ListsAgainAfterWhatItCannotRead) {
  for (const std::string& junk :
       {std::string("garbage\n"), std::string("{\"type\":\"ADDED\",\"object\":{}}\n"),
        std::string(kMaxWatchLineBytes + 1, ' ')}) {
    transport_->exchanges.clear();
    OpenedWatch();
    Data(junk);
    EXPECT_FALSE(transport_->last().open);
    loop_.AdvanceBy(seconds(1));
    EXPECT_EQ(Path(), "/api/v1/nodes?limit=500");
  }
}

TEST_F(ApiWatchTest, BacksOffTo30SecondsAndHeedsRetryAfter) {
  Begin();
  for (const int wait : {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000}) {
    Cut();
    const std::size_t count = Count();
    loop_.AdvanceBy(milliseconds(wait - 1));
    EXPECT_EQ(Count(), count) << wait;
    loop_.AdvanceBy(milliseconds(1));
    EXPECT_EQ(Count(), count + 1) << wait;
  }
  Answer(429, "", seconds(60));
  const std::size_t count = Count();
  loop_.AdvanceBy(seconds(59));
  EXPECT_EQ(Count(), count);
  loop_.AdvanceBy(seconds(1));
  EXPECT_EQ(Count(), count + 1);
}

TEST_F(ApiWatchTest, ListsAWhileAfterACutWhateverTheServerSays) {
  for (const bool speaks : {false, true}) {
    transport_->exchanges.clear();
    OpenedWatch();
    loop_.AdvanceBy(seconds(20));
    Cut();
    loop_.AdvanceBy(seconds(1));
    EXPECT_THAT(Path(), HasSubstr("resourceVersion=5&"));
    Open();
    // It may have gone back in time and caught up: what came between is not told.
    if (speaks) Data(kBookmark);
    loop_.AdvanceBy(seconds(44));
    EXPECT_THAT(Path(), HasSubstr("watch=1"));
    loop_.AdvanceBy(seconds(2));
    EXPECT_EQ(Path(), "/api/v1/nodes?limit=500");
    Answer(200, R"({"metadata":{"resourceVersion":"9"},"items":[{}]})");
    Open();
    loop_.AdvanceBy(seconds(200));
    EXPECT_THAT(Path(), HasSubstr("resourceVersion=9&")) << "once is enough";
  }
}

TEST_F(ApiWatchTest, CutsInARowDoNotPutOffTheList) {
  OpenedWatch();
  for (int i = 0; i < 4; ++i) {
    loop_.AdvanceBy(seconds(11));
    Cut();
    loop_.AdvanceBy(seconds(1));
    Open();
  }
  loop_.AdvanceBy(seconds(8));
  EXPECT_THAT(Path(), HasSubstr("watch=1"));
  loop_.AdvanceBy(seconds(2));
  EXPECT_EQ(Path(), "/api/v1/nodes?limit=500");
}

TEST(ThrottleTest, LetsABurstThroughAndThenSoManyASecond) {
  base::testing::FakeLoop loop;
  auto owned = std::make_unique<FakeTransport>();
  FakeTransport& transport = *owned;
  const auto throttle = NewThrottle(loop, std::move(owned), 5, 3);
  std::vector<std::unique_ptr<HttpTransfer>> transfers;
  int late = 0;
  for (int i = 0; i < 8; ++i) {
    transfers.push_back(throttle->Start(
        {.path = std::to_string(i), .deadline = i == 7 ? milliseconds(300) : seconds(10)},
        {.done = [&](const auto& r) { late += r.status().code() == Code::kDeadlineExceeded; }}));
  }
  EXPECT_EQ(transport.exchanges.size(), 3U);
  transfers[3].reset();  // cancelled while it waits
  loop.AdvanceBy(milliseconds(201));
  EXPECT_EQ(transport.last().request.path, "4");
  loop.AdvanceBy(seconds(2));
  EXPECT_EQ(transport.exchanges.size(), 6U);
  EXPECT_EQ(transport.last().request.path, "6");
  EXPECT_EQ(late, 1);
}

}  // namespace
}  // namespace tranche::apiserver
