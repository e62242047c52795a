#include "profile/file_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "base/testing/temp_dir.h"
#include "base/timer.h"
#include "config/load.h"

namespace tranche::profile {
namespace {

namespace fs = std::filesystem;
using base::Code;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A directory in which a ConfigMap volume is played as the kubelet does it
// (k8s.io/kubernetes pkg/volume/util/atomic_writer.go): a new timestamped directory, `..data_tmp`
// renamed over `..data`, names for new keys, then the old directory removed.
class FileSourceTest : public ::testing::Test {
 protected:
  FileSourceTest() {
    fs::create_directory(volume_);
    loop_ = std::move(base::NewEpollLoop()).value();
  }
  ~FileSourceTest() override { source_.reset(); }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
  }
  void Swap(const std::map<std::string, std::string>& files) {
    const std::string name = "..version_" + std::to_string(++version_);
    fs::create_directory(volume_ + "/" + name);
    for (const auto& [key, text] : files) Write(volume_ + "/" + name + "/" + key, text);
    fs::create_symlink(name, volume_ + "/..data_tmp");
    const std::string old = fs::exists(volume_ + "/..data")
                                ? fs::read_symlink(volume_ + "/..data").string()
                                : std::string();
    fs::rename(volume_ + "/..data_tmp", volume_ + "/..data");
    for (const auto& [key, text] : files) {
      if (!fs::is_symlink(volume_ + "/" + key)) {
        fs::create_symlink("..data/" + key, volume_ + "/" + key);
      }
    }
    for (const auto& entry : fs::directory_iterator(volume_)) {
      const std::string key = entry.path().filename().string();
      if (!key.starts_with("..") && !files.contains(key)) fs::remove(entry.path());
    }
    if (!old.empty()) fs::remove_all(volume_ + "/" + old);
  }

  ConfigSource& Start(FileSourceOptions options) {
    source_ = NewFileSource(*loop_, std::move(options), [this] {
      ++changes_;
      if (on_change_) on_change_();
    });
    return *source_;
  }
  // Runs the real loop until `done` holds after some change; false when it never does.
  bool RunUntil(const std::function<bool()>& done) {
    bool reached = done();
    on_change_ = [&] {
      if (!done()) return;
      reached = true;
      loop_->Stop();
    };
    // Well below the 30 s of the watch's own net, so that what is seen is seen by its events.
    base::Timer limit(*loop_);
    limit.Start(std::chrono::seconds(15), [this] { loop_->Stop(); });
    if (!reached) loop_->Run();
    on_change_ = nullptr;
    return reached;
  }
  bool RunUntilText(const std::string& text) {
    return RunUntil([&] {
      const WantedConfig wanted = source_->Read();
      return wanted.certainty == Certainty::kSure && wanted.text == text;
    });
  }

