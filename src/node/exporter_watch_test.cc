#include "node/exporter_watch.h"

#include <gtest/gtest.h>

#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "node/identity/testing/fake_proc.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;

class ExporterWatchTest : public ::testing::Test {
 protected:
  ExporterWatchTest() {
    proc_.Put(7, identity::testing::kHostGroup);
    proc_.Put(9, identity::testing::kHostGroup);
  }

  base::testing::FakeLoop loop_;
  identity::testing::FakeProc proc_;
  ExporterWatch watch_{loop_, proc_};
};

TEST_F(ExporterWatchTest, OneThatRunsAlreadyIsSeenAtTheStartAndNotBefore) {
  proc_.Name(9, "dcgm-exporter");
  loop_.AdvanceBy(2 * ExporterWatch::kLook);
  EXPECT_FALSE(watch_.runs());
  watch_.Start();
  EXPECT_TRUE(watch_.runs());
}

TEST_F(ExporterWatchTest, OneThatComesOrGoesIsSeenAtTheNextLook) {
  watch_.Start();
  EXPECT_FALSE(watch_.runs());
  proc_.Name(7, "dcgm-exporter");
  loop_.AdvanceBy(ExporterWatch::kLook - 1s);
  EXPECT_FALSE(watch_.runs());
  loop_.AdvanceBy(1s);
  EXPECT_TRUE(watch_.runs());
  proc_.End(7);
  loop_.AdvanceBy(ExporterWatch::kLook);
  EXPECT_FALSE(watch_.runs());
}

TEST_F(ExporterWatchTest, AnotherNameIsNoExporter) {
  for (const char* name : {"dcgm-exporter2", "nv-hostengine", ""}) {
    proc_.Name(7, name);
    watch_.Start();
    EXPECT_FALSE(watch_.runs()) << name;
  }
}

TEST_F(ExporterWatchTest, WhereProcessesCannotBeListedItDoesNotRun) {
  const base::testing::TempDir dir;
  const auto proc = identity::NewProc(dir / "none");
  ExporterWatch watch(loop_, *proc);
  watch.Start();
  EXPECT_FALSE(watch.runs());
}

}  // namespace
}  // namespace tranche::node
