#include "node/program_looks.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utime.h>

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "node/walls/pod_pages.h"
#include "wire/pages.h"

namespace tranche::node {
namespace {

using base::Code;
using base::Status;

const std::string kId(64, 'b');

class ProgramLooksTest : public ::testing::Test {
 protected:
  ProgramLooksTest() {
    EXPECT_TRUE(base::MakeDirectories(dir_ / "births").ok());
    Birth(kId, R"({"walls": "no", "reason": "musl"})");
  }
  std::unique_ptr<ProgramLooks> New(const std::string& births) {
    auto worker = std::make_unique<base::disk::testing::FakeWorker>(loop_);
    worker_ = worker.get();
    return std::make_unique<ProgramLooks>(std::move(worker),
                                          walls::InsidePaths{.shims = "", .births = births});
  }
  // What was said at the birth of a container, two hours ago.
  void Birth(const std::string& id, const std::string& text) {
    const std::string path = base::JoinPath(dir_ / "births", id);
    EXPECT_TRUE(base::WriteFileAtomic(path, text).ok());
    const time_t then = time(nullptr) - 7200;
    const utimbuf times{.actime = then, .modtime = then};
    EXPECT_EQ(utime(path.c_str(), &times), 0);
  }
  [[nodiscard]] bool Remembered(const std::string& id) const {
    return base::Exists(base::JoinPath(dir_ / "births", id));
  }
  // Into this process.
  void LookInside() {
    looks_->LookInside(kSelf, kId, [this](walls::Inside inside) { inside_ = std::move(inside); });
  }
  void AskForPage(unsigned pid, const walls::PageIdentity& page) {
    has_.reset();
    looks_->HasPage(pid, page, [this](bool has) { has_ = has; });
    loop_.RunPosted();
  }

  const unsigned kSelf = static_cast<unsigned>(getpid());
  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  base::disk::testing::FakeWorker* worker_ = nullptr;
  std::unique_ptr<ProgramLooks> looks_ = New(dir_ / "births");
  std::optional<walls::Inside> inside_;
  std::optional<bool> has_;
};

TEST_F(ProgramLooksTest, WhatIsSeenInAProgramIsToldLaterOnTheLoop) {
  LookInside();
  EXPECT_FALSE(inside_) << "it is looked at elsewhere";
  loop_.RunPosted();
  ASSERT_TRUE(inside_);
  EXPECT_EQ(inside_->loaded, walls::Loaded::kNothing);
  ASSERT_TRUE(inside_->birth);
  EXPECT_EQ(inside_->birth->word, "musl");
}

TEST_F(ProgramLooksTest, AProgramThatLetsItWaitKeepsNobodyElseWaiting) {
  worker_->Hang();
  LookInside();
  AskForPage(kSelf, {});
  looks_->ForgetBirths({});
  loop_.RunPosted();
  EXPECT_FALSE(inside_);
  EXPECT_FALSE(has_);
  EXPECT_TRUE(Remembered(kId));
  EXPECT_EQ(worker_->waiting(), 3U);
  worker_->Release();
  EXPECT_TRUE(inside_);
  EXPECT_TRUE(has_);
  EXPECT_FALSE(Remembered(kId));
}

TEST_F(ProgramLooksTest, WhatIsNotLookedAtIsNotAnsweredAndCanBeAskedForAgain) {
  worker_->refuse = Status(Code::kResourceExhausted, "too many wait");
  LookInside();
  AskForPage(kSelf, {});
  looks_->ForgetBirths({});
  loop_.RunPosted();
  EXPECT_FALSE(inside_);
  EXPECT_FALSE(has_);
  EXPECT_TRUE(Remembered(kId));
  worker_->refuse = Status::Ok();
  LookInside();
  loop_.RunPosted();
  EXPECT_TRUE(inside_);
}

TEST_F(ProgramLooksTest, ItIsToldWhetherAProgramHasThePageMapped) {
  auto pages = walls::PodPages::New({}, walls::Away::kOpen);
  ASSERT_TRUE(pages.ok());
  AskForPage(kSelf, pages->identity());
  EXPECT_EQ(has_, true) << "this process made it";
  walls::PageIdentity other = pages->identity();
  ++other.inode;
  AskForPage(kSelf, other);
  EXPECT_EQ(has_, false);
}

// "It has none" would give back what the program holds.
TEST_F(ProgramLooksTest, OfAProgramThatCannotBeLookedIntoNothingIsSaidOfPages) {
  auto pages = walls::PodPages::New({}, walls::Away::kOpen);
  ASSERT_TRUE(pages.ok());
  AskForPage(0, pages->identity());
  EXPECT_EQ(has_, std::nullopt);
}

TEST_F(ProgramLooksTest, BirthsAreForgottenButThoseOfContainersThatAreThere) {
  Birth("gone", "{}");
  looks_->ForgetBirths({kId});
  loop_.RunPosted();
  EXPECT_TRUE(Remembered(kId));
  EXPECT_FALSE(Remembered("gone"));
}

TEST_F(ProgramLooksTest, WhereNobodyTellsOfBirthsNoneAreForgotten) {
  EXPECT_EQ(looks_->births(), walls::Births::kTold);
  looks_ = New("");
  EXPECT_EQ(looks_->births(), walls::Births::kNotTold);
  worker_->Hang();
  looks_->ForgetBirths({});
  EXPECT_EQ(worker_->waiting(), 0U);
}

}  // namespace
}  // namespace tranche::node
