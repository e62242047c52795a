#include "node/delivery/delivery.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "node/delivery/testing/fake_labels.h"

namespace tranche::node::delivery {
namespace {

namespace fs = std::filesystem;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

class DeliveryTest : public ::testing::Test {
 protected:
  DeliveryTest() {
    fs::create_directories(dir_ / "image");
    std::ofstream(dir_ / "image/tranche-hook") << "hook";
    std::ofstream(dir_ / "image/libcuda.tranche-12000.so.1") << "library";
    options_ = {.source = dir_ / "image",
                .files = dir_ / "host/shim",
                .walls = dir_ / "host/walls",
                .cdi_directories = {dir_ / "etc", dir_ / "run"},
                .runs_here = true};
  }
  Delivery& Made() {
    delivery_ = std::make_unique<Delivery>(loop_, worker_, options_, [this] { ++changes_; });
    return *delivery_;
  }
  void Settle() {
    loop_.RunPosted();
    loop_.AdvanceBy(std::chrono::milliseconds(1));
  }
  [[nodiscard]] std::string Spec(const std::string& folder) const {
    return dir_ / (folder + "/" + cdi::kShimFile);
  }
  [[nodiscard]] base::Result<std::int64_t> ConfirmedAt() const {
    return cdi::ShimConfirmedAt(options_.cdi_directories);
  }
  // As if nobody had confirmed it for long.
  void Age(const std::string& folder) {
    const timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 1000, .tv_nsec = 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, Spec(folder).c_str(), times, 0), 0);
    loop_.RunPosted();
  }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  base::disk::testing::FakeWorker worker_{loop_};
  Delivery::Options options_;
  int changes_ = 0;
  std::unique_ptr<Delivery> delivery_;
};

TEST_F(DeliveryTest, NothingIsDoneBeforeItIsWanted) {
  Delivery& delivery = Made();
  loop_.AdvanceBy(minutes(1));
  EXPECT_FALSE(base::Exists(dir_ / "host"));
  EXPECT_FALSE(base::Exists(dir_ / "etc"));
  delivery.Want(true);
  Settle();
  EXPECT_TRUE(delivery.state().published) << delivery.state().trouble;
  EXPECT_EQ(delivery.state().trouble, "");
  EXPECT_EQ(changes_, 1);
  EXPECT_TRUE(base::Exists(dir_ / "host/shim/tranche-hook"));
  EXPECT_TRUE(base::Exists(dir_ / "host/walls")) << "a container's mount needs it";
  EXPECT_TRUE(base::Exists(Spec("etc")));
  EXPECT_TRUE(base::Exists(Spec("run")));
}

TEST_F(DeliveryTest, WhereSELinuxIsInForceContainersAreLetIn) {
  auto labels = std::make_shared<testing::FakeLabels>();
  options_.labels = labels;
  fs::create_directories(dir_ / "host/walls");
  std::ofstream(dir_ / "host/walls/arbiter.sock") << "the door was opened before";
  Made().Want(true);
  Settle();
  EXPECT_TRUE(delivery_->state().published) << delivery_->state().trouble;
  const std::string readable = "system_u:object_r:container_ro_file_t:s0";
  const std::string writable = "system_u:object_r:container_file_t:s0";
  EXPECT_EQ(labels->on_disk[dir_ / "host/shim"], readable);
  EXPECT_EQ(labels->on_disk[dir_ / "host/shim/tranche-hook"], readable);
  EXPECT_EQ(labels->on_disk[dir_ / "host/shim/libcuda.tranche-12000.so.1"], readable);
  EXPECT_EQ(labels->on_disk[dir_ / "host/walls"], writable);
  EXPECT_EQ(labels->on_disk[dir_ / "host/walls/arbiter.sock"], writable);
}

// A shim that programs must not read would keep them from libcuda altogether.
TEST_F(DeliveryTest, WhereTheyCannotBeLetInNothingIsPublished) {
  auto labels = std::make_shared<testing::FakeLabels>();
  labels->refuses = true;
  options_.labels = labels;
  Made().Want(true);
  Settle();
  EXPECT_FALSE(delivery_->state().published);
  EXPECT_THAT(delivery_->state().trouble, HasSubstr("SELinux keeps containers from"));
  EXPECT_FALSE(base::Exists(Spec("run")));
  labels->refuses = false;
  loop_.AdvanceBy(Delivery::kLook);
  Settle();
  EXPECT_TRUE(delivery_->state().published) << "it is tried again";
}

TEST_F(DeliveryTest, WhatIsPublishedStaysWhenThisProgramEnds) {
  Made().Want(true);
  Settle();
  delivery_->Want(false);
  EXPECT_FALSE(delivery_->state().published);
  delivery_.reset();
  EXPECT_TRUE(base::Exists(Spec("run"))) << "running pods refer to it";
  EXPECT_TRUE(base::Exists(dir_ / "host/shim/tranche-hook"));
}

