// The door under callers that mean it no good.
#include "node/walls/door.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/syscall.h>

#include <thread>

#include "node/walls/testing/door_bed.h"

namespace tranche::node::walls {
namespace {

constexpr char kPod[] = "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0001";

class DoorTest : public testing::DoorBed {
 protected:
  DoorTest() {
    proc_.Put(getpid(), kPod);
    Open();
  }
  int Connect() {
    connected_.emplace_back(testing::Connect(Socket()));
    return connected_.back().get();
  }
  bool Ended(int fd) {
    char byte = 0;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
  }
  void ExpectServes() {
    const wire::Hello hello{.header = {wire::kMagic, wire::kVersion, wire::Kind::kHello}};
    const int fd = Connect();
    send(fd, &hello, sizeof hello, MSG_NOSIGNAL);
    wire::HelloAnswer answer{};
    EXPECT_TRUE(loop_.RunUntil(
        [&] { return recv(fd, &answer, sizeof answer, MSG_DONTWAIT) == sizeof answer; }));
    EXPECT_EQ(answer.status, wire::Status::kOk);
    EXPECT_THAT(answered_, ::testing::Contains(kPod));
  }

  std::vector<base::UniqueFd> connected_;
};

TEST_F(DoorTest, ServesAPod) { ExpectServes(); }

TEST_F(DoorTest, PacketsThatBreakTheRulesEndTheirConnectionOnly) {
  std::string packet(wire::kMaxMessageBytes * 4, 'x');
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, sizeof(wire::Hello),
                                 wire::kMaxMessageBytes + 1, packet.size()}) {
    const int fd = Connect();
    send(fd, packet.data(), size, MSG_NOSIGNAL);
    wire::HelloAnswer answer{};
    EXPECT_TRUE(loop_.RunUntil(
        [&] { return recv(fd, &answer, sizeof answer, MSG_DONTWAIT) == sizeof answer; }));
    EXPECT_EQ(answer.status, wire::Status::kRefused);
  }
  EXPECT_EQ(door_.counts().malformed, 5U);
  EXPECT_EQ(door_.connections(), 0U);
  ExpectServes();
}

TEST_F(DoorTest, AnUnknownVersionIsAnsweredSoftly) {
  const wire::Header header{wire::kMagic, wire::kVersion + 1, wire::Kind::kHello};
  const int fd = Connect();
  send(fd, &header, sizeof header, MSG_NOSIGNAL);
  wire::HelloAnswer answer{};
  EXPECT_TRUE(loop_.RunUntil(
      [&] { return recv(fd, &answer, sizeof answer, MSG_DONTWAIT) == sizeof answer; }));
  EXPECT_EQ(answer.status, wire::Status::kUnknownVersion);
  EXPECT_EQ(answer.header.version, wire::kVersion);
}

TEST_F(DoorTest, OnePodHasOnlySoManyConnectionsAndASlowOneIsEnded) {
  std::vector<int> fds;
  for (std::size_t i = 0; i < Door::kMaxOfPod * 2; ++i) {
    fds.push_back(Connect());
    // The queue of the socket is shorter than this.
    ASSERT_TRUE(
        loop_.RunUntil([&] { return door_.counts().accepted + door_.counts().too_many == i + 1; }));
  }
  EXPECT_EQ(door_.connections(), Door::kMaxOfPod);
  EXPECT_EQ(door_.counts().too_many, Door::kMaxOfPod);
  EXPECT_TRUE(Ended(fds.back()));
  // Nothing is sent by any of them.
  still_.Advance(Door::kPatience);
  EXPECT_TRUE(loop_.RunUntil([&] { return door_.connections() == 0; }));
  EXPECT_EQ(door_.counts().slow, Door::kMaxOfPod);
  ExpectServes();
}

