// gRPC's own library on the other side: it calls our server, and our client calls its.
#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/testing/real_loop.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "rpc/unix_socket.h"

namespace tranche::rpc {
namespace {

using ::testing::ElementsAre;

constexpr std::size_t kMostBytes = 4 << 20;
// More than a window, and than a socket takes at once.
const std::string kLongText(3 << 20, 'x');
// Several frames, which a socket takes at once: where it does not, their server looks again after
// ten seconds only.
const std::string kPieces(64 << 10, 'x');

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return {&slice, 1};
}

std::string ToText(const grpc::Status& status) {
  return std::to_string(status.error_code()) + " " + status.error_message();
}

class GrpcTest : public ::testing::Test {
 protected:
  base::testing::TempDir folder_;
  std::string socket_ = folder_ / "grpc.sock";
  base::testing::RealLoop loop_;
};

// ---- its client, our server ----

class TheirClientTest : public GrpcTest {
 protected:
  // Runs `calls`, which block, beside the loop.
  void RunBesideLoop(const std::function<void(grpc::GenericStub&, grpc::CompletionQueue&)>& calls) {
    bool done = false;
    std::thread thread([&] {
      const auto channel =
          grpc::CreateInsecureChannelFromFd("ours", ConnectToUnixSocket(socket_).value().release());
      grpc::GenericStub stub(channel);
      grpc::CompletionQueue queue;
      calls(stub, queue);
      queue.Shutdown();
      (*loop_).Post([&] { done = true; });
    });
    EXPECT_TRUE(loop_.RunUntil([&] { return done; }));
    thread.join();
  }
  static grpc::Status Call(grpc::GenericStub& stub, grpc::CompletionQueue& queue,
                           const std::string& method, const std::string& request,
                           std::string* answer,
                           std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + limit);
    grpc::ByteBuffer response;
    grpc::Status status;
    const auto call = stub.PrepareUnaryCall(&context, method, ToBuffer(request), &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    if (answer != nullptr) *answer = ToString(response);
    return status;
  }

  void SetUp() override {
    server_ = Server::Start(
                  *loop_, {.socket_path = socket_, .max_request_bytes = kMostBytes},
                  [this](const std::shared_ptr<ServerCall>& call) {
                    calls_.push_back(call);
                    call->OnClosed([this] { ++closed_; });
                    const std::string& method = call->method();
                    if (method == "/t.T/Echo") call->Finish(base::Status::Ok(), call->request());
                    if (method == "/t.T/Refuse") {
                      call->Finish({base::Code::kNotFound, "no “GPU”: 100 %\n"}, "");
                    }
                    if (method == "/t.T/List") {
                      call->Send(std::make_shared<const std::string>(call->request()));
                    }
                  },
                  nullptr)
                  .value();
  }

  std::vector<std::shared_ptr<ServerCall>> calls_;
  int closed_ = 0;
  std::unique_ptr<Server> server_;
};

TEST_F(TheirClientTest, GetsAnswersOfAnyLength) {
  RunBesideLoop([&](grpc::GenericStub& stub, grpc::CompletionQueue& queue) {
    for (const std::string& text : {std::string(), std::string("a word"), kLongText}) {
      std::string answer = "none";
      EXPECT_EQ(ToText(Call(stub, queue, "/t.T/Echo", text, &answer)), "0 ");
      EXPECT_TRUE(answer == text) << answer.size();
    }
  });
  EXPECT_TRUE(loop_.RunUntil([&] { return closed_ == 3; }));
}

TEST_F(TheirClientTest, HearsWhyItIsRefused) {
  RunBesideLoop([&](grpc::GenericStub& stub, grpc::CompletionQueue& queue) {
    EXPECT_EQ(ToText(Call(stub, queue, "/t.T/Refuse", "", nullptr)), "5 no “GPU”: 100 %\n");
    EXPECT_EQ(
        Call(stub, queue, "/t.T/Echo", std::string(kMostBytes + 1, 'x'), nullptr).error_code(),
        grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_TRUE(Call(stub, queue, "/t.T/Echo", "goes on", nullptr).ok());
  });
}

TEST_F(TheirClientTest, MayGiveACallUp) {
  RunBesideLoop([&](grpc::GenericStub& stub, grpc::CompletionQueue& queue) {
    EXPECT_EQ(
        Call(stub, queue, "/t.T/Silence", "", nullptr, std::chrono::milliseconds(50)).error_code(),
        grpc::StatusCode::DEADLINE_EXCEEDED);
  });
  EXPECT_TRUE(loop_.RunUntil([&] { return closed_ == 1; }));
}

TEST_F(TheirClientTest, FollowsAStreamToItsEnd) {
  RunBesideLoop([&](grpc::GenericStub& stub, grpc::CompletionQueue& queue) {
    grpc::ClientContext context;
    const auto stream = stub.PrepareCall(&context, "/t.T/List", &queue);
    const auto wait = [&] {
      void* tag = nullptr;
      bool ok = false;
      EXPECT_TRUE(queue.Next(&tag, &ok));
      return ok;
    };
    stream->StartCall(nullptr);
    ASSERT_TRUE(wait());
    stream->WriteLast(ToBuffer(kLongText), grpc::WriteOptions(), nullptr);
    ASSERT_TRUE(wait());
    grpc::ByteBuffer message;
    stream->Read(&message, nullptr);
    ASSERT_TRUE(wait());
    EXPECT_TRUE(ToString(message) == kLongText);
    (*loop_).Post([this] { calls_[0]->Send(std::make_shared<const std::string>("another")); });
    stream->Read(&message, nullptr);
    ASSERT_TRUE(wait());
    EXPECT_EQ(ToString(message), "another");
    (*loop_).Post([this] { calls_[0]->Finish({base::Code::kAborted, "enough"}, ""); });
    stream->Read(&message, nullptr);
    EXPECT_FALSE(wait());
    grpc::Status status;
    stream->Finish(&status, nullptr);
    ASSERT_TRUE(wait());
    EXPECT_EQ(ToText(status), "10 enough");
  });
  EXPECT_EQ(closed_, 1);
}

TEST_F(TheirClientTest, HearsOfTheServersEnd) {
  RunBesideLoop([&](grpc::GenericStub& stub, grpc::CompletionQueue& queue) {
    (*loop_).Post([this] { server_.reset(); });
    EXPECT_EQ(Call(stub, queue, "/t.T/Silence", "", nullptr).error_code(),
              grpc::StatusCode::UNAVAILABLE);
  });
}

// ---- our client, its server ----

// One call to their server. "Echo" sends the request back, "Twice" does so two times, "Refuse" has
// a status with words; any other is not answered.
class Reactor final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Reactor(const std::string& method) : method_(method) { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    if (method_ == "/t.T/Refuse") return Finish({grpc::StatusCode::ALREADY_EXISTS, "“so” %\n"});
    if (method_ == "/t.T/Echo") left_ = 1;
    if (method_ == "/t.T/Twice") left_ = 2;
    Go();
  }
  void OnWriteDone(bool ok) override { ok ? Go() : Finish(grpc::Status::CANCELLED); }
  void OnCancel() override {
    if (method_ == "/t.T/Silence") Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  void Go() {
    if (left_ > 0) {
      --left_;
      StartWrite(&request_);
    } else if (method_ != "/t.T/Silence") {
      Finish(grpc::Status::OK);
    }
  }

  const std::string method_;
  int left_ = 0;
  grpc::ByteBuffer request_;
};

class TheirService final : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Reactor(context->method());
  }
};

