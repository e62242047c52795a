#include "rpc/stream_head.h"

#include <gtest/gtest.h>

namespace tranche::rpc {
namespace {

StreamHead Answer(const std::string& grpc_status, const std::string& grpc_message = "") {
  StreamHead head;
  head.Take(":status", "200");
  head.Take("grpc-status", grpc_status);
  head.Take("grpc-message", grpc_message);
  return head;
}

TEST(StreamHeadTest, TakesWhatItKnowsAndCutsIt) {
  StreamHead head;
  head.Take(":path", "/a/b");
  head.Take("user-agent", "x");
  EXPECT_EQ(head.method, "/a/b");
  head.Take(":path", std::string(2 * StreamHead::kMaxValueBytes, 'x'));
  EXPECT_EQ(head.method.size(), StreamHead::kMaxValueBytes);
}

TEST(StatusOfTest, CodeAndDecodedText) {
  EXPECT_TRUE(StatusOf(Answer("0")).ok());
  const base::Status status = StatusOf(Answer("5", "no%20such %C3%A9%"));
  EXPECT_EQ(status.code(), base::Code::kNotFound);
  EXPECT_EQ(status.message(), "no such é%");
}

TEST(StatusOfTest, UnknownCodesAndNoneAreUnknown) {
  for (const char* const code : {"16", "99999999999", "-1", "", "0x", "1 "}) {
    EXPECT_EQ(StatusOf(Answer(code, "why")).code(), base::Code::kUnknown) << code;
  }
  EXPECT_EQ(StatusOf(Answer("")).message(), "the answer ended without a status");
}

TEST(StatusOfTest, WordsAreForPeople) {
  const std::string text = StatusOf(Answer("2", "%1B[2J" + std::string(4000, 'x'))).message();
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_LT(text.size(), 600U);
}

TEST(StatusOfTest, WhatIsNoGrpc) {
  StreamHead head;
  head.Take(":status", "503");
  EXPECT_EQ(StatusOf(head).code(), base::Code::kUnavailable);
  EXPECT_EQ(StatusOf(head).message(), "the answer has the HTTP status 503");
  head.Take(":status", "404");
  EXPECT_EQ(StatusOf(head).code(), base::Code::kUnimplemented);
}

TEST(StatusOfResetTest, ByCode) {
  EXPECT_EQ(StatusOfReset(7).code(), base::Code::kUnavailable);
  EXPECT_EQ(StatusOfReset(8).code(), base::Code::kCancelled);
  EXPECT_EQ(StatusOfReset(11).code(), base::Code::kResourceExhausted);
  EXPECT_EQ(StatusOfReset(2).code(), base::Code::kInternal);
}

TEST(EncodeTextTest, EveryByteComesBack) {
  std::string text;
  for (int byte = 0; byte < 256; ++byte) text += static_cast<char>(byte);
  const std::string encoded = EncodeText(text);
  for (const char letter : encoded) EXPECT_TRUE(letter >= ' ' && letter <= '~');
  EXPECT_EQ(DecodeText(encoded), text);
  EXPECT_EQ(EncodeText("plain words, 5%"), "plain words, 5%25");
}

}  // namespace
}  // namespace tranche::rpc