TEST_F(DoorTest, ThousandsOfConnectionsLeaveNothingBehind) {
  const int before = base::testing::OpenFiles();
  for (std::uint64_t i = 1; i <= 3000; ++i) {
    close(testing::Connect(Socket()));
    if (i % 50 != 0) continue;
    ASSERT_TRUE(
        loop_.RunUntil([&] { return door_.counts().accepted + door_.counts().too_many == i; }));
  }
  EXPECT_TRUE(loop_.RunUntil([&] { return door_.connections() == 0; }));
  EXPECT_EQ(base::testing::OpenFiles(), before);
  ExpectServes();
}

TEST_F(DoorTest, DescriptorsThatACallerSendsAreNotTaken) {
  const int fd = Connect();
  const int before = base::testing::OpenFiles();
  const wire::Hello hello{.header = {wire::kMagic, wire::kVersion, wire::Kind::kHello}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{.iov_base = const_cast<wire::Hello*>(&hello), .iov_len = sizeof hello};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  ASSERT_GT(sendmsg(fd, &message, MSG_NOSIGNAL), 0);
  wire::HelloAnswer answer{};
  EXPECT_TRUE(loop_.RunUntil(
      [&] { return recv(fd, &answer, sizeof answer, MSG_DONTWAIT) == sizeof answer; }));
  EXPECT_LE(base::testing::OpenFiles(), before);
}

struct Turns {  // struct sched_attr
  std::uint32_t size, policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime, deadline, period;
};
Turns TurnsNow() {
  Turns turns{};
  EXPECT_EQ(syscall(SYS_sched_getattr, 0, &turns, sizeof turns, 0), 0);
  return turns;
}

TEST_F(DoorTest, ItsThreadHasShortTurnsAndIsAskedForNothingElse) {
  std::thread([this] {
    Turns before = TurnsNow();
    ASSERT_EQ(before.policy, static_cast<unsigned>(SCHED_OTHER));
    // Kernels that know of turns say what was asked for.
    before.size = sizeof before;
    before.runtime = 700'000;
    ASSERT_EQ(syscall(SYS_sched_setattr, 0, &before, 0), 0);
    const bool known = TurnsNow().runtime == before.runtime;
    Door other(*loop_, *real_proc_, [](auto, auto&, const auto&) {});
    EXPECT_TRUE(other.Open(dir_.path() + "/other").ok());
    const Turns now = TurnsNow();
    EXPECT_TRUE(!known || std::chrono::nanoseconds(now.runtime) == Door::kTurn) << now.runtime;
    EXPECT_EQ(now.policy, before.policy);
    EXPECT_EQ(now.nice, before.nice);
  }).join();
}

TEST_F(DoorTest, APacketThatIsThereIsAnsweredAsSoonAsItsCallerIsLetIn) {
  // All of them before the door looks once: it takes one turn of the loop, and no more.
  const wire::Hello hello{.header = {wire::kMagic, wire::kVersion, wire::Kind::kHello}};
  std::vector<int> fds;
  for (int i = 0; i < 20; ++i) {
    fds.push_back(Connect());
    send(fds.back(), &hello, sizeof hello, MSG_NOSIGNAL);
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return door_.counts().accepted > 0; }));
  EXPECT_EQ(door_.counts().accepted, 20U);
  EXPECT_EQ(door_.connections(), 0U);
  wire::HelloAnswer answer{};
  for (const int fd : fds) {
    EXPECT_EQ(recv(fd, &answer, sizeof answer, MSG_DONTWAIT), ssize_t{sizeof answer});
  }
  // One that has not sent it yet is waited for.
  const int late = Connect();
  ASSERT_TRUE(loop_.RunUntil([&] { return door_.counts().accepted == 21; }));
  EXPECT_EQ(door_.connections(), 1U);
  send(late, &hello, sizeof hello, MSG_NOSIGNAL);
  ASSERT_TRUE(loop_.RunUntil([&] { return door_.connections() == 0; }));
  EXPECT_EQ(recv(late, &answer, sizeof answer, MSG_DONTWAIT), ssize_t{sizeof answer});
}

TEST_F(DoorTest, AReplacedSocketServesAgain) {
  EXPECT_TRUE(Door(*loop_, *real_proc_, [](auto, auto&, const auto&) {}).Open(dir_.path()).ok());
}

}  // namespace
}  // namespace tranche::node::walls
