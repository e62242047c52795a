#include "daemon/status_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"

namespace tranche::daemon {
namespace {

using std::chrono::milliseconds;

class StatusFileTest : public ::testing::Test {
 protected:
  std::string Content() const {
    const auto text = base::ReadFile(dir_ / "run/status.json", 1 << 20);
    return text.ok() ? *text : "";
  }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  int rendered_ = 0;
  StatusFile file_{loop_, dir_ / "run", [this] {
                     return base::Json::MakeObject({{"rendered", ++rendered_}});
                   }};
};

TEST_F(StatusFileTest, ChangesCloseTogetherAreWrittenOnce) {
  file_.Changed();
  file_.Changed();
  EXPECT_EQ(Content(), "");
  loop_.AdvanceBy(milliseconds(50));
  EXPECT_EQ(Content(), "{\n  \"rendered\": 1\n}\n");
  loop_.AdvanceBy(milliseconds(500));
  EXPECT_EQ(rendered_, 1);
  file_.Changed();
  loop_.AdvanceBy(milliseconds(50));
  EXPECT_EQ(rendered_, 2);
}

TEST_F(StatusFileTest, ItIsWrittenAgainThoughNothingHasChanged) {
  file_.Changed();
  loop_.AdvanceBy(milliseconds(50));
  loop_.AdvanceBy(6 * StatusFile::kHeartbeat);
  EXPECT_EQ(rendered_, 7);
}

TEST_F(StatusFileTest, ItsWriterIsAliveAsLongAsItLives) {
  EXPECT_EQ(StatusWriter(dir_ / "run"), Writer::kUnknown) << "nothing there";
  auto other =
      std::make_unique<StatusFile>(loop_, dir_ / "run", [] { return base::Json::MakeObject(); });
  other->Changed();
  file_.Changed();
  loop_.AdvanceBy(milliseconds(50));
  EXPECT_EQ(StatusWriter(dir_ / "run"), Writer::kAlive);
  other.reset();
  EXPECT_EQ(StatusWriter(dir_ / "run"), Writer::kAlive) << "one of the two still lives";
}

TEST_F(StatusFileTest, OfAWriterThatWasKilledTheFileIsLeftAndTheLockIsNot) {
  auto killed =
      std::make_unique<StatusFile>(loop_, dir_ / "run", [] { return base::Json::MakeObject(); });
  killed->Changed();
  loop_.AdvanceBy(milliseconds(50));
  killed.reset();
  EXPECT_NE(Content(), "");
  EXPECT_EQ(StatusWriter(dir_ / "run"), Writer::kGone);
}

TEST_F(StatusFileTest, ALockFileThatWasRemovedIsHeldAnew) {
  file_.Changed();
  loop_.AdvanceBy(milliseconds(50));
  EXPECT_EQ(unlink((dir_ / "run/status.lock").c_str()), 0);
  loop_.AdvanceBy(StatusFile::kHeartbeat);
  EXPECT_EQ(StatusWriter(dir_ / "run"), Writer::kAlive);
}

// Whoever can open it can lock it, and would pass for an agent.
TEST_F(StatusFileTest, OnlyItsOwnerMayOpenTheLock) {
  file_.Changed();
  loop_.AdvanceBy(milliseconds(50));
  struct stat info {};
  ASSERT_EQ(stat((dir_ / "run/status.lock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(StatusFileTest, RemovedItStaysAway) {
  file_.Changed();
  loop_.AdvanceBy(milliseconds(50));
  file_.Changed();
  file_.Remove();
  loop_.AdvanceBy(milliseconds(50));
  EXPECT_FALSE(base::Exists(dir_ / "run/status.json"));
}

TEST_F(StatusFileTest, AFolderThatCannotBeMadeIsTriedAtTheNextChange) {
  EXPECT_TRUE(base::WriteFileAtomic(dir_ / "run", "a file").ok());
  file_.Changed();
  loop_.AdvanceBy(milliseconds(50));
  EXPECT_EQ(rendered_, 1);
  EXPECT_EQ(unlink((dir_ / "run").c_str()), 0);
  file_.Changed();
  loop_.AdvanceBy(milliseconds(50));
  EXPECT_EQ(Content(), "{\n  \"rendered\": 2\n}\n");
}

TEST_F(StatusFileTest, WithoutAFolderNothingIsRendered) {
  StatusFile none(loop_, "", [this] {
    ++rendered_;
    return base::Json();
  });
  none.Changed();
  loop_.AdvanceBy(milliseconds(50));
  none.Remove();
  EXPECT_EQ(rendered_, 0);
}

}  // namespace
}  // namespace tranche::daemon
