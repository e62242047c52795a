// Every kind of bad config, at every moment; profiles swapped in a hurry.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <random>
#include <utility>

#include "base/file.h"
#include "tests/process/rig.h"

namespace tranche::process {
namespace {

using std::chrono::milliseconds;

void PlaceHuge(const std::string& path, bool sparse) {
  const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  ASSERT_TRUE(fd.valid());
  constexpr off_t kSize = 100 << 20;
  if (sparse) {
    ASSERT_EQ(ftruncate(fd.get(), kSize), 0);
    return;
  }
  std::string block;
  while (block.size() < (1U << 20U)) block += "# a config that goes on and on\n";
  for (off_t written = 0; written < kSize; written += std::ssize(block)) {
    ASSERT_EQ(write(fd.get(), block.data(), block.size()), std::ssize(block));
  }
}

std::string Binary() {
  std::mt19937 random(3);
  std::string bytes(4096, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() & 0xFFU);
  return bytes;
}

std::string AliasBomb() {
  std::string text = "version: v1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string from = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + from;
    for (int j = 0; j < 9; ++j) text += ", " + from;
    text += "]\n";
  }
  return text;
}

struct Bad {
  std::string name;
  std::function<void(Rig&)> place;
};

Bad BadText(std::string name, std::string text) {
  return {std::move(name), [text = std::move(text)](Rig& rig) { rig.WriteConfig(text); }};
}

// By other means than a rename: the file that is there is removed first.
Bad BadThing(std::string name, std::function<void(const std::string& path)> make) {
  return {std::move(name), [make = std::move(make)](Rig& rig) {
            rig.RemoveConfig();
            make(rig.config_path());
          }};
}

std::vector<Bad> EveryKind() {
  const std::string good = Shared(3);
  std::vector<Bad> kinds = {
      BadText("torn", good.substr(0, good.find("replicas:") + 4)),
      BadText("truncated", good.substr(0, good.find("name:"))),
      BadText("nested", "version: v1\nsharing: " + std::string(200000, '[')),
      BadText("nested blocks",
              [] {
                std::string text = "version: v1\nsharing:\n";
                for (int depth = 1; depth < 1000; ++depth) {
                  text += std::string(static_cast<std::size_t>(depth), ' ') + "a:\n";
                }
                return text;
              }()),
      BadText("binary", Binary()),
      BadText("zeros", std::string(300, '\0')),
      BadText("alias bomb", AliasBomb()),
      BadText("another version", "version: v2\n"),
      BadText("wrong type", Config("sharing: [1, 2]\n")),
      BadText("replicas below zero", Shared(-3)),
      BadText("replicas in words", Config("sharing: {timeSlicing: {resources: [{name: "
                                          "nvidia.com/gpu, replicas: many}]}}\n")),
      BadText("more than a message", Shared(100000)),
      BadText("unknown strategy", Config("flags: {migStrategy: triple}\n")),
      BadText("not supported",
              Config("sharing: {mps: {resources: [{name: nvidia.com/gpu, replicas: 2}]}}\n")),
      BadText("not YAML", "version: v1\n\tsharing: }\n"),
      BadThing("gone", [](const std::string&) {}),
      BadThing("a fifo", [](const std::string& path) { ASSERT_EQ(mkfifo(path.c_str(), 0644), 0); }),
      BadThing("a folder",
               [](const std::string& path) { std::filesystem::create_directory(path); }),
      BadThing("a link to nothing",
               [](const std::string& path) { std::filesystem::create_symlink("nowhere", path); }),
      BadThing("a link to itself",
               [](const std::string& path) { std::filesystem::create_symlink(path, path); }),
      BadThing("endless",
               [](const std::string& path) { std::filesystem::create_symlink("/dev/zero", path); }),
      BadThing("huge",
               [](const std::string& path) {
                 PlaceHuge(path + ".new", false);
                 std::filesystem::rename(path + ".new", path);
               }),
      BadThing("huge and hollow",
               [](const std::string& path) {
                 PlaceHuge(path + ".new", true);
                 std::filesystem::rename(path + ".new", path);
               }),
  };
  return kinds;
}

bool Refused(Rig& rig) {
  return rig.StatusBecomes("config.error", [](const auto& error) { return !error.empty(); });
}

// What was in force stays, says why, and the process does not swell.
void ExpectKept(Rig& rig, const std::string& name, const char* moment, bool from_last_good) {
  SCOPED_TRACE(name + ", " + moment);
  ASSERT_TRUE(rig.CountBecomes(6, 6)) << rig.Counted();
  ASSERT_TRUE(Refused(rig));
  ASSERT_TRUE(rig.StatusIs("config.fromLastGood", from_last_good ? "true" : "false"));
  ASSERT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));
  EXPECT_NE(rig.Get("/readyz").body.find("config"), std::string::npos);
  EXPECT_LT(HoldingOf(rig.agent()).pss_kib, 64 << 10);
}

