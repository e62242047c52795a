// The door under callers of several pods that mean to keep another pod out, or to pass for it.
// docs/security.md has them in a table.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <array>
#include <thread>

#include "node/walls/testing/arbiter_bed.h"
#include "node/walls/testing/door_bed.h"

namespace tranche::node::walls {
namespace {

using testing::kModest;
using testing::Order;
using testing::Program;

constexpr wire::Hello kHello{.header = {wire::kMagic, wire::kVersion, wire::Kind::kHello}};
constexpr int kMostDescriptors = 253;  // in one packet, SCM_MAX_FD

std::string Pod(unsigned number) {
  return "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f1" + std::to_string(100 + number);
}

// Sends a packet with so many descriptors; whether the kernel took it.
bool SendRights(int to, const void* packet, std::size_t size, int count) {
  std::array<int, kMostDescriptors> fds;
  fds.fill(to);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  iovec part{.iov_base = const_cast<void*>(packet), .iov_len = size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(static_cast<std::size_t>(count) * sizeof(int));
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(static_cast<std::size_t>(count) * sizeof(int));
  std::memcpy(CMSG_DATA(rights), fds.data(), static_cast<std::size_t>(count) * sizeof(int));
  return sendmsg(to, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

class DoorHostileTest : public testing::DoorBed {
 protected:
  DoorHostileTest() : DoorBed({0, 0}) {}
  std::uint64_t Seen() const {
    const DoorCounts& counts = door_.counts();
    return counts.accepted + counts.strangers + counts.too_many;
  }
  // Connects as a program of the pod, and waits until the door has seen it.
  base::UniqueFd Connect(const std::string& pod) {
    proc_.Put(getpid(), pod);
    const std::uint64_t before = Seen();
    base::UniqueFd fd(testing::Connect(Socket()));
    EXPECT_TRUE(loop_.RunUntil([&] { return Seen() > before; }));
    return fd;
  }
  bool Answers(const base::UniqueFd& fd) {
    if (send(fd.get(), &kHello, sizeof kHello, MSG_NOSIGNAL) < 0) return false;
    wire::HelloAnswer answer{};
    ssize_t got = -1;
    loop_.RunUntil([&] {
      got = recv(fd.get(), &answer, sizeof answer, MSG_DONTWAIT);
      return got >= 0 || errno != EAGAIN;
    });
    return got == sizeof answer;
  }
  bool Serves(const std::string& pod) {
    return Answers(Connect(pod)) && !answered_.empty() && answered_.back() == pod;
  }
};

TEST_F(DoorHostileTest, PodsThatTakeAllPlacesTogetherKeepNobodyOut) {
  constexpr std::size_t kMost = 64;
  Open(kMost);
  std::vector<base::UniqueFd> held;
  for (unsigned i = 0; i < kMost * 4; ++i) held.push_back(Connect(Pod(i % 8)));
  EXPECT_EQ(door_.connections(), kMost);
  EXPECT_TRUE(Serves(kModest));
  EXPECT_LE(door_.connections(), kMost);
  // Among pods that have the same nobody is put out for another.
  std::vector<base::UniqueFd> more;
  more.push_back(Connect(Pod(0)));
  const std::uint64_t before = door_.counts().accepted;
  for (unsigned i = 0; i < 8; ++i) more.push_back(Connect(Pod(i)));
  EXPECT_EQ(door_.counts().accepted, before);
}

TEST_F(DoorHostileTest, HundredsOfPacketsFullOfDescriptors) {
  Open();
  const int files = base::testing::OpenFiles();
  for (int i = 0; i < 300; ++i) {
    const base::UniqueFd fd = Connect(Pod(0));
    const bool whole = i % 2 == 0;
    ASSERT_TRUE(SendRights(fd.get(), &kHello, whole ? sizeof kHello : 9, kMostDescriptors));
    SendRights(fd.get(), "x", 1, kMostDescriptors);
    ASSERT_TRUE(loop_.RunUntil([&] { return door_.connections() == 0; }));
  }
  EXPECT_EQ(answered_.size(), 150U);
  EXPECT_EQ(base::testing::OpenFiles(), files);
  EXPECT_TRUE(Serves(kModest));
}

TEST_F(DoorHostileTest, WithoutDescriptorsItWaitsAndGoesOn) {
  Open();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // So many of its own that what the door needs for one caller is not there.
  std::vector<base::UniqueFd> waiting;
  waiting.reserve(100);
  for (int i = 0; i < 100; ++i) waiting.emplace_back(testing::Connect(Socket()));
  proc_.Put(getpid(), Pod(0));
  const rlimit none{.rlim_cur = static_cast<rlim_t>(waiting.back().get() + 1),
                    .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_TRUE(loop_.RunUntil([&] { return door_.counts().too_many > 2; }));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(loop_.RunUntil([&] { return door_.counts().accepted > 0; }));
  waiting.clear();
  EXPECT_TRUE(loop_.RunUntil([&] { return door_.connections() == 0; }));
  EXPECT_TRUE(Serves(kModest));
}

// The one that connected is gone, and who has its end now sends on it.
TEST_F(DoorHostileTest, WhoConnectedAndEndedIsNobody) {
  Open();
  std::vector<base::UniqueFd> ends;
  for (int i = 0; i < 100; ++i) {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    const pid_t parent = fork();
    if (parent == 0) {
      const int fd = testing::Connect(Socket());
      // The child has it when its parent ends.
      if (fork() == 0) {
        char go = 0;
        recv(pair[1], &go, 1, 0);
        send(fd, &kHello, sizeof kHello, MSG_NOSIGNAL);
        wire::HelloAnswer answer{};
        go = recv(fd, &answer, sizeof answer, 0) > 0 ? 'y' : 'n';
        send(pair[1], &go, 1, MSG_NOSIGNAL);
      }
      _exit(0);
    }
    close(pair[1]);
    const base::UniqueFd orders(pair[0]);
    waitpid(parent, nullptr, 0);
    proc_.Put(parent, kModest);  // the pid is another pod's from now on, as far as /proc goes
    const std::uint64_t before = Seen();
    ASSERT_TRUE(loop_.RunUntil([&] { return Seen() > before; }));
    send(orders.get(), "g", 1, MSG_NOSIGNAL);
    char said = 0;
    ASSERT_TRUE(loop_.RunUntil([&] { return recv(orders.get(), &said, 1, MSG_DONTWAIT) == 1; }));
    ASSERT_EQ(said, 'n');
  }
  EXPECT_EQ(door_.counts().strangers, 100U);
  EXPECT_TRUE(answered_.empty());
  EXPECT_TRUE(Serves(kModest));
}

TEST_F(DoorHostileTest, AProgramThatHasThePidOfTheOneThatConnectedIsNotTakenForIt) {
  Open();
  for (int i = 0; i < 100; ++i) {
    const pid_t attacker = fork();
    if (attacker == 0) {
      const int fd = testing::Connect(Socket());
      send(fd, &kHello, sizeof kHello, MSG_NOSIGNAL);
      if (fork() == 0) {  // who keeps the connection open
        char byte = 0;
        recv(fd, &byte, 1, 0);
      }
      _exit(0);
    }
    waitpid(attacker, nullptr, 0);
    const Program victim(proc_, kModest, Socket(), attacker);
    if (victim.pid() == 0) GTEST_SKIP() << "a pid cannot be chosen here";
    const std::uint64_t before = Seen();
    ASSERT_TRUE(loop_.RunUntil([&] { return Seen() > before; }));
    ASSERT_TRUE(answered_.empty()) << "the victim's pages were given away";
  }
  EXPECT_EQ(door_.counts().strangers, 100U);
}

// In the same pod it is nothing: whoever has the connection gets pages that it could have anyway.
TEST_F(DoorHostileTest, AForkBetweenConnectingAndSendingIsThePodsOwnBusiness) {
  Open();
  for (int i = 0; i < 100; ++i) {
    base::UniqueFd fd = Connect(Pod(3));
    const pid_t child = fork();
    if (child == 0) {
      send(fd.get(), &kHello, sizeof kHello, MSG_NOSIGNAL);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
    wire::HelloAnswer answer{};
    ASSERT_TRUE(loop_.RunUntil(
        [&] { return recv(fd.get(), &answer, sizeof answer, MSG_DONTWAIT) == sizeof answer; }));
    ASSERT_EQ(answered_.back(), Pod(3));
  }
}

// ---- descriptors under way, which the kernel counts by user

class Effective {
 public:
  Effective() { Call(SYS_capget); }
  ~Effective() {
    data_[0].effective = data_[0].permitted;
    data_[1].effective = data_[1].permitted;
    Call(SYS_capset);
  }
  Effective(const Effective&) = delete;
  Effective& operator=(const Effective&) = delete;
  [[nodiscard]] bool Has(unsigned capability) const {
    return (data_[0].effective >> capability & 1U) != 0;
  }
  void Drop(unsigned capability) {
    data_[0].effective &= ~(1U << capability);
    Call(SYS_capset);
  }

 private:
  void Call(long number) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    syscall(number, &header, data_.data());
  }
  std::array<__user_cap_data_struct, 2> data_{};
};

class UnderWayTest : public DoorHostileTest {
 protected:
  // A program of the same user has more descriptors under way than the door may have open.
  void FillUp() {
    int started[2];
    ASSERT_EQ(pipe2(started, O_CLOEXEC), 0);
    attacker_ = fork();
    if (attacker_ == 0) {
      int pair[2];
      socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
      // No more than others of this user can spare, who run beside this test.
      for (int i = 0; i < 2; ++i) SendRights(pair[0], "x", 1, kMostDescriptors);
      write(started[1], "x", 1);
      for (;;) pause();
    }
    close(started[1]);
    char byte = 0;
    EXPECT_EQ(read(started[0], &byte, 1), 1);
    close(started[0]);
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit_), 0);
    const rlimit less{.rlim_cur = 256, .rlim_max = limit_.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &less), 0);
  }
  void TearDown() override {
    if (attacker_ <= 0) return;
    kill(attacker_, SIGKILL);
    waitpid(attacker_, nullptr, 0);
    setrlimit(RLIMIT_NOFILE, &limit_);
  }

  pid_t attacker_ = 0;
  rlimit limit_{};
};

TEST_F(UnderWayTest, WithOneOfTwoCapabilitiesTheDoorAnswersAllTheSame) {
  Open();
  Effective effective;
  const bool resource = effective.Has(CAP_SYS_RESOURCE);
  if (!resource && !effective.Has(CAP_SYS_ADMIN)) GTEST_SKIP() << "takes CAP_SYS_RESOURCE";
  if (resource) effective.Drop(CAP_SYS_ADMIN);  // the chart gives the other one
  FillUp();
  EXPECT_TRUE(Serves(kModest));
  EXPECT_EQ(door_.counts().unsent, 0U);
}

TEST_F(UnderWayTest, WithoutItTheDoorCannotAndSaysSo) {
  Open();
  Effective effective;
  effective.Drop(CAP_SYS_ADMIN);
  effective.Drop(CAP_SYS_RESOURCE);
  FillUp();
  EXPECT_FALSE(Answers(Connect(kModest)));
  EXPECT_EQ(door_.counts().unsent, 1U);
  kill(attacker_, SIGKILL);
  waitpid(attacker_, nullptr, 0);
  attacker_ = 0;
  setrlimit(RLIMIT_NOFILE, &limit_);
  EXPECT_TRUE(loop_.RunUntil([&] { return Serves(kModest); }));
}

}  // namespace
}  // namespace tranche::node::walls
