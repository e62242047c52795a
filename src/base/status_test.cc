#include "base/status.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace tranche::base {
namespace {

TEST(StatusTest, OkCarriesNothing) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), Code::kOk);
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(status, Status::Ok());
}

TEST(StatusTest, WrapPutsTheContextInFrontAndKeepsTheCode) {
  const Status inner(Code::kNotFound, "no such file");
  EXPECT_EQ(inner.Wrap("reading /etc/x").Wrap("starting"),
            Status(Code::kNotFound, "starting: reading /etc/x: no such file"));
  EXPECT_EQ(Status::Ok().Wrap("anything"), Status::Ok());
}

TEST(StatusTest, CodesAreGrpcs) {
  EXPECT_EQ(static_cast<int>(Code::kInvalidArgument), 3);
  EXPECT_EQ(static_cast<int>(Code::kResourceExhausted), 8);
  EXPECT_EQ(static_cast<int>(Code::kUnavailable), 14);
  EXPECT_EQ(static_cast<int>(Code::kDataLoss), 15);
}

TEST(StatusTest, ErrnoBecomesCodeAndText) {
  EXPECT_EQ(ErrnoStatus(ENOENT, "open /x"),
            Status(Code::kNotFound, "open /x: No such file or directory"));
  EXPECT_EQ(ErrnoStatus(ENOTDIR, "").code(), Code::kNotFound);
  EXPECT_EQ(ErrnoStatus(EACCES, "").code(), Code::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(EPERM, "").code(), Code::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(EEXIST, "").code(), Code::kAlreadyExists);
  EXPECT_EQ(ErrnoStatus(ENOSPC, "").code(), Code::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(EDQUOT, "").code(), Code::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(EIO, "").code(), Code::kUnavailable);
  EXPECT_FALSE(ErrnoStatus(123456, "odd").ok());
  EXPECT_EQ(ErrnoStatus(123456, "odd").message(), "odd: Unknown error 123456");
}

Status Fails() { return {Code::kAborted, "stopped here"}; }
Status TriesBoth(bool& reached) {
  TRANCHE_TRY(Status::Ok());
  TRANCHE_TRY(Fails());
  reached = true;
  return Status::Ok();
}

TEST(StatusTest, TryReturnsTheFirstFailure) {
  bool reached = false;
  EXPECT_EQ(TriesBoth(reached), Fails());
  EXPECT_FALSE(reached);
}

TEST(ResultTest, HoldsAValueOrWhyNot) {
  const Result<int> value = 7;
  EXPECT_TRUE(value.ok());
  EXPECT_EQ(*value, 7);
  EXPECT_TRUE(value.status().ok());
  const Result<int> none = Status(Code::kInternal, "why");
  EXPECT_FALSE(none.ok());
  EXPECT_EQ(none.status().message(), "why");
}

TEST(ResultTest, MovesAValueThatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 3);
}

using ResultDeathTest = ::testing::Test;

TEST(ResultDeathTest, AskingForAValueThatIsNotThereStopsTheProcess) {
  const Result<int> none = Status(Code::kInternal, "why");
  EXPECT_DEATH({ [[maybe_unused]] const int value = *none; }, "broken invariant: ok\\(\\)");
}

TEST(ResultDeathTest, AnOkStatusIsNoReasonForHavingNoValue) {
  EXPECT_DEATH({ const Result<int> wrong = Status::Ok(); }, "broken invariant");
}

}  // namespace
}  // namespace tranche::base