class TheirServer {
 public:
  explicit TheirServer(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
  }
  TheirServer(const TheirServer&) = delete;
  TheirServer& operator=(const TheirServer&) = delete;
  ~TheirServer() { server_->Shutdown(std::chrono::system_clock::now()); }

 private:
  TheirService service_;
  std::unique_ptr<grpc::Server> server_;
};

class TheirServerTest : public GrpcTest {
 protected:
  base::Result<std::string> Call(const std::string& method, const std::string& request,
                                 base::Duration timeout = std::chrono::seconds(60)) {
    std::optional<base::Result<std::string>> result;
    caller_->Call(
        {.socket_path = socket_, .method = method, .request = request, .timeout = timeout},
        [&](base::Result<std::string> answer) { result = std::move(answer); });
    EXPECT_TRUE(loop_.RunUntil([&] { return result.has_value(); }));
    return *result;
  }

  std::unique_ptr<TheirServer> server_ = std::make_unique<TheirServer>(socket_);
  std::unique_ptr<Caller> caller_ = Caller::New(*loop_);
};

TEST_F(TheirServerTest, AnswersUs) {
  for (const std::string& text : {std::string(), std::string("a word"), kPieces}) {
    const auto answer = Call("/t.T/Echo", text);
    ASSERT_TRUE(answer.ok()) << answer.status().message();
    EXPECT_TRUE(*answer == text) << answer->size();
  }
}

TEST_F(TheirServerTest, RefusesUsInItsWords) {
  const base::Status status = Call("/t.T/Refuse", "").status();
  EXPECT_EQ(status.code(), base::Code::kAlreadyExists);
  EXPECT_EQ(status.message(), "“so” %\\n");
}

TEST_F(TheirServerTest, IsNotWaitedForLongerThanAsked) {
  EXPECT_EQ(Call("/t.T/Silence", "", std::chrono::milliseconds(50)).status().code(),
            base::Code::kDeadlineExceeded);
}

TEST_F(TheirServerTest, StreamsToUs) {
  const auto channel = Channel::Connect(*loop_, socket_, kMostBytes).value();
  std::vector<std::size_t> sizes;
  std::optional<base::Status> end;
  channel->Stream(
      "/t.T/Twice", kPieces, [&](const std::string& message) { sizes.push_back(message.size()); },
      [&](base::Status status) { end = std::move(status); });
  ASSERT_TRUE(loop_.RunUntil([&] { return end.has_value(); }));
  EXPECT_TRUE(end->ok());
  EXPECT_THAT(sizes, ElementsAre(kPieces.size(), kPieces.size()));
}

TEST_F(TheirServerTest, SendsMoreThanWeTake) {
  const auto channel = Channel::Connect(*loop_, socket_, 32 << 10).value();
  std::optional<base::Status> status;
  channel->Call("/t.T/Echo", kPieces, {},
                [&](const base::Result<std::string>& answer) { status = answer.status(); });
  ASSERT_TRUE(loop_.RunUntil([&] { return status.has_value(); }));
  EXPECT_EQ(status->code(), base::Code::kResourceExhausted);
}

TEST_F(TheirServerTest, GoesAway) {
  const auto channel = Channel::Connect(*loop_, socket_, kMostBytes).value();
  std::vector<base::Status> ends;
  const auto call = [&] {
    channel->Call("/t.T/Silence", "", {}, [&](const base::Result<std::string>& answer) {
      ends.push_back(answer.status());
    });
  };
  call();
  loop_.RunFor(std::chrono::milliseconds(50));
  server_.reset();
  ASSERT_TRUE(loop_.RunUntil([&] { return ends.size() == 1; }));
  call();
  ASSERT_TRUE(loop_.RunUntil([&] { return ends.size() == 2; }));
  EXPECT_EQ(ends[1].code(), base::Code::kUnavailable);
}

}  // namespace
}  // namespace tranche::rpc
