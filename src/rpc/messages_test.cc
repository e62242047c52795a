#include "rpc/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace tranche::rpc {
namespace {

using ::testing::ElementsAre;

// Everything that `writer` gives out, in pieces of at most `size` bytes.
std::string WriteAll(MessageWriter& writer, std::size_t size) {
  std::string all;
  std::vector<std::uint8_t> piece(size);
  while (const std::size_t written = writer.Write(piece)) {
    all.append(reinterpret_cast<const char*>(piece.data()), written);
  }
  return all;
}

std::string Prefixed(const std::string& message) {
  MessageWriter writer;
  writer.Send(std::make_shared<const std::string>(message));
  return WriteAll(writer, 1 << 20);
}

class MessageReaderTest : public ::testing::Test {
 protected:
  base::Status Read(std::string_view bytes) {
    return reader_.Read(bytes,
                        [this](std::string message) { read_.push_back(std::move(message)); });
  }

  std::shared_ptr<UnfinishedBytes> unfinished_ = std::make_shared<UnfinishedBytes>(1000);
  MessageReader reader_{1000, unfinished_};
  std::vector<std::string> read_;
};

TEST_F(MessageReaderTest, InPiecesOfAnySize) {
  const std::string long_one(700, 'x');
  const std::string bytes = Prefixed("one") + Prefixed("") + Prefixed(long_one);
  for (const std::size_t size : {1U, 2U, 5U, 6U, 300U, 5000U}) {
    read_.clear();
    for (std::size_t i = 0; i < bytes.size(); i += size) {
      ASSERT_TRUE(Read(std::string_view(bytes).substr(i, size)).ok());
    }
    EXPECT_THAT(read_, ElementsAre("one", "", long_one)) << size;
  }
}

TEST_F(MessageReaderTest, ATooLargeOneIsRefusedByItsPrefix) {
  const base::Status status = Read(Prefixed(std::string(1001, 'x')).substr(0, kMessagePrefixBytes));
  EXPECT_EQ(status.code(), base::Code::kResourceExhausted);
  EXPECT_EQ(status.message(), "a message of 1001 bytes, where at most 1000 are taken");
}

TEST_F(MessageReaderTest, ACompressedOneIsRefused) {
  std::string bytes = Prefixed("x");
  bytes[0] = 1;
  EXPECT_EQ(Read(bytes).code(), base::Code::kUnimplemented);
}

TEST_F(MessageReaderTest, ReadersShareWhatUnfinishedOnesMayHold) {
  const std::string most = Prefixed(std::string(900, 'x')).substr(0, 900);
  {
    MessageReader other(1000, unfinished_);
    ASSERT_TRUE(other.Read(most, nullptr).ok());
    EXPECT_EQ(Read(most).code(), base::Code::kResourceExhausted);
  }
  EXPECT_TRUE(unfinished_->Take(1000)) << "whoever is gone holds nothing";
}

TEST_F(MessageReaderTest, AWholeOneHoldsNothing) {
  ASSERT_TRUE(Read(Prefixed(std::string(900, 'x'))).ok());
  EXPECT_TRUE(unfinished_->Take(1000));
}

TEST(MessageWriterTest, InPiecesOfAnySize) {
  for (const std::size_t size : {1U, 4U, 5U, 7U, 100U}) {
    MessageWriter writer;
    writer.Send(std::make_shared<const std::string>("message"));
    EXPECT_EQ(WriteAll(writer, size), std::string("\0\0\0\0\7message", 12)) << size;
    EXPECT_TRUE(writer.empty());
  }
}

TEST(MessageWriterTest, OnlyTheNewestWaits) {
  MessageWriter writer;
  for (const char* const message : {"first", "second", "third"}) {
    writer.Send(std::make_shared<const std::string>(message));
  }
  EXPECT_EQ(WriteAll(writer, 3), Prefixed("first") + Prefixed("third"));
}

}  // namespace
}  // namespace tranche::rpc
