#include "node/walls/requests.h"

#include <gtest/gtest.h>

#include <vector>

#include "wire/pages.h"

namespace tranche::node::walls {
namespace {

using wire::Status;

template <class Message>
std::span<const std::byte> Bytes(const Message& message) {
  return std::as_bytes(std::span(&message, 1));
}

wire::Hello Hello() {
  return {.header = {wire::kMagic, wire::kVersion, wire::Kind::kHello}, .image = 7};
}

Status Refusal(std::span<const std::byte> packet) {
  const auto read = ReadRequest(packet);
  const auto* status = std::get_if<Status>(&read);
  return status == nullptr ? Status::kOk : *status;
}

TEST(RequestsTest, ReadsWhatIsRight) {
  const wire::Hello hello = Hello();
  const auto read = ReadRequest(Bytes(hello));
  EXPECT_EQ(std::get<wire::Hello>(std::get<Request>(read)).image, 7U);
  const wire::Look look{.header = {wire::kMagic, wire::kVersion, wire::Kind::kLook}};
  const auto read_look = ReadRequest(Bytes(look));
  EXPECT_TRUE(std::holds_alternative<wire::Look>(std::get<Request>(read_look)));
  EXPECT_EQ(Refusal(Bytes(look).first(sizeof look - 1)), Status::kRefused);
}

TEST(RequestsTest, AnotherVersionIsToldApartFromNonsense) {
  wire::Hello hello = Hello();
  hello.header.version = wire::kVersion + 1;
  EXPECT_EQ(Refusal(Bytes(hello)), Status::kUnknownVersion);
  // Of another size, too: only the header means the same in all of them.
  EXPECT_EQ(Refusal(Bytes(hello.header)), Status::kUnknownVersion);
  hello.header.magic = 1;
  EXPECT_EQ(Refusal(Bytes(hello)), Status::kRefused);
}

TEST(RequestsTest, NothingOfTheWrongSizeOrOutOfBoundsIsRead) {
  wire::Hello hello = Hello();
  for (std::size_t size = 0; size < sizeof hello; ++size) {
    EXPECT_EQ(Refusal(Bytes(hello).first(size)), Status::kRefused) << size;
  }
  const std::vector<std::byte> longer(sizeof hello + 1);
  EXPECT_EQ(Refusal(longer), Status::kRefused);
  hello.device_count = wire::kMaxDevices + 1;
  EXPECT_EQ(Refusal(Bytes(hello)), Status::kRefused);
  wire::Measure measure{.header = {wire::kMagic, wire::kVersion, wire::Kind::kMeasure}};
  EXPECT_EQ(Refusal(Bytes(measure)), Status::kOk);
  measure.slot = wire::kMaxSlots;
  EXPECT_EQ(Refusal(Bytes(measure)), Status::kRefused);
  measure.slot = 0;
  measure.device = wire::kMaxDevices;
  EXPECT_EQ(Refusal(Bytes(measure)), Status::kRefused);
  measure.device = 0;
  measure.header.kind = wire::Kind::kMeasureAnswer;
  EXPECT_EQ(Refusal(Bytes(measure)), Status::kRefused);
}

TEST(RequestsTest, UuidsAreReadAsTheDriverWritesThem) {
  const auto uuid = ParseUuid("GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8FF");
  ASSERT_TRUE(uuid.has_value());
  EXPECT_EQ(uuid->bytes[0], 0x0a);
  EXPECT_EQ(uuid->bytes[4], 0x4e);
  EXPECT_EQ(uuid->bytes[15], 0xff);
  EXPECT_TRUE(ParseUuid("MIG-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9").has_value());
  EXPECT_FALSE(ParseUuid("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9").has_value());
  EXPECT_FALSE(ParseUuid("GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f").has_value());
  EXPECT_FALSE(ParseUuid("GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8g9").has_value());
  EXPECT_FALSE(ParseUuid("GPU-0a1b2c3d04e5f06071082930a4b5c6d7e8f9").has_value());
}

}  // namespace
}  // namespace tranche::node::walls
