#include "check/node_program.h"

#include "shim/guest/channel.h"
#include "shim/guest/look.h"
#include "shim/guest/pages.h"

namespace tranche::check {
namespace {

namespace guest = shim::guest;

hook::Line<36> TextOf(const wire::Uuid& uuid) {
  constexpr char kHex[] = "0123456789abcdef";
  hook::Line<36> text;
  for (unsigned i = 0; i < sizeof uuid.bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.AddByte('-');
    text.AddByte(kHex[uuid.bytes[i] >> 4U]).AddByte(kHex[uuid.bytes[i] & 15U]);
  }
  return text;
}

void ReadPages(const guest::Pages& pages, Answer* answer) {
  for (unsigned i = 0; i < pages.limits->device_count; ++i) {
    const wire::DeviceLimits& limits = pages.limits->devices[i];
    const wire::DeviceTotals& totals = pages.counters->devices[i];
    answer->devices.Add({.uuid = TextOf(limits.uuid),
                         .limit_bytes = limits.limit_bytes.load(),
                         .used_bytes = totals.total_bytes.load(),
                         .refusals = totals.refusals.load()});
  }
}

std::string_view WhyNot(wire::Status status) {
  switch (status) {
    case wire::Status::kOk:
      return "The pages that the node program sent are of another version.";
    case wire::Status::kUnknownVersion:
      return "The node program speaks another version than this program.";
    case wire::Status::kNotWalled:
      return "This pod is to have no wall.";
    case wire::Status::kNotYet:
      return "The node program does not know yet what this pod was given.";
    case wire::Status::kNoRoom:
      return "All places for programs of this pod are taken: memory is refused.";
    case wire::Status::kRefused:
      return "The node program cannot tell whose program this is.";
  }
  return "The node program gives an answer that is none.";
}

void Learn(const wire::HelloAnswer& said, const int (&descriptors)[2], Answer* answer) {
  answer->answers = true;
  guest::Pages pages = {};
  answer->walled = said.status == wire::Status::kOk &&
                   guest::MapPages(descriptors, guest::Purpose::kLook, &pages);
  answer->why = answer->walled ? std::string_view() : WhyNot(said.status);
  if (answer->walled) ReadPages(pages, answer);
}

}  // namespace

Answer AskNodeProgram() {
  Answer answer;
  if (!guest::FolderExists()) {
    answer.why = "Nothing leads to the node program: /run/tranche/walls is not there.";
    return answer;
  }
  guest::LookUntil(guest::NowMilliseconds() + wire::kAttachMilliseconds,
                   [&answer](const wire::HelloAnswer& said, const int(&descriptors)[2]) {
                     Learn(said, descriptors, &answer);
                   });
  if (!answer.answers) {
    answer.why = guest::ClosedWhileAway()
                     ? "The node program does not answer, and memory is refused until it does."
                     : "The node program does not answer: programs that start now have no wall.";
  }
  return answer;
}

}  // namespace tranche::check
