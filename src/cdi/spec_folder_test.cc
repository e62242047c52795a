#include "cdi/spec_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"

namespace tranche::cdi {
namespace {

using base::Json;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

CdiFile File(const std::string& device_class) {
  Json device = Json::MakeObject(
      {{"name", "a"},
       {"containerEdits", Json::MakeObject({{"env", Json::MakeTexts({"A=" + device_class})}})}});
  Json devices = Json::MakeArray();
  devices.Append(std::move(device));
  return {.device_class = device_class,
          .name = device_class + ".json",
          .spec = Json::MakeObject({{"cdiVersion", "0.5.0"},
                                    {"kind", "example.com/" + device_class},
                                    {"devices", std::move(devices)},
                                    {"containerEdits", Json::MakeObject()}})};
}

class SpecFolderTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string Path(const std::string& name) const { return dir_ / ("cdi/" + name); }
  [[nodiscard]] std::string Text(const std::string& name) const {
    const auto text = base::ReadFile(Path(name), 1U << 20U);
    return text.ok() ? *text : "";
  }
  void Damage(const std::string& name) { std::ofstream(Path(name)) << "{"; }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  int changes_ = 0;
  int written_ = 0;
  bool ours_ = true;
  base::disk::testing::FakeWorker worker_{loop_};
  SpecFolder folder_{loop_,
                     worker_,
                     dir_ / "cdi",
                     {.changed = [this] { ++changes_; },
                      .may_mend = [this] { return ours_; },
                      .written = [this] { ++written_; }}};
};

TEST_F(SpecFolderTest, MendsWhatIsDeletedOrDamaged) {
  ASSERT_TRUE(folder_.Write({File("gpu"), File("gds")}).ok());
  const std::string gpu = Text("gpu.json");
  const std::string gds = Text("gds.json");
  ASSERT_FALSE(gpu.empty() || gds.empty());
  std::filesystem::remove(Path("gpu.json"));
  Damage("gds.json");
  loop_.RunPosted();
  loop_.AdvanceBy(milliseconds(1));
  EXPECT_EQ(Text("gpu.json"), gpu);
  EXPECT_EQ(Text("gds.json"), gds);
  EXPECT_TRUE(folder_.status().ok());
  EXPECT_EQ(changes_, 0);
}

TEST_F(SpecFolderTest, FilesOfOthersAreLeftAlone) {
  ASSERT_TRUE(folder_.Write({File("gpu")}).ok());
  std::ofstream(Path("other.json")) << "{";
  std::filesystem::remove(Path("other.json"));
  const base::FileIdentity before = base::IdentityOf(Path("gpu.json"));
  loop_.AdvanceBy(minutes(1));
  EXPECT_EQ(base::IdentityOf(Path("gpu.json")), before);
}

TEST_F(SpecFolderTest, CheckDoesNotWaitForTheLoop) {
  ASSERT_TRUE(folder_.Write({File("gpu")}).ok());
  const std::string gpu = Text("gpu.json");
  Damage("gpu.json");
  EXPECT_TRUE(folder_.Check().ok());
  EXPECT_EQ(Text("gpu.json"), gpu);
}

TEST_F(SpecFolderTest, AgainstAProgramThatInsistsItWritesEverMoreRarely) {
  ASSERT_TRUE(folder_.Write({File("gpu")}).ok());
  int mended = 0;
  for (int i = 0; i < 600; ++i) {
    Damage("gpu.json");
    loop_.AdvanceBy(milliseconds(100));
    mended += Text("gpu.json") == "{" ? 0 : 1;
  }
  EXPECT_GE(mended, 4);
  EXPECT_LE(mended, 12) << "of 600 in a minute";
  loop_.AdvanceBy(minutes(2));
  EXPECT_NE(Text("gpu.json"), "{") << "once the other has ended";
}

TEST_F(SpecFolderTest, FilesThatASuccessorHasTakenOverAreLeftToIt) {
  ASSERT_TRUE(folder_.Write({File("gpu")}).ok());
  ours_ = false;
  Damage("gpu.json");
  loop_.AdvanceBy(minutes(2));
  EXPECT_EQ(Text("gpu.json"), "{");
  EXPECT_TRUE(folder_.Check().ok());
  EXPECT_EQ(Text("gpu.json"), "{") << "nor before an answer";
}

TEST_F(SpecFolderTest, WhatIsWrittenLateIsTakenWhenItIsAskedForAgain) {
  worker_.Hang();
  EXPECT_EQ(folder_.Write({File("gpu")}).code(), base::Code::kDeadlineExceeded);
  EXPECT_EQ(folder_.Write({File("gpu")}).code(), base::Code::kDeadlineExceeded);
  EXPECT_EQ(worker_.waiting(), 1U);
  EXPECT_EQ(written_, 0);
  worker_.Release();
  EXPECT_EQ(written_, 1);
  worker_.Hang();
  EXPECT_TRUE(folder_.Write({File("gpu")}).ok()) << "without another look";
  EXPECT_FALSE(folder_.Write({File("gds")}).ok());
}

TEST_F(SpecFolderTest, AFolderThatDoesNotAnswerIsAsItWasKnown) {
  ASSERT_TRUE(folder_.Write({File("gpu")}).ok());
  const std::string gpu = Text("gpu.json");
  worker_.Hang();
  Damage("gpu.json");
  EXPECT_TRUE(folder_.Check().ok());
  loop_.AdvanceBy(minutes(2));
  EXPECT_TRUE(folder_.Check().ok());
  EXPECT_EQ(Text("gpu.json"), "{");
  EXPECT_LE(worker_.waiting(), 2U);
  worker_.Release();
  EXPECT_EQ(Text("gpu.json"), gpu);
}

TEST_F(SpecFolderTest, WhatCannotBeMendedIsToldAndTriedAgain) {
  ASSERT_TRUE(folder_.Write({File("gpu")}).ok());
  std::filesystem::remove_all(dir_ / "cdi");
  std::ofstream(dir_ / "cdi") << "no folder";
  loop_.AdvanceBy(seconds(1));
  EXPECT_FALSE(folder_.status().ok());
  EXPECT_EQ(changes_, 1);
  std::filesystem::remove(dir_ / "cdi");
  loop_.AdvanceBy(seconds(35));
  EXPECT_TRUE(folder_.status().ok());
  EXPECT_EQ(changes_, 2);
  EXPECT_FALSE(Text("gpu.json").empty());
}

TEST_F(SpecFolderTest, WhereOneFileCannotBeWrittenTheEarlierOnesAreKept) {
  ASSERT_TRUE(folder_.Write({File("gpu")}).ok());
  CdiFile bad = File("gds");
  bad.spec = Json::MakeObject();
  CdiFile other = File("gpu");
  other.spec.Set("kind", "example.com/other");
  EXPECT_FALSE(folder_.Write({other, bad}).ok());
  EXPECT_TRUE(folder_.Check().ok());
  EXPECT_NE(Text("gpu.json").find("example.com/gpu"), std::string::npos);
}

}  // namespace
}  // namespace tranche::cdi
