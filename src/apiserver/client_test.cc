// The whole client over real sockets: what is sent, and what becomes of what comes back.
#include "apiserver/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/file.h"
#include "base/testing/real_loop.h"
#include "http/testing/scripted_server.h"

namespace tranche::apiserver {
namespace {

using base::Code;
using base::Json;
using base::Result;
using http::testing::ScriptedServer;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

class ApiClientTest : public ::testing::Test {
 protected:
  void Connect(ApiConfig config = {}, ApiClientOptions options = {.qps = 0}) {
    config.server = server_.url();
    auto client = NewApiClient(*loop_, std::move(config), std::move(options));
    ASSERT_TRUE(client.ok()) << client.status().message();
    client_ = std::move(client).value();
  }

  Result<Json> Ask(ApiRequest request) {
    std::optional<Result<Json>> reply;
    const auto call = client_->Send(std::move(request), [&](Result<Json> r) { reply = r; });
    EXPECT_FALSE(reply.has_value()) << "called back inside the call";
    loop_.RunUntil([&] { return reply.has_value(); });
    return reply ? *reply : base::Status(Code::kUnknown, "no reply");
  }

  base::testing::RealLoop loop_;
  ScriptedServer::Handler answer_;
  ScriptedServer server_{*loop_,
                         [this](const ScriptedServer::Request& request) { answer_(request); }};
  std::unique_ptr<ApiClient> client_;
};

TEST_F(ApiClientTest, SendsWhatIsAskedAndGivesTheObject) {
  Connect({.token = " secret\n"}, {.qps = 0, .user_agent = "tranche/9"});
  answer_ = [&](const auto& request) { server_.Reply(request, 200, R"({"kind":"Node"})"); };
  const auto reply = Ask({.path = "/api/v1/nodes/n?x=1"});
  ASSERT_TRUE(reply.ok()) << reply.status().message();
  EXPECT_EQ(reply->Find("kind")->as_string(), "Node");
  const auto& request = server_.requests().at(0);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.target, "/api/v1/nodes/n?x=1");
  EXPECT_EQ(request.headers.at("authorization"), "Bearer secret");
  EXPECT_EQ(request.headers.at("user-agent"), "tranche/9");
  EXPECT_EQ(request.headers.at("accept"), "application/json");
}

TEST_F(ApiClientTest, NamesEachKindOfBody) {
  Connect();
  answer_ = [&](const auto& request) { server_.Reply(request, 200, "{}"); };
  const Json body = Json::MakeObject({{"a", 1}});
  ASSERT_TRUE(Ask({.method = Method::kPatch, .path = "/p", .body = body}).ok());
  ASSERT_TRUE(
      Ask({.method = Method::kPatch, .path = "/p", .body = body, .patch = PatchKind::kApply}).ok());
  ASSERT_TRUE(Ask({.method = Method::kPost, .path = "/p", .body = body}).ok());
  ASSERT_TRUE(Ask({.method = Method::kPut, .path = "/p", .body = body}).ok());
  ASSERT_TRUE(Ask({.method = Method::kDelete, .path = "/p"}).ok());
  std::vector<std::string> seen;
  for (const auto& request : server_.requests()) {
    const auto type = request.headers.find("content-type");
    seen.push_back(request.method + " " + (type == request.headers.end() ? "" : type->second) +
                   " " + request.body);
  }
  EXPECT_THAT(seen, ::testing::ElementsAre(R"(PATCH application/merge-patch+json {"a":1})",
                                           R"(PATCH application/apply-patch+yaml {"a":1})",
                                           R"(POST application/json {"a":1})",
                                           R"(PUT application/json {"a":1})", "DELETE  "));
  EXPECT_EQ(server_.requests().back().connection, 1) << "one connection carries them all";
}

TEST_F(ApiClientTest, TellsEachFailureByItsCode) {
  Connect();
  const std::map<std::pair<int, std::string>, Code> codes = {
      {{400, "BadRequest"}, Code::kInvalidArgument},
      {{401, "Unauthorized"}, Code::kFailedPrecondition},
      {{403, "Forbidden"}, Code::kPermissionDenied},
      {{404, "NotFound"}, Code::kNotFound},
      {{409, "AlreadyExists"}, Code::kAlreadyExists},
      {{409, "Conflict"}, Code::kAborted},
      {{410, "Expired"}, Code::kOutOfRange},
      {{413, "RequestEntityTooLarge"}, Code::kResourceExhausted},
      {{415, "UnsupportedMediaType"}, Code::kUnimplemented},
      {{422, "Invalid"}, Code::kInvalidArgument},
      {{429, "TooManyRequests"}, Code::kResourceExhausted},
      {{500, "InternalError"}, Code::kInternal},
      {{503, "ServiceUnavailable"}, Code::kUnavailable},
      {{504, "Timeout"}, Code::kDeadlineExceeded},
  };
  for (const auto& [what, code] : codes) {
    answer_ = [&, http = what.first, reason = what.second](const auto& request) {
      server_.Reply(
          request, http,
          R"({"kind":"Status","message":"the server's words","reason":")" + reason + R"("})");
    };
    const auto reply = Ask({.path = "/api/v1/nodes/n"});
    EXPECT_EQ(reply.status().code(), code) << what.first << " " << what.second;
    EXPECT_EQ(reply.status().message(), "the server's words");
  }
}

TEST_F(ApiClientTest, TellsWhatIsNotOfTheScriptedServer) {
  Connect();
  answer_ = [&](const auto& request) { server_.Reply(request, 502, "Bad\x1bGateway\nmore"); };
  EXPECT_EQ(Ask({.path = "/p"}).status(),
            base::Status(Code::kUnavailable, "the API server answered 502: Bad\\x1bGateway"));
  answer_ = [&](const auto& request) {
    server_.Reply(request, 302, "", "Location: http://127.0.0.1:1/\r\n");
  };
  EXPECT_EQ(Ask({.path = "/p"}).status().code(), Code::kFailedPrecondition);
  answer_ = [&](const auto& request) { server_.Reply(request, 200, "<html>"); };
  EXPECT_EQ(Ask({.path = "/p"}).status().code(), Code::kInternal);
  EXPECT_EQ(Ask({.path = "/p", .form = ReplyForm::kText})->as_string(), "<html>");
  answer_ = [&](const auto& request) { server_.Reply(request, 200, "[1]"); };
  EXPECT_EQ(Ask({.path = "/p"}).status().code(), Code::kInternal);
  answer_ = [&](const auto& request) { server_.HangUp(request); };
  EXPECT_EQ(Ask({.path = "/p"}).status().code(), Code::kUnavailable);
  EXPECT_EQ(Ask({.path = "/p\r\nX: y"}).status().code(), Code::kInvalidArgument);
  server_.Down();
  const auto down = Ask({.path = "/p"});
  EXPECT_EQ(down.status().code(), Code::kUnavailable);
  EXPECT_THAT(down.status().message(), HasSubstr(server_.url()));
}

TEST_F(ApiClientTest, BoundsSizeAndTime) {
  Connect();
  answer_ = [&](const auto& request) {
    server_.Reply(request, 200, std::string(kMaxReplyBytes + 1, ' '));
  };
  EXPECT_EQ(Ask({.path = "/p"}).status().code(), Code::kResourceExhausted);
  answer_ = [&](const auto& /*request*/) {};
  EXPECT_EQ(Ask({.path = "/p", .deadline = milliseconds(50)}).status().code(),
            Code::kDeadlineExceeded);
}

TEST_F(ApiClientTest, ReadsTheTokenAnewForEachRequest) {
  const base::testing::TempDir folder;
  ASSERT_TRUE(base::WriteFileAtomic(folder / "token", "one\n").ok());
  Connect({.token_file = folder / "token"});
  answer_ = [&](const auto& request) { server_.Reply(request, 200, "{}"); };
  ASSERT_TRUE(Ask({.path = "/p"}).ok());
  ASSERT_TRUE(base::WriteFileAtomic(folder / "token", "two\n").ok());
  ASSERT_TRUE(Ask({.path = "/p"}).ok());
  std::filesystem::remove(folder / "token");
  ASSERT_TRUE(Ask({.path = "/p"}).ok()) << "the last good one stays";
  EXPECT_EQ(server_.requests().at(0).headers.at("authorization"), "Bearer one");
  EXPECT_EQ(server_.requests().at(1).headers.at("authorization"), "Bearer two");
  EXPECT_EQ(server_.requests().at(2).headers.at("authorization"), "Bearer two");
}

TEST_F(ApiClientTest, CancelsWithTheCall) {
  Connect();
  int called = 0;
  ScriptedServer::Request held;
  answer_ = [&](const auto& request) { held = request; };
  auto call = client_->Send({.path = "/p"}, [&](const auto&) { ++called; });
  ASSERT_TRUE(loop_.RunUntil([&] { return held.connection != 0; }));
  call.reset();
  ASSERT_TRUE(loop_.RunUntil([&] { return server_.open_connections() == 0; })) << "it hangs up";
  // A call outlives its client, and a failure that was to be told is not.
  call = client_->Send({.path = "no path"}, [&](const auto&) { ++called; });
  client_.reset();
  loop_.RunFor(milliseconds(20));
  EXPECT_EQ(called, 0);
}

TEST_F(ApiClientTest, MayBeDestroyedByItsOwnCallback) {
  Connect();
  answer_ = [&](const auto& request) { server_.Reply(request, 200, "{}"); };
  std::unique_ptr<ApiCall> call;
  bool done = false;
  call = client_->Send({.path = "/p"}, [&](const auto&) {
    client_.reset();
    call.reset();
    done = true;
  });
  EXPECT_TRUE(loop_.RunUntil([&] { return done; }));
}

TEST_F(ApiClientTest, RefusesServersItMustNotTrust) {
  const auto code = [&](ApiConfig config) {
    return NewApiClient(*loop_, std::move(config)).status().code();
  };
  EXPECT_EQ(code({.server = "http://10.0.0.1:80"}), Code::kInvalidArgument);
  EXPECT_EQ(code({.server = "http://127.0.0.1.example.com"}), Code::kInvalidArgument);
  EXPECT_EQ(code({.server = "http://10.0.0.1:80", .plain_http = true}), Code::kOk);
  EXPECT_EQ(code({.server = "http://10.0.0.1:80", .token = "t", .plain_http = true}),
            Code::kInvalidArgument);
  EXPECT_EQ(code({.server = "ftp://127.0.0.1"}), Code::kInvalidArgument);
  EXPECT_EQ(code({.server = "https://u:p@h"}), Code::kInvalidArgument);
  EXPECT_EQ(code({.server = "https://@h"}), Code::kInvalidArgument);
  EXPECT_EQ(code({.server = "https://:p@h"}), Code::kInvalidArgument);
  EXPECT_EQ(code({.server = "https://h/a@b"}), Code::kOk);
  EXPECT_EQ(code({.server = ""}), Code::kInvalidArgument);
  EXPECT_EQ(code({.server = "https://h", .ca_file = "/nowhere"}), Code::kFailedPrecondition);
  EXPECT_EQ(code({.server = "https://h", .ca_data = "x"}), Code::kFailedPrecondition);
  EXPECT_EQ(code({.server = "https://h", .token = "a\r\nX: y"}), Code::kFailedPrecondition);
  EXPECT_EQ(code({.server = "https://h", .certificate_data = "-----BEGIN CERTIFICATE-----"}),
            Code::kFailedPrecondition);
  EXPECT_EQ(code({.server = "https://[::1]:1/prefix/"}), Code::kOk);
  EXPECT_EQ(code({.server = "http://localhost:1"}), Code::kOk);
}

TEST_F(ApiClientTest, IgnoresTheProxyOfTheEnvironment) {
  ASSERT_EQ(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
  ASSERT_EQ(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
  Connect();
  answer_ = [&](const auto& request) { server_.Reply(request, 200, "{}"); };
  EXPECT_TRUE(Ask({.path = "/p"}).ok());
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
}

// A watch over the wire: pieces of lines, a cut, and the server away and back.
TEST_F(ApiClientTest, WatchesThroughCuts) {
  Connect();
  std::vector<ScriptedServer::Request> watches;
  answer_ = [&](const ScriptedServer::Request& request) {
    if (request.target.find("watch=1") == std::string::npos) {
      server_.Reply(request, 200,
                    R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"n"}}]})");
    } else {
      watches.push_back(request);
      server_.StartStream(request);
    }
  };
  std::vector<std::string> told;
  const auto name = [](const Json& object) {
    return object.Find("metadata")->Find("name")->as_string();
  };
  auto watch = client_->Watch(
      {.path = "/api/v1/nodes", .field_selector = "metadata.name=n", .form = ReplyForm::kMetadata},
      {.listed = [&](const auto& all) { told.push_back("list " + std::to_string(all.size())); },
       .changed = [&](const Json& object) { told.push_back("+" + name(object)); },
       .removed = [&](const Json& object) { told.push_back("-" + name(object)); },
       .state = [&](const base::Status& s) { told.emplace_back(s.ok() ? "ok" : "not ok"); }});
  ASSERT_TRUE(loop_.RunUntil([&] { return watches.size() == 1 && told.size() == 2; }));
  EXPECT_EQ(server_.requests().at(0).headers.at("accept"),
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
  EXPECT_EQ(watches[0].headers.at("accept"),
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
  EXPECT_THAT(watches[0].target, HasSubstr("resourceVersion=7&"));
  EXPECT_THAT(watches[0].target, HasSubstr("allowWatchBookmarks=true"));
  EXPECT_THAT(watches[0].target, HasSubstr("fieldSelector=metadata.name%3Dn"));
  server_.Stream(watches[0], R"({"type":"MODIFIED","object":{"metadata":{"name":"a","res)");
  loop_.RunFor(milliseconds(10));
  server_.Stream(watches[0],
                 "ourceVersion\":\"8\"}}}\n{\"type\":\"DELETED\",\"object\":{\"metadata\":"
                 "{\"name\":\"b\",\"resourceVersion\":\"9\"}}}\n{\"type\":");
  ASSERT_TRUE(loop_.RunUntil([&] { return told.size() == 4; }));
  server_.HangUp(watches[0]);
  ASSERT_TRUE(loop_.RunUntil([&] { return watches.size() == 2; }));
  EXPECT_THAT(watches[1].target, HasSubstr("resourceVersion=9&"));
  server_.Down();
  loop_.RunFor(milliseconds(20));
  server_.Up();
  ASSERT_TRUE(loop_.RunUntil([&] { return watches.size() == 3; }));
  ASSERT_TRUE(loop_.RunUntil([&] { return told.back() == "ok"; }));
  EXPECT_THAT(told,
              ::testing::ElementsAre("list 1", "ok", "+a", "-b", "not ok", "ok", "not ok", "ok"));
  watch.reset();
  EXPECT_TRUE(loop_.RunUntil([&] { return server_.open_connections() == 0; }));
}

}  // namespace
}  // namespace tranche::apiserver