  const base::testing::TempDir root_;
  const std::string volume_ = root_ / "volume";
  int version_ = 0;
  int changes_ = 0;
  std::function<void()> on_change_;
  std::unique_ptr<base::EventLoop> loop_;
  std::unique_ptr<ConfigSource> source_;
};

TEST_F(FileSourceTest, NothingNamedIsTheUnsharedDefault) {
  EXPECT_TRUE(SameConfig(Start({}).Read(), WantedConfig{}));
}

TEST_F(FileSourceTest, ASingleFileIsReadAndItsAbsenceIsUpstreamsError) {
  const std::string path = root_ / "config.yaml";
  ConfigSource& source = Start({.config_file = path});
  WantedConfig wanted = source.Read();
  EXPECT_TRUE(wanted.named);
  EXPECT_EQ(wanted.source, path);
  EXPECT_EQ(wanted.status.message(),
            "error opening config file: open " + path + ": no such file or directory");
  Write(path, "version: v1");
  wanted = source.Read();
  EXPECT_TRUE(wanted.status.ok());
  EXPECT_EQ(wanted.text, "version: v1");
}

TEST_F(FileSourceTest, OddFilesCannotHangOrFillMemory) {
  const std::string path = root_ / "config.yaml";
  ConfigSource& source = Start({.config_file = path});
  Write(path, "");
  ASSERT_EQ(truncate(path.c_str(), 100'000'000), 0);
  EXPECT_EQ(source.Read().status.code(), Code::kOutOfRange);
  EXPECT_EQ(source.Read().text, "");
  fs::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(source.Read().text, "");
  fs::remove(path);
  fs::create_directory(path);
  EXPECT_FALSE(source.Read().status.ok());
  fs::remove(path);
  fs::create_symlink(path, path);
  EXPECT_FALSE(source.Read().status.ok());
}

TEST_F(FileSourceTest, ProfilesAreTheRegularFilesWithoutTheVolumesOwn) {
  Swap({{"default", "d"}, {"dev", "v"}});
  fs::create_directory(volume_ + "/directory");
  fs::create_symlink("nowhere", volume_ + "/dangling");
  Write(volume_ + "/..hidden", "x");
  EXPECT_THAT(Start({.profiles_directory = volume_}).AvailableProfiles(),
              ElementsAre("default", "dev"));
}

TEST_F(FileSourceTest, TheChosenProfileIsRead) {
  Swap({{"default", "d"}, {"dev", "v"}});
  const WantedConfig wanted =
      Start({.config_file = "/ignored", .profiles_directory = volume_, .profile = "dev"}).Read();
  EXPECT_TRUE(SameConfig(
      wanted,
      {.profile = "dev", .source = volume_ + "/dev", .named = true, .status = {}, .text = "v"}));
}

TEST_F(FileSourceTest, TheEmptyFallbackNamesNothing) {
  Swap({{"a", "1"}, {"b", "2"}});
  const WantedConfig wanted =
      Start({.profiles_directory = volume_, .fallbacks = {Fallback::kEmpty}}).Read();
  EXPECT_TRUE(SameConfig(wanted, WantedConfig{}));
}

TEST_F(FileSourceTest, WhatCannotBeChosenIsNamedAndAnError) {
  ConfigSource& source =
      Start({.profiles_directory = volume_, .profile = "dev", .fallbacks = {Fallback::kEmpty}});
  EXPECT_EQ(source.Read().status.message(), "no configuration files available");
  EXPECT_TRUE(source.Read().named);
  Swap({{"default", "d"}});
  EXPECT_EQ(source.Read().status.message(), "specified config dev does not exist");
  EXPECT_TRUE(source.Read().named);
  fs::remove_all(volume_);
  EXPECT_THAT(source.Read().status.message(),
              HasSubstr("error getting list of configuration files"));
  EXPECT_THAT(source.AvailableProfiles(), IsEmpty());
}

TEST_F(FileSourceTest, TheProfileFileIsTrimmedBoundedAndMayBeAbsent) {
  Swap({{"default", "d"}, {"dev", "v"}});
  const std::string path = root_ / "profile";
  ConfigSource& source =
      Start({.profiles_directory = volume_, .profile_file = path, .fallbacks = {Fallback::kNamed}});
  EXPECT_EQ(source.Read().profile, "default");
  Write(path, " \n dev\r\n\n");
  EXPECT_EQ(source.Read().profile, "dev");
  Write(path, " \n");
  EXPECT_EQ(source.Read().profile, "default");
  Write(path, "../secret");
  EXPECT_EQ(source.Read().status.code(), Code::kInvalidArgument);
  Write(path, std::string(4097, ' '));
  EXPECT_EQ(source.Read().status.code(), Code::kOutOfRange);
}

TEST_F(FileSourceTest, TheFlagWinsOverTheProfileFile) {
  Swap({{"default", "d"}, {"dev", "v"}});
  Write(root_ / "profile", "default");
  EXPECT_EQ(
      Start({.profiles_directory = volume_, .profile = "dev", .profile_file = root_ / "profile"})
          .Read()
          .profile,
      "dev");
}

TEST_F(FileSourceTest, AThousandSwapsEndWithTheLast) {
  Swap({{"default", "0"}});
  ConfigSource& source = Start({.profiles_directory = volume_, .fallbacks = {Fallback::kNamed}});
  EXPECT_EQ(source.Read().text, "0");
  std::thread swapper([this] {
    for (int i = 1; i <= 1000; ++i) Swap({{"default", std::to_string(i)}});
  });
  // Every state that is seen meanwhile is a whole one, and they come in order.
  int last = 0;
  bool in_order = true;
  const bool reached = RunUntil([&] {
    const WantedConfig wanted = source.Read();
    if (!wanted.status.ok()) return false;  // its volume was replaced too often under it
    const int now = std::stoi(wanted.text);
    in_order = in_order && now >= last;
    last = now;
    return now == 1000;
  });
  swapper.join();
  EXPECT_TRUE(reached) << last;
  EXPECT_TRUE(in_order);
  EXPECT_GT(changes_, 0);
}

TEST_F(FileSourceTest, APlainFileEditedInPlaceIsSeen) {
  const std::string path = root_ / "config.yaml";
  Write(path, "1");
  Start({.config_file = path});
  for (const char* text : {"22", "3", "", "4444"}) {
    loop_->RunAfter(std::chrono::milliseconds(5), [&] { Write(path, text); });
    EXPECT_TRUE(RunUntilText(text)) << text;
  }
}

// What the owner may read is never the moment between emptying and writing, whenever it asks.
TEST_F(FileSourceTest, AFileThatIsJustEmptyIsUnknownUntilItStaysSo) {
  const std::string path = root_ / "config.yaml";
  Write(path, "");
  ConfigSource& source = Start({.config_file = path});
  EXPECT_EQ(source.Read().certainty, Certainty::kUnknown);
  EXPECT_THAT(source.Read().why, HasSubstr("was emptied a moment ago"));
  const auto sure = [&] { return source.Read().certainty == Certainty::kSure; };
  EXPECT_TRUE(RunUntil(sure));
  EXPECT_EQ(source.Read().text, "");
  Write(path, "1");
  EXPECT_TRUE(sure());
  Write(path, "");
  EXPECT_FALSE(sure());
  Write(path, "2");
  EXPECT_TRUE(sure());
  EXPECT_EQ(source.Read().text, "2");
}

TEST_F(FileSourceTest, AFileReplacedRemovedAndMadeAgainIsSeen) {
  const std::string path = root_ / "config.yaml";
  Write(path, "1");
  ConfigSource& source = Start({.config_file = path});
  loop_->RunAfter(std::chrono::milliseconds(5), [&] {
    Write(path + ".new", "2");
    fs::rename(path + ".new", path);
  });
  EXPECT_TRUE(RunUntilText("2"));
  loop_->RunAfter(std::chrono::milliseconds(5), [&] { fs::remove(path); });
  EXPECT_TRUE(RunUntil([&] { return !source.Read().status.ok(); }));
  loop_->RunAfter(std::chrono::milliseconds(5), [&] { Write(path, "3"); });
  EXPECT_TRUE(RunUntilText("3"));
}

// config-manager's own layout: a link in one volume to a file of another, itself two links away.
TEST_F(FileSourceTest, ALinkIsFollowedWhenItMovesAndWhenItsTargetDoes) {
  Swap({{"default", "d1"}, {"dev", "v1"}});
  const std::string directory = root_ / "config";
  const std::string path = directory + "/config.yaml";
  fs::create_directory(directory);
  fs::create_symlink("/dev/null", path);
  ConfigSource& source = Start({.config_file = path});
  EXPECT_TRUE(source.Read().status.ok());
  EXPECT_EQ(source.Read().text, "");

  const auto link_to = [&](const std::string& target) {
    return [&, target] {
      fs::create_symlink(target, path + ".tmp");
      fs::rename(path + ".tmp", path);
    };
  };
  const auto soon = std::chrono::milliseconds(5);
  loop_->RunAfter(soon, link_to(volume_ + "/default"));
  EXPECT_TRUE(RunUntilText("d1"));
  loop_->RunAfter(soon, [&] { Swap({{"default", "d2"}, {"dev", "v2"}}); });
  EXPECT_TRUE(RunUntilText("d2"));
  loop_->RunAfter(soon, link_to("../volume/dev"));
  EXPECT_TRUE(RunUntilText("v2"));
  // In place, in the directory that `..data` leads to just now.
  loop_->RunAfter(soon, [&] { Write(fs::canonical(path).string(), "v3"); });
  EXPECT_TRUE(RunUntilText("v3"));
  loop_->RunAfter(soon, link_to("/dev/null"));
  EXPECT_TRUE(RunUntilText(""));
}

TEST_F(FileSourceTest, AChangeOfTheProfileFileIsSeen) {
  Swap({{"default", "d"}, {"dev", "v"}});
  const std::string path = root_ / "profile/name";
  fs::create_directory(root_ / "profile");
  Start({.profiles_directory = volume_, .profile_file = path, .fallbacks = {Fallback::kNamed}});
  loop_->RunAfter(std::chrono::milliseconds(5), [&] { Write(path, "dev"); });
  EXPECT_TRUE(RunUntilText("v"));
  loop_->RunAfter(std::chrono::milliseconds(5), [&] { fs::remove(path); });
  EXPECT_TRUE(RunUntilText("d"));
}

TEST_F(FileSourceTest, ADirectoryThatComesLateAndIsReplacedIsSeen) {
  fs::remove(volume_);
  ConfigSource& source = Start({.profiles_directory = volume_, .fallbacks = {Fallback::kSingle}});
  EXPECT_FALSE(source.Read().status.ok());
  loop_->RunAfter(std::chrono::milliseconds(5), [&] {
    fs::create_directory(volume_);
    Write(volume_ + "/a", "1");
  });
  EXPECT_TRUE(RunUntilText("1"));
  loop_->RunAfter(std::chrono::milliseconds(5), [&] {
    fs::rename(volume_, root_ / "old");
    fs::create_directory(volume_);
    Write(volume_ + "/a", "2");
  });
  EXPECT_TRUE(RunUntilText("2"));
  // It is the new directory that is watched now.
  loop_->RunAfter(std::chrono::milliseconds(5), [&] { Write(volume_ + "/a", "3"); });
  EXPECT_TRUE(RunUntilText("3"));
}

TEST_F(FileSourceTest, ADestroyedSourceCallsNobody) {
  const std::string path = root_ / "config.yaml";
  Start({.config_file = path});
  Write(path, "1");
  loop_->RunAfter(std::chrono::milliseconds(1), [&] { source_.reset(); });
  loop_->RunAfter(std::chrono::milliseconds(50), [&] { loop_->Stop(); });
  loop_->Run();
  const int before = changes_;
  Write(path, "2");
  loop_->RunAfter(std::chrono::milliseconds(50), [&] { loop_->Stop(); });
  loop_->Run();
  EXPECT_EQ(changes_, before);
}

}  // namespace
}  // namespace tranche::profile
