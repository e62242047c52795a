#include "apiserver/testing/fake_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/testing/object_patch.h"
#include "base/json_read.h"
#include "base/testing/fake_loop.h"

namespace tranche::apiserver::testing {
namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
using base::TextAt;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kNode[] = "/api/v1/nodes/gpu-node";

Json Object(std::string_view text) {
  Result<Json> parsed = Json::Parse(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : Json();
}

class FakeApiTest : public ::testing::Test {
 protected:
  Result<Json> Ask(ApiRequest request) {
    Result<Json> answer = Status(Code::kUnknown, "not answered");
    const auto call = api_.Send(std::move(request), [&](Result<Json> got) { answer = got; });
    EXPECT_EQ(answer.status().code(), Code::kUnknown) << "answered inside the call";
    loop_.RunPosted();
    return answer;
  }
  std::unique_ptr<ApiWatch> Watch(WatchSpec spec) {
    return api_.Watch(
        std::move(spec),
        {.listed =
             [this](const Json::Array& all) {
               seen_.push_back("list " + std::to_string(all.size()));
             },
         .changed =
             [this](const Json& o) {
               seen_.push_back("+" + TextAt(o, {"metadata", "name"}));
             },
         .removed =
             [this](const Json& o) {
               seen_.push_back("-" + TextAt(o, {"metadata", "name"}));
             },
         .state = [this](const Status& s) { seen_.push_back(s.ok() ? "in sync" : s.message()); }});
  }
  std::vector<std::string> Seen() {
    loop_.RunPosted();
    return std::exchange(seen_, {});
  }

  base::testing::FakeLoop loop_;
  FakeApi api_{loop_};
  std::vector<std::string> seen_;
};

TEST_F(FakeApiTest, AnObjectIsCreatedReadPatchedAndDeletedOnce) {
  const std::string maps = "/api/v1/namespaces/gpu/configmaps";
  const Json body = Object(R"({"metadata":{"name":"c"},"data":{"a":"1","b":"2"}})");
  EXPECT_TRUE(Ask({.method = Method::kPost, .path = maps, .body = body}).ok());
  EXPECT_EQ(Ask({.method = Method::kPost, .path = maps, .body = body}).status().code(),
            Code::kAlreadyExists);
  const Result<Json> merged = Ask({.method = Method::kPatch,
                                   .path = maps + "/c?fieldManager=x",
                                   .body = Object(R"({"data":{"a":null,"b":"3"}})")});
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(*merged->Find("data"), Object(R"({"b":"3"})"));
  EXPECT_EQ(TextAt(*merged, {"metadata", "namespace"}), "gpu");
  EXPECT_TRUE(Ask({.method = Method::kDelete, .path = maps + "/c"}).ok());
  EXPECT_EQ(Ask({.path = maps + "/c"}).status().code(), Code::kNotFound);
}

TEST_F(FakeApiTest, AVersionChangesOnlyWithTheObjectAndGuardsIt) {
  api_.Put(kNode, Object(R"({"spec":{"a":"1"}})"));
  const std::string version = TextAt(*api_.Find(kNode), {"metadata", "resourceVersion"});
  api_.Put(kNode, Object(R"({"spec":{"a":"1"}})"));
  EXPECT_EQ(TextAt(*api_.Find(kNode), {"metadata", "resourceVersion"}), version);
  Json stale = *api_.Find(kNode);
  api_.PutLabel(kNode, "x", "y");
  EXPECT_EQ(Ask({.method = Method::kPut, .path = kNode, .body = stale}).status().code(),
            Code::kAborted);
  EXPECT_TRUE(MatchesLabels(*api_.Find(kNode), "x=y,x in (y,z),!w,w!=1,x,x notin (a)"));
  EXPECT_FALSE(MatchesLabels(*api_.Find(kNode), "x=y,w"));
}

TEST_F(FakeApiTest, AWatchSeesItsSelectionOnly) {
  api_.PutLabel(kNode, "in", "1");
  const auto watch = Watch({.path = "/api/v1/nodes",
                            .field_selector = "metadata.name=gpu-node",
                            .label_selector = "in=1",
                            .form = ReplyForm::kMetadata});
  EXPECT_THAT(Seen(), ElementsAre("list 1", "in sync"));
  api_.PutLabel("/api/v1/nodes/other", "in", "1");
  EXPECT_THAT(Seen(), IsEmpty());
  api_.PutLabel(kNode, "more", "");
  EXPECT_THAT(Seen(), ElementsAre("+gpu-node"));
  api_.PutLabel(kNode, "in", std::nullopt);
  EXPECT_THAT(Seen(), ElementsAre("-gpu-node"));
  api_.Remove(kNode);
  EXPECT_THAT(Seen(), IsEmpty());
}

TEST_F(FakeApiTest, AWatchSurvivesAnAbsenceA403AndA410) {
  const auto watch = Watch({.path = "/api/v1/configmaps", .field_selector = "metadata.name=c"});
  EXPECT_THAT(Seen(), ElementsAre("list 0", "in sync"));
  api_.SetAway(true);
  EXPECT_THAT(Seen(), ElementsAre("connection refused"));
  api_.Put("/api/v1/namespaces/n/configmaps/c", Object("{}"));
  loop_.AdvanceBy(3 * FakeApi::kWatchRetry);
  EXPECT_THAT(Seen(), IsEmpty());
  api_.SetAway(false);
  loop_.AdvanceBy(FakeApi::kWatchRetry);
  EXPECT_THAT(Seen(), ElementsAre("list 1", "in sync"));
  api_.Deny(Method::kGet, "/api/v1/configmaps");
  EXPECT_THAT(Seen(), ElementsAre("/api/v1/configmaps is forbidden"));
  api_.StopFailing();
  loop_.AdvanceBy(FakeApi::kWatchRetry);
  api_.Expire();
  EXPECT_THAT(Seen(), ElementsAre("list 1", "in sync", "list 1"));
}

TEST_F(FakeApiTest, ApplyKeepsToItsOwnFields) {
  api_.PutLabel(kNode, "theirs", "1");
  const auto apply = [this](std::string_view labels, const std::string& query) {
    return Ask(
        {.method = Method::kPatch,
         .path = kNode + std::string("?fieldManager=us") + query,
         .body = Json::MakeObject({{"apiVersion", "v1"},
                                   {"kind", "Node"},
                                   {"metadata", Json::MakeObject({{"labels", Object(labels)}})}}),
         .patch = PatchKind::kApply});
  };
  EXPECT_TRUE(apply(R"({"a/b":"1","c":"2"})", "").ok());
  EXPECT_TRUE(apply(R"({"c":"3"})", "").ok());
  EXPECT_EQ(*api_.Find(kNode)->Find("metadata")->Find("labels"),
            Object(R"({"theirs":"1","c":"3"})"));
  EXPECT_EQ(apply(R"({"c":"3","theirs":"2"})", "").status().code(), Code::kAborted);
  EXPECT_TRUE(apply(R"({"c":"3","theirs":"2"})", "&force=true").ok());
  EXPECT_TRUE(apply("{}", "").ok());
  EXPECT_EQ(*api_.Find(kNode)->Find("metadata")->Find("labels"), Object("{}"));
}

TEST_F(FakeApiTest, FaultsAreAsOrdered) {
  api_.Fail(Method::kPost, "/api/v1/namespaces/n/events", {Code::kResourceExhausted, "slow"}, 1);
  const ApiRequest post{.method = Method::kPost,
                        .path = "/api/v1/namespaces/n/events",
                        .body = Object(R"({"metadata":{"generateName":"e."}})")};
  EXPECT_EQ(Ask(post).status().code(), Code::kResourceExhausted);
  EXPECT_TRUE(Ask(post).ok());
  EXPECT_EQ(api_.Count(Method::kPost, "/api/v1/namespaces/n"), 2);
  api_.SetServed("/apis/nvidia.com/v1/clusterpolicies", false);
  EXPECT_EQ(Ask({.path = "/apis/nvidia.com/v1/clusterpolicies/x"}).status().code(),
            Code::kNotFound);
  api_.SetHanging(true);
  Result<Json> late = Status(Code::kUnknown, "");
  const auto call = api_.Send({.path = kNode}, [&](Result<Json> got) { late = got; });
  auto cancelled = api_.Send({.path = kNode}, [](const Result<Json>&) { FAIL(); });
  cancelled.reset();
  loop_.AdvanceBy(std::chrono::seconds(10));
  EXPECT_EQ(late.status().code(), Code::kDeadlineExceeded);
}

}  // namespace
}  // namespace tranche::apiserver::testing
