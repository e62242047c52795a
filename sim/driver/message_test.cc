#include "sim/driver/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "sim/driver/testing/program.h"

namespace tranche::sim::driver {
namespace {

using link::Kind;
using Step = MessageReader::Step;
using testing::Encode;

std::vector<std::byte> Raw(Kind kind, std::uint16_t flags, std::uint32_t claimed,
                           std::size_t body) {
  const link::Header header{.kind = kind, .flags = flags, .bytes = claimed};
  std::vector<std::byte> bytes(sizeof header + body);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

TEST(MessageReaderTest, GivesMessagesHoweverTheirBytesCome) {
  const auto first = Encode(Kind::kRelease, link::Release{.id = 7});
  const auto second = Encode(Kind::kMemoryInfo, link::MemoryInfo{.slot = 3, .gpu_instance = 1});
  std::vector<std::byte> all = first;
  all.insert(all.end(), second.begin(), second.end());
  for (std::size_t piece = 1; piece <= all.size(); ++piece) {
    MessageReader reader;
    std::vector<Message> messages;
    for (std::size_t at = 0; at < all.size(); at += piece) {
      reader.Feed(std::span(all).subspan(at, std::min(piece, all.size() - at)));
      Message message;
      while (reader.Next(&message) == Step::kMessage) messages.push_back(message);
    }
    ASSERT_EQ(messages.size(), 2U) << piece;
    EXPECT_EQ(std::get<link::Release>(messages[0]).id, 7U);
    EXPECT_EQ(std::get<link::MemoryInfo>(messages[1]).slot, 3U);
  }
}

TEST(MessageReaderTest, ASizeThatIsNotItsKindsBreaks) {
  for (int more : {-1, 1, 8}) {
    MessageReader reader;
    const std::size_t body = sizeof(link::Submit) + static_cast<std::size_t>(more);
    reader.Feed(
        Raw(Kind::kSubmit, 0, static_cast<std::uint32_t>(sizeof(link::Header) + body), body));
    Message message;
    EXPECT_EQ(reader.Next(&message), Step::kBroken) << more;
    reader.Feed(Encode(Kind::kRelease, link::Release{.id = 7}));
    EXPECT_EQ(reader.Next(&message), Step::kBroken) << "broken once is broken for ever";
  }
}

TEST(MessageReaderTest, HeadersThatNoClientSendsBreak) {
  Message message;
  for (const auto& bytes :
       {Raw(Kind::kRelease, 0, 0, 0), Raw(Kind::kRelease, 0, 7, 0),
        Raw(Kind::kRelease, 0, link::kMaxMessageBytes + 1, 0), Raw(Kind::kRelease, 0, ~0U, 0),
        Raw(Kind::kRelease, link::kAnswer, 16, 8), Raw(static_cast<Kind>(0), 0, 8, 0),
        Raw(static_cast<Kind>(999), 0, 16, 8)}) {
    MessageReader reader;
    reader.Feed(bytes);
    EXPECT_EQ(reader.Next(&message), Step::kBroken);
  }
}

TEST(MessageReaderTest, AGraphHasAsManyNodesAsItSays) {
  const auto graph = [](std::uint32_t claimed, std::size_t nodes) {
    auto bytes = Raw(Kind::kGraphDefine, 0,
                     static_cast<std::uint32_t>(sizeof(link::Header) + sizeof(link::GraphDefine) +
                                                nodes * sizeof(link::GraphNode)),
                     sizeof(link::GraphDefine) + nodes * sizeof(link::GraphNode));
    const link::GraphDefine define{.graph = 1, .context = 0, .nodes = claimed};
    std::memcpy(bytes.data() + sizeof(link::Header), &define, sizeof define);
    MessageReader reader;
    reader.Feed(bytes);
    Message message;
    return reader.Next(&message);
  };
  EXPECT_EQ(graph(0, 0), Step::kMessage);
  EXPECT_EQ(graph(3, 3), Step::kMessage);
  EXPECT_EQ(graph(link::kMaxGraphNodes, link::kMaxGraphNodes), Step::kMessage);
  EXPECT_EQ(graph(3, 2), Step::kBroken);
  EXPECT_EQ(graph(2, 3), Step::kBroken);
  EXPECT_EQ(graph(0x40000001, 1), Step::kBroken);
}

TEST(MessageReaderTest, ATextNeedNotEnd) {
  link::Missing missing{};
  std::memset(missing.call, 'x', sizeof missing.call);
  MessageReader reader;
  reader.Feed(Encode(Kind::kMissing, missing));
  Message message;
  ASSERT_EQ(reader.Next(&message), Step::kMessage);
  EXPECT_EQ(std::get<MissingCall>(message).call, std::string(sizeof missing.call, 'x'));
}

}  // namespace
}  // namespace tranche::sim::driver
