// The driver as a process, with programs that are processes of their own.
#include "sim/driver/serve.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>

#include "base/json_read.h"
#include "sim/driver/constants.h"
#include "sim/driver/report.h"
#include "sim/driver/testing/serve_fixture.h"
#include "sim/engine/hardware.h"

namespace tranche::sim::driver {
namespace {

using base::Json;
using link::Kind;
using link::Work;
using testing::Comes;
using testing::Process;
using testing::RealProgram;

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
const std::uint64_t kContext = engine::ContextBytes({.compute_major = 8, .multiprocessors = 10});

class ServeTest : public testing::ServeFixture {
 protected:
  // A program that takes `bytes` and stays. Its child, if it is to have one, outlives it, and has
  // its socket.
  std::unique_ptr<Process> Holder(std::uint64_t bytes, pid_t* child = nullptr) {
    int ends[2];
    TRANCHE_CHECK(pipe(ends) == 0);
    struct {
      bool made;
      pid_t child;
    } told{};
    auto process = std::make_unique<Process>([&] {
      RealProgram program(SocketPath());
      told.made = program.MakeContext() == 0 && program.Reserve(bytes) == 0;
      for (int i = 0; i < 4; ++i) program.Launch(10'000 * kMs);
      if (child != nullptr) told.child = fork();
      if (child == nullptr || told.child > 0) {
        TRANCHE_CHECK(write(ends[1], &told, sizeof told) == sizeof told);
      }
      pause();
      return 0;
    });
    TRANCHE_CHECK(read(ends[0], &told, sizeof told) == sizeof told && told.made);
    if (child != nullptr) *child = told.child;
    close(ends[0]);
    close(ends[1]);
    return process;
  }
};

TEST_F(ServeTest, EveryProgramMayConnect) {
  struct stat about {};
  ASSERT_EQ(stat(SocketPath().c_str(), &about), 0);
  EXPECT_TRUE(S_ISSOCK(about.st_mode));
  EXPECT_EQ(about.st_mode & 0777U, 0666U);
}

TEST_F(ServeTest, ThePageCanBeReadOnly) {
  RealProgram program(SocketPath());
  void* mapped =
      mmap(nullptr, sizeof(link::Page), PROT_READ | PROT_WRITE, MAP_SHARED, program.given.get(), 0);
  EXPECT_EQ(mapped, MAP_FAILED);
  const std::string again = "/proc/self/fd/" + std::to_string(program.given.get());
  const base::UniqueFd writing(open(again.c_str(), O_RDWR | O_CLOEXEC));
  if (writing.valid()) {
    EXPECT_EQ(
        mmap(nullptr, sizeof(link::Page), PROT_READ | PROT_WRITE, MAP_SHARED, writing.get(), 0),
        MAP_FAILED);
    EXPECT_LT(pwrite(writing.get(), "x", 1, 0), 0);
  }
  EXPECT_EQ(program.page().magic, link::kPageMagic);
}

TEST_F(ServeTest, TwoProcessesShareMemoryAndTime) {
  RealProgram a(SocketPath());
  RealProgram b(SocketPath());
  ASSERT_EQ(a.MakeContext(), 0U);
  ASSERT_EQ(b.MakeContext(), 0U);
  EXPECT_EQ(a.Reserve(12 * kGiB), 0U);
  EXPECT_EQ(b.Reserve(12 * kGiB), kOutOfMemory);
  const Time begun = a.Now();
  std::uint64_t last = 0;
  for (int i = 0; i < 10; ++i) {
    last = a.Launch(10 * kMs);
    b.Launch(10 * kMs);
  }
  ASSERT_TRUE(Comes([&] {
    return a.page().streams[0].finished == last && b.page().streams[0].finished == last;
  }));
  // 200 ms of computing for both cannot have taken less.
  EXPECT_GE(a.Now() - begun, static_cast<Time>(200 * kMs));
}

TEST_F(ServeTest, WhoWaitsIsWoken) {
  RealProgram program(SocketPath());
  ASSERT_EQ(program.MakeContext(), 0U);
  const std::uint64_t number = program.Launch(20 * kMs);
  program.Say(Kind::kAwait,
              link::Await{.counter = link::Counter::kStream, .index = 0, .value = number});
  const std::uint64_t& counter = program.page().streams[0].finished;
  while (__atomic_load_n(&counter, __ATOMIC_ACQUIRE) < number) {
    const timespec guard{60, 0};
    const long woken = syscall(SYS_futex, reinterpret_cast<const std::uint32_t*>(&counter),
                               FUTEX_WAIT, 0, &guard, nullptr, 0);
    ASSERT_TRUE(woken == 0 || errno == EAGAIN || errno == EINTR) << "nobody woke it";
  }
}

TEST_F(ServeTest, AProcessIsShownWithItsMemoryUntilItEnds) {
  const auto holder = Holder(5 * kGiB);
  const pid_t pid = holder->pid();
  ASSERT_TRUE(Comes([&] {
    const NodeSnapshot node = Node();
    const ProcessState* shown = Shown(node, pid);
    return shown != nullptr && shown->by_driver == 1 && shown->memory_bytes == 5 * kGiB + kContext;
  }));
  // It computes, and so there are samples of it before long.
  ASSERT_TRUE(Comes([&] {
    const NodeSnapshot node = Node();
    const ProcessState* shown = Shown(node, pid);
    return shown != nullptr && shown->sm_percent == 100 && shown->busy_us > 0;
  }));
  holder->End(SIGKILL);
  EXPECT_TRUE(Comes([&] { return !IsShown(pid); }));
}

TEST_F(ServeTest, WhatAProgramComputedInThePeriodOfItsEndIsInASample) {
  constexpr unsigned kPrograms = 12;  // 5 ms each: 36 % of a period
  for (unsigned i = 0; i < kPrograms; ++i) {
    RealProgram program(SocketPath());
    ASSERT_EQ(program.MakeContext(), 0U);
    const std::uint64_t number = program.Launch(5 * kMs);
    ASSERT_TRUE(Comes([&] { return program.page().streams[0].finished == number; }));
  }
  // What is lost by rounding down is less than half of it, however many periods they took.
  EXPECT_TRUE(Comes([&] {
    unsigned percent = 0;
    for (const SampleState& sample : reader->SamplesFrom(0, 0)) {
      if (sample.pid == static_cast<std::uint32_t>(getpid())) percent += sample.sm_percent;
    }
    return percent >= 18 && percent <= 36;
  }));
}

TEST_F(ServeTest, WhatAProgramHasIsShownBeforeItGoesOn) {
  RealProgram program(SocketPath());
  ASSERT_EQ(program.MakeContext(), 0U);
  for (std::uint64_t id = 0; id < 100;) {
    ASSERT_EQ(program.Reserve(kGiB, &id), 0U);
    EXPECT_EQ(Shown(Node(), getpid())->memory_bytes, kContext + kGiB);
    ASSERT_EQ(program.Release(id), 0U);
    EXPECT_EQ(Shown(Node(), getpid())->memory_bytes, kContext);
  }
}

TEST_F(ServeTest, AKilledProcessFreesAtOnceWhoeverHasItsSocket) {
  pid_t child = 0;
  const auto holder = Holder(12 * kGiB, &child);
  RealProgram other(SocketPath());
  ASSERT_EQ(other.MakeContext(), 0U);
  EXPECT_EQ(other.Reserve(12 * kGiB), kOutOfMemory);
  holder->End(SIGKILL);
  ASSERT_TRUE(Comes([&] { return other.FreeBytes() > 12 * kGiB; }));
  EXPECT_EQ(other.Reserve(12 * kGiB), 0U);
  const std::uint64_t number = other.Launch(kMs);
  EXPECT_TRUE(Comes([&] { return other.page().streams[0].finished == number; }));
  EXPECT_EQ(kill(child, SIGKILL), 0) << "it was there all the time";
}

TEST_F(ServeTest, NonsenseCutsOnlyItsSenderOff) {
  RealProgram good(SocketPath());
  ASSERT_EQ(good.MakeContext(), 0U);
  RealProgram bad(SocketPath());
  const std::vector<std::byte> nonsense(1000, std::byte{0x5A});
  ASSERT_TRUE(bad.SendBytes(nonsense));
  char byte = 0;
  EXPECT_EQ(recv(bad.socket_fd(), &byte, 1, 0), 0) << "hung up";
  EXPECT_EQ(good.Reserve(kGiB), 0U);
}

// Sends a message byte by byte, so that nothing takes the descriptors that come along; gives
// whether the driver still answers then.
bool Answers(RealProgram& program, int descriptor) {
  for (const std::byte byte : testing::Encode(Kind::kName, link::Name{})) {
    if (!program.SendBytes({&byte, 1}, descriptor)) return false;
  }
  return program.FreeBytes() > 0;
}

TEST_F(ServeTest, TooManyDescriptorsCutOff) {
  RealProgram bad(SocketPath());
  RealProgram good(SocketPath());
  const base::UniqueFd something(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(Answers(bad, something.get()));
  EXPECT_TRUE(Answers(good, -1));
}

TEST_F(ServeTest, AnXidBreaksItsProcess) {
  RealProgram program(SocketPath());
  ASSERT_EQ(program.MakeContext(), 0U);
  ASSERT_TRUE(writer
                  ->Edit([](NodeState& state) {
                    const std::uint64_t number = ++state.header.last_event;
                    state.events[number % kMaxEvents] = {
                        .number = number,
                        .slot = 0,
                        .gpu_instance = kWholeGpu,
                        .compute_instance = kWholeGpu,
                        .pid = static_cast<std::uint32_t>(getpid()),
                        .type = 8,
                        .data = 31};
                    return base::Status::Ok();
                  })
                  .ok());
  EXPECT_TRUE(Comes([&] { return program.page().contexts[0].error == kIllegalAddress; }));
}

TEST_F(ServeTest, AGpuIsLostAndReturns) {
  RealProgram program(SocketPath());
  ASSERT_EQ(program.MakeContext(), 0U);
  const auto lose = [&](std::uint32_t lost) {
    ASSERT_TRUE(writer
                    ->Edit([&](NodeState& state) {
                      state.gpus[0].lost = lost;
                      return base::Status::Ok();
                    })
                    .ok());
  };
  lose(1);
  ASSERT_TRUE(Comes([&] { return program.page().device_error[0] == kDeviceUnavailable; }));
  EXPECT_EQ(program.page().contexts[0].error, kDeviceUnavailable);
  lose(0);
  EXPECT_TRUE(Comes([&] { return program.page().device_error[0] == 0; }));
}

TEST_F(ServeTest, ASecondDriverIsRefused) {
  EXPECT_TRUE(IsServed(root()));
  const base::Status second = Serve({.root = root()});
  EXPECT_EQ(second.code(), base::Code::kAlreadyExists);
  EXPECT_TRUE(RealProgram(SocketPath()).connected()) << "the first goes on";
}

TEST_F(ServeTest, ToldToEndItLeavesNothingBehind) {
  const auto holder = Holder(kGiB);
  ASSERT_TRUE(Comes([&] { return IsShown(holder->pid()); }));
  EXPECT_EQ(driver->End(SIGTERM), 0);
  const NodeSnapshot node = Node();
  EXPECT_EQ(node.header.driver_pid, 0U);
  EXPECT_EQ(node.header.driver_died, 0U);
  EXPECT_EQ(node.gpus[0].process_count, 0U);
  EXPECT_FALSE(base::Exists(SocketPath()));
  EXPECT_FALSE(IsServed(root()));
}

TEST_F(ServeTest, ItsDeathIsShownAndMended) {
  ASSERT_TRUE(writer
                  ->Edit([](NodeState& state) {
                    state.gpus[0].processes[0] = {
                        .pid = 4711, .memory_bytes = 1, .gpu_instance = kWholeGpu};
                    state.gpus[0].process_count = 1;
                    return base::Status::Ok();
                  })
                  .ok());
  RealProgram program(SocketPath());
  ASSERT_EQ(program.MakeContext(), 0U);
  ASSERT_TRUE(Comes([&] { return IsShown(getpid()); }));
  driver->End(SIGKILL);
  EXPECT_TRUE(Comes([&] { return Node().header.driver_died == 1; }));
  EXPECT_EQ(Node().header.driver_pid, 0U);
  EXPECT_FALSE(IsShown(getpid()));
  EXPECT_TRUE(IsShown(4711)) << "what was put there by hand stays";
  EXPECT_NE(program.MakeContext(), 0U) << "the old connection is dead";
  StartDriver();
  EXPECT_EQ(Node().header.driver_died, 0U);
  EXPECT_EQ(RealProgram(SocketPath()).MakeContext(), 0U);
}

TEST_F(ServeTest, OfADriverThatWasKilledAllHasEnded) {
  RealProgram program(SocketPath());
  ASSERT_EQ(program.MakeContext(), 0U);
  const auto before = ReadStatus(root());
  ASSERT_TRUE(before.ok());
  EXPECT_NE(StatusText(*before).find("runs"), std::string::npos);
  const auto trace = TraceText(root());
  ASSERT_TRUE(trace.ok());
  EXPECT_NE(trace->find(std::to_string(getpid())), std::string::npos) << "written when asked";
  driver->End(SIGKILL);
  const auto after = ReadStatus(root());
  ASSERT_TRUE(after.ok());
  const std::string text = StatusText(*after);
  EXPECT_EQ(text.find("runs"), std::string::npos) << text;
  EXPECT_EQ(text.find("no driver serves this node"), 0U) << text;
}

TEST(StatusTextTest, NamesGpuInstancesAndWhoIsLate) {
  const auto status = Json::Parse(
      R"({"processes":[{"pid":7,"lateness":{"late_idle_ns":2500000},"contexts":[)"
      R"({"slot":0,"gpu_instance":1},{"slot":2,"gpu_instance":null},{"slot":0,"gpu_instance":1}]}]})");
  ASSERT_TRUE(status.ok());
  const std::string text = StatusText(*status);
  EXPECT_NE(text.find(" 0:gi1,2 "), std::string::npos) << text;
  EXPECT_NE(text.find(" 2.500 "), std::string::npos) << text;
}

TEST_F(ServeTest, ALeftoverOfADriverThatNobodyWatchedIsTakenAway) {
  driver->End(SIGTERM);
  ASSERT_TRUE(writer
                  ->Edit([](NodeState& state) {
                    state.header.driver_pid = 999'999;
                    state.gpus[0].processes[0] = {
                        .pid = 4712, .gpu_instance = kWholeGpu, .by_driver = 1};
                    state.gpus[0].process_count = 1;
                    return base::Status::Ok();
                  })
                  .ok());
  StartDriver();
  EXPECT_FALSE(IsShown(4712));
}

TEST_F(ServeTest, SumsAndTraceTellWhoUsedWhat) {
  {
    RealProgram program(SocketPath());
    ASSERT_EQ(program.MakeContext(), 0U);
    const std::uint64_t number = program.Launch(5 * kMs);
    ASSERT_TRUE(Comes([&] { return program.page().streams[0].finished == number; }));
    link::Missing missing{};
    SetText(missing.call, "cuNothingOfTheKind");
    program.Say(Kind::kMissing, missing);
    ASSERT_GT(program.FreeBytes(), 0U);
  }
  const auto status = ReadStatus(root());
  ASSERT_TRUE(status.ok()) << status.status().message();
  EXPECT_EQ(base::IntAt(*status, {"missing", "cuNothingOfTheKind"}), 1);
  std::int64_t computed = 0;
  for (const Json& process : base::ItemsAt(*status, "processes")) {
    EXPECT_EQ(base::IntAt(process, "pid"), getpid());
    computed += *base::IntAt(process, "computed_ns");
  }
  EXPECT_EQ(computed, static_cast<std::int64_t>(5 * kMs));
  EXPECT_NE(StatusText(*status).find(std::to_string(getpid())), std::string::npos);
  driver->End(SIGTERM);
  const auto table = TraceText(root());
  ASSERT_TRUE(table.ok());
  EXPECT_NE(table->find("5.000"), std::string::npos) << *table;
  const auto chrome = ChromeTrace(root());
  ASSERT_TRUE(chrome.ok());
  const auto events = Json::Parse(*chrome);
  ASSERT_TRUE(events.ok()) << *chrome;
  int computing = 0;
  for (const Json& event : events->as_array()) {
    if (base::TextAt(event, "ph") == "X") ++computing;
  }
  EXPECT_EQ(computing, 2) << "once on the GPU's track, once on the process's";
}

}  // namespace
}  // namespace tranche::sim::driver
