#include "sim/driver/message.h"

#include <cstring>
#include <optional>

namespace tranche::sim::driver {
namespace {

using link::Kind;
using Bytes = std::span<const std::byte>;

static_assert(sizeof(link::Header) + sizeof(link::GraphDefine) +
                  link::kMaxGraphNodes * sizeof(link::GraphNode) <=
              link::kMaxMessageBytes);

template <typename Struct>
std::optional<Message> Plain(Bytes body) {
  if (body.size() != sizeof(Struct)) return std::nullopt;
  Struct value;
  std::memcpy(&value, body.data(), sizeof value);
  return value;
}

template <std::size_t kSize>
std::string Text(const char (&field)[kSize]) {
  return {field, strnlen(field, kSize)};
}

std::optional<Message> Graph(Bytes body) {
  GraphDefinition graph{};
  if (body.size() < sizeof graph.define) return std::nullopt;
  std::memcpy(&graph.define, body.data(), sizeof graph.define);
  body = body.subspan(sizeof graph.define);
  if (graph.define.nodes > link::kMaxGraphNodes ||
      body.size() != graph.define.nodes * sizeof(link::GraphNode)) {
    return std::nullopt;
  }
  graph.nodes.resize(graph.define.nodes);
  if (!body.empty()) std::memcpy(graph.nodes.data(), body.data(), body.size());
  return graph;
}

std::optional<Message> Named(Bytes body) {
  if (body.size() != sizeof(link::Name)) return std::nullopt;
  link::Name name;
  std::memcpy(&name, body.data(), sizeof name);
  return KernelName{name.name, Text(name.text)};
}

std::optional<Message> Missed(Bytes body) {
  if (body.size() != sizeof(link::Missing)) return std::nullopt;
  link::Missing missing;
  std::memcpy(&missing, body.data(), sizeof missing);
  return MissingCall{Text(missing.call)};
}

std::optional<Message> Read(Kind kind, Bytes body) {
  switch (kind) {
    case Kind::kHello:
      return Plain<link::Hello>(body);
    case Kind::kContextCreate:
      return Plain<link::ContextCreate>(body);
    case Kind::kContextDestroy:
      return Plain<link::ContextDestroy>(body);
    case Kind::kStreamCreate:
      return Plain<link::StreamCreate>(body);
    case Kind::kStreamDestroy:
      return Plain<link::StreamDestroy>(body);
    case Kind::kReserve:
      return Plain<link::Reserve>(body);
    case Kind::kRelease:
      return Plain<link::Release>(body);
    case Kind::kMemoryInfo:
      return Plain<link::MemoryInfo>(body);
    case Kind::kShare:
      return Plain<link::Share>(body);
    case Kind::kOpenShared:
      return Plain<link::OpenShared>(body);
    case Kind::kGraphDefine:
      return Graph(body);
    case Kind::kGraphForget:
      return Plain<link::GraphForget>(body);
    case Kind::kSubmit:
      return Plain<link::Submit>(body);
    case Kind::kAwait:
      return Plain<link::Await>(body);
    case Kind::kHostDone:
      return Plain<link::HostDone>(body);
    case Kind::kName:
      return Named(body);
    case Kind::kMissing:
      return Missed(body);
    case Kind::kFail:
      return Plain<link::Fail>(body);
  }
  return std::nullopt;
}

}  // namespace

void MessageReader::Feed(Bytes bytes) {
  if (broken_) return;
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(taken_));
  taken_ = 0;
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

MessageReader::Step MessageReader::Next(Message* message) {
  if (broken_) return Step::kBroken;
  const Bytes left = Bytes(bytes_).subspan(taken_);
  link::Header header{};
  if (left.size() < sizeof header) return Step::kMore;
  std::memcpy(&header, left.data(), sizeof header);
  broken_ =
      header.flags != 0 || header.bytes < sizeof header || header.bytes > link::kMaxMessageBytes;
  if (broken_) return Step::kBroken;
  if (left.size() < header.bytes) return Step::kMore;
  std::optional<Message> read =
      Read(header.kind, left.subspan(sizeof header, header.bytes - sizeof header));
  broken_ = !read;
  if (broken_) return Step::kBroken;
  *message = std::move(*read);
  taken_ += header.bytes;
  return Step::kMessage;
}

}  // namespace tranche::sim::driver