void Reboot(Rig& rig) {
  rig.Stop(SIGKILL);
  rig.stage().StopKubelet();
  for (const auto& entry : std::filesystem::directory_iterator("/run")) {
    std::error_code error;
    std::filesystem::remove_all(entry.path(), error);
  }
  for (const auto& entry : std::filesystem::directory_iterator(sim::kPluginDirectory)) {
    if (!entry.is_directory()) std::filesystem::remove(entry.path());
  }
  rig.StartKubelet();
  rig.Start();
}

TEST(ConfigTest, EveryKindOfBadConfigAtEveryMoment) {
  Rig rig;
  rig.WriteConfig(Shared(3));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(6));
  for (const Bad& bad : EveryKind()) {
    const int lost = rig.CountEvents("stream-lost");
    bad.place(rig);
    ExpectKept(rig, bad.name, "edited", false);
    std::printf("%-20s %s\n", bad.name.c_str(),
                rig.StatusOf("config.error").substr(0, 150).c_str());
    EXPECT_EQ(rig.CountEvents("stream-lost"), lost) << bad.name;
    rig.Stop(SIGINT);
    rig.Start();
    ExpectKept(rig, bad.name, "restarted", true);
    Reboot(rig);
    ExpectKept(rig, bad.name, "rebooted", true);
    // And a good one is taken at once, whatever was there before.
    rig.WriteConfig(Shared(3) + "# " + bad.name + "\n");
    ASSERT_TRUE(rig.StatusIs("config.error", "")) << bad.name;
    ASSERT_TRUE(rig.StatusIs("config.fromLastGood", "false")) << bad.name;
    ASSERT_TRUE(rig.CountBecomes(6)) << rig.Counted() << " after " << bad.name;
    if (HasFatalFailure()) return;
  }
}

// Made anew or emptied, and written a moment later; an empty file is the unshared default.
TEST(ConfigTest, AFileThatIsBeingWrittenIsNotTakenForAnEmptyOne) {
  Rig rig;
  rig.WriteConfig(Shared(3));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(6));
  for (int i = 0; i < 10; ++i) {
    rig.ForgetLeast();
    const std::int64_t before = rig.least();
    const auto begin = rig.Now();
    const int replicas = 4 + i % 2;
    const std::string text = Shared(replicas);
    if (i % 4 < 2) rig.RemoveConfig();
    base::UniqueFd fd(
        open(rig.config_path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    ASSERT_TRUE(fd.valid());
    rig.Turn(milliseconds(20));
    ASSERT_EQ(write(fd.get(), text.data(), text.size()), std::ssize(text));
    fd = base::UniqueFd();
    // The agent gives the writer 200 ms.
    const bool in_time = rig.InTime(begin, milliseconds(150));
    ASSERT_TRUE(rig.CountBecomes(replicas + replicas)) << rig.Counted();
    if (in_time) {
      EXPECT_GE(rig.least(), std::min<std::int64_t>(before, replicas + replicas)) << i;
    }
  }
  // One that stays empty is meant so.
  ASSERT_EQ(truncate(rig.config_path().c_str(), 0), 0);
  rig.WriteConfig("");
  EXPECT_TRUE(rig.CountBecomes(2)) << rig.Counted();
}

TEST(ConfigTest, ABadFirstConfigRegistersNothing) {
  Rig rig;
  rig.WriteConfig("version: v1\nsharing: [\n");
  const pid_t pid = rig.Start();
  ASSERT_TRUE(Refused(rig));
  ASSERT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 503; }));
  EXPECT_EQ(rig.Get("/livez").status, 200);
  rig.Turn(milliseconds(500));
  EXPECT_EQ(rig.CountEvents("registered"), 0);
  EXPECT_TRUE(rig.Runs(pid));
  rig.WriteConfig(Shared(4));
  ASSERT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  EXPECT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));
}