TEST_F(DeliveryTest, ItIsConfirmedForAsLongAsItIsWanted) {
  Delivery& delivery = Made();
  delivery.Want(true);
  Settle();
  for (int i = 0; i < 3; ++i) {
    Age("etc");
    Age("run");
    loop_.AdvanceBy(cdi::kShimConfirmed + Delivery::kLook);
    EXPECT_GT(ConfirmedAt().value(), 1000'000'000'000) << i;
  }
  delivery.Want(false);
  Age("etc");
  Age("run");
  loop_.AdvanceBy(minutes(10));
  EXPECT_EQ(ConfirmedAt().value(), 1000'000'000'000) << "nobody wants it";
}

// What a forerunner has written is right, and is not written again.
TEST_F(DeliveryTest, ASuccessorConfirmsAtOnce) {
  Made().Want(true);
  Settle();
  delivery_.reset();
  Age("etc");
  Age("run");
  Made().Want(true);
  Settle();
  EXPECT_GT(ConfirmedAt().value(), 1000'000'000'000);
}

TEST_F(DeliveryTest, FilesAndSpecsAreMended) {
  Delivery& delivery = Made();
  delivery.Want(true);
  Settle();
  fs::remove(dir_ / "host/shim/tranche-hook");
  fs::remove_all(dir_ / "host/walls");
  fs::remove(Spec("etc"));
  fs::remove_all(dir_ / "run");
  loop_.AdvanceBy(minutes(1));
  EXPECT_TRUE(base::Exists(dir_ / "host/shim/tranche-hook"));
  EXPECT_TRUE(base::Exists(dir_ / "host/walls"));
  EXPECT_TRUE(base::Exists(Spec("etc")));
  EXPECT_TRUE(base::Exists(Spec("run")));
  EXPECT_TRUE(delivery.state().published);
}

TEST_F(DeliveryTest, OneFolderOfSpecsIsEnoughAndTheOtherIsSaid) {
  std::ofstream(dir_ / "etc") << "no folder";
  Delivery& delivery = Made();
  delivery.Want(true);
  Settle();
  EXPECT_TRUE(delivery.state().published);
  EXPECT_THAT(delivery.state().trouble, HasSubstr(dir_ / "etc"));
  fs::remove(dir_ / "etc");
  loop_.AdvanceBy(Delivery::kLook);
  EXPECT_EQ(delivery.state().trouble, "");
  EXPECT_TRUE(base::Exists(Spec("etc")));
}

TEST_F(DeliveryTest, NothingIsPublishedThatIsNotThere) {
  fs::rename(dir_ / "image", dir_ / "away");
  Delivery& delivery = Made();
  delivery.Want(true);
  Settle();
  EXPECT_FALSE(delivery.state().published);
  EXPECT_THAT(delivery.state().trouble, HasSubstr(dir_ / "image"));
  EXPECT_FALSE(ConfirmedAt().ok());
  fs::rename(dir_ / "away", dir_ / "image");
  loop_.AdvanceBy(Delivery::kLook);
  EXPECT_TRUE(delivery.state().published);
  EXPECT_TRUE(ConfirmedAt().ok());
}

TEST_F(DeliveryTest, FilesThatGoAreNoLongerConfirmed) {
  Delivery& delivery = Made();
  delivery.Want(true);
  Settle();
  fs::rename(dir_ / "image", dir_ / "away");
  loop_.AdvanceBy(seconds(1));
  Age("etc");
  Age("run");
  loop_.AdvanceBy(minutes(5));
  EXPECT_FALSE(delivery.state().published);
  EXPECT_EQ(ConfirmedAt().value(), 1000'000'000'000);
}

TEST_F(DeliveryTest, AnotherArchitectureIsSaid) {
  options_.runs_here = false;
  Delivery& delivery = Made();
  delivery.Want(true);
  loop_.AdvanceBy(minutes(1));
  EXPECT_TRUE(delivery.state().wanted);
  EXPECT_FALSE(delivery.state().published);
  EXPECT_THAT(delivery.state().trouble, HasSubstr("architecture"));
  EXPECT_FALSE(base::Exists(dir_ / "host"));
}

TEST_F(DeliveryTest, WithoutAFolderNothingIsDelivered) {
  options_.files = "";
  Delivery& delivery = Made();
  delivery.Want(true);
  loop_.AdvanceBy(minutes(1));
  EXPECT_FALSE(delivery.state().wanted);
  EXPECT_FALSE(ConfirmedAt().ok());
}

TEST_F(DeliveryTest, ADiskThatHangsIsWaitedFor) {
  Delivery& delivery = Made();
  worker_.Hang();
  delivery.Want(true);
  loop_.AdvanceBy(minutes(1));
  EXPECT_FALSE(delivery.state().published);
  EXPECT_LE(worker_.waiting(), 1U) << "looks do not queue up";
  worker_.Release();
  Settle();
  EXPECT_TRUE(delivery.state().published);
}

}  // namespace
}  // namespace tranche::node::delivery
