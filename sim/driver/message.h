// MessageReader takes the bytes that a client sent apart into messages of sim/link/protocol.h.
//
// The bytes are hostile: a message is given only when its kind is known, its size is that of its
// kind, and all of it has come. Ids are checked by who uses them.
//
// Threading: one thread.
// Errors: kBroken once means kBroken for ever; the client is to be cut off.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "sim/link/protocol.h"

namespace tranche::sim::driver {

struct GraphDefinition {
  link::GraphDefine define;
  std::vector<link::GraphNode> nodes;
};
struct KernelName {
  std::uint32_t name;
  std::string text;
};
struct MissingCall {
  std::string call;
};

using Message =
    std::variant<link::Hello, link::ContextCreate, link::ContextDestroy, link::StreamCreate,
                 link::StreamDestroy, link::Reserve, link::Release, link::MemoryInfo, link::Share,
                 link::OpenShared, GraphDefinition, link::GraphForget, link::Submit, link::Await,
                 link::HostDone, KernelName, MissingCall, link::Fail>;

class MessageReader {
 public:
  enum class Step { kMessage, kMore, kBroken };

  // At most link::kMaxMessageBytes and what was left over from before are held.
  void Feed(std::span<const std::byte> bytes);
  Step Next(Message* message);

 private:
  std::vector<std::byte> bytes_;
  std::size_t taken_ = 0;
  bool broken_ = false;
};

}  // namespace tranche::sim::driver