TEST(ConfigTest, ATornLastGoodIsNoConfig) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  const std::string stored = std::string(sim::kPluginDirectory) + "/tranche/last-good.json";
  ASSERT_TRUE(rig.Until([&] { return base::Exists(stored); }));
  rig.Stop(SIGINT);
  auto text = base::ReadFile(stored, 1 << 20);
  ASSERT_TRUE(text.ok());
  ASSERT_TRUE(base::WriteFileAtomic(stored, text->substr(0, text->size() / 2)).ok());
  rig.WriteConfig("version: v9\n");
  rig.Start();
  ASSERT_TRUE(Refused(rig));
  EXPECT_TRUE(rig.StatusIs("config.usable", "false"));
  EXPECT_TRUE(rig.Logged("last good config cannot be used"));
  rig.Turn(milliseconds(300));
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 0);
}

// A profile selected by name, contents edited through the kubelet's `..data` swap.
TEST(ConfigTest, TheLastOfManySwapsWins) {
  Rig rig;
  const auto write = [&](int replicas) {
    const auto status =
        rig.stage().WriteProfiles({{"default", Shared(replicas)}, {"other", Shared(replicas + 1)}});
    ASSERT_TRUE(status.ok()) << status.message();
  };
  write(4);
  const pid_t pid = rig.Start(
      {.flags = {"--profiles-dir=" + rig.stage().ProfilesDirectory(), "--default-profile=default"},
       .config_file = false});
  ASSERT_TRUE(rig.CountBecomes(8));
  const pid_t pod = rig.RunPod("a");
  std::mt19937 random(5);
  Curve curve;
  curve.SampleAtRest(rig, pid);
  const int times = Times(1000);
  for (int i = 0; i < times; ++i) {
    write(static_cast<int>(2 + random() % 30));
    // Most in a row, some with a moment in between.
    if (random() % 8 == 0) rig.Turn(milliseconds(random() % 6));
    if (i % 10 == 9) {
      curve.Sample(pid);
      const int replicas = static_cast<int>(3 + (i / 10) % 5);
      write(replicas);
      const std::int64_t all = replicas + replicas;
      ASSERT_TRUE(rig.CountBecomes(all, all)) << rig.Counted() << " after swap " << i;
    }
  }
  write(9);
  ASSERT_TRUE(rig.CountBecomes(18, 18)) << rig.Counted();
  rig.Turn(milliseconds(300));
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 18);
  curve.SampleAtRest(rig, pid);
  curve.Print("ConfigMap swapped");
  curve.ExpectLevel();
  EXPECT_TRUE(rig.Runs(pid));
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
  EXPECT_EQ(rig.CountEvents("registered"), 1);
  EXPECT_TRUE(rig.Untouched("a", pod));
  // After a restart it is still the last one.
  rig.Stop(SIGINT);
  rig.Start(
      {.flags = {"--profiles-dir=" + rig.stage().ProfilesDirectory(), "--default-profile=default"},
       .config_file = false});
  EXPECT_TRUE(rig.CountBecomes(18, 18)) << rig.Counted();
}

TEST(ConfigTest, ASelectedProfileThatIsNotThereKeepsWhatIsInForce) {
  Rig rig;
  ASSERT_TRUE(rig.stage().WriteProfiles({{"default", Shared(4)}, {"dev", Shared(8)}}).ok());
  const std::string label = rig.stage().directory() + "/label/profile";
  ASSERT_TRUE(base::WriteFileAtomic(label, "dev").ok());
  rig.Start({.flags = {"--profiles-dir=" + rig.stage().ProfilesDirectory(),
                       "--default-profile=default", "--profile-file=" + label},
             .config_file = false});
  ASSERT_TRUE(rig.CountBecomes(16));
  ASSERT_TRUE(base::WriteFileAtomic(label, "missing").ok());
  ASSERT_TRUE(Refused(rig));
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 16);
  // The whole ConfigMap goes and comes back.
  ASSERT_TRUE(base::WriteFileAtomic(label, "dev").ok());
  ASSERT_TRUE(rig.StatusIs("config.error", ""));
  ASSERT_TRUE(rig.stage().WriteProfiles({}).ok());
  ASSERT_TRUE(Refused(rig));
  EXPECT_EQ(rig.stage().Count(kGpu).allocatable, 16);
  ASSERT_TRUE(rig.stage().WriteProfiles({{"default", Shared(4)}, {"dev", Shared(5)}}).ok());
  EXPECT_TRUE(rig.CountBecomes(10)) << rig.Counted();
  ASSERT_TRUE(base::WriteFileAtomic(label, "").ok());
  EXPECT_TRUE(rig.CountBecomes(8)) << rig.Counted();
  EXPECT_EQ(rig.CountEvents("stream-lost"), 0);
}

}  // namespace
}  // namespace tranche::process
