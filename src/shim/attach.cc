#include "shim/attach.h"

#include <errno.h>   // NOLINT(modernize-deprecated-headers): without the C++ library
#include <string.h>  // NOLINT(modernize-deprecated-headers)
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>

#include "shim/driver.h"
#include "shim/early.h"
#include "shim/guest/channel.h"
#include "shim/guest/pages.h"
#include "wire/hash.h"

namespace tranche::shim {
namespace {

using guest::ClosedWhileAway;
using guest::Exchange;
using guest::FolderExists;
using guest::NowMilliseconds;
using guest::SleepMilliseconds;

constexpr int kRetryMilliseconds = 20;
constexpr int kPatienceMilliseconds = 2 * wire::kAttachMilliseconds;
// So long a program that has pages goes on with them where nobody gives it new ones.
constexpr int kPauseMilliseconds = 1000;

// Another one after each exec. What the kernel gives is a secret, so it goes through a hash.
std::uint64_t Image() {
  constexpr std::size_t kRandomBytes = 16;
  const auto* random = std::bit_cast<const unsigned char*>(getauxval(AT_RANDOM));
  return wire::HashOf(random, random == nullptr ? 0 : kRandomBytes);
}

// Which devices the program would use, in CUDA's order; false where the driver does not say yet.
bool ListDevices(wire::Hello* hello) {
  int count = 0;
  if (CallReal(PlainAddress(Plain::kDeviceGetCount), &count) != kSuccess) return false;
  for (int i = 0; i < count && hello->device_count < wire::kMaxDevices; ++i) {
    void* get = PlainAddress(Plain::kDeviceGetUuid);
    auto* uuid = reinterpret_cast<DeviceUuid*>(&hello->devices[hello->device_count]);
    if (CallReal(get, uuid, i) != kSuccess) return false;
    ++hello->device_count;
  }
  return true;
}

void FindWalls(const wire::Hello& hello, const wire::HelloAnswer& answer, Attachment* made) {
  memset(made->wall_of, static_cast<int>(kNoWall), sizeof made->wall_of);
  for (unsigned i = 0; i < hello.device_count; ++i) {
    if ((answer.unwalled >> i & 1U) != 0) continue;
    for (unsigned wall = 0; wall < made->limits->device_count; ++wall) {
      const wire::Uuid& uuid = made->limits->devices[wall].uuid;
      if (memcmp(&uuid, &hello.devices[i], sizeof uuid) != 0) continue;
      made->wall_of[i] = static_cast<std::uint8_t>(wall);
      break;
    }
  }
}

// For what is published and never changed: in the program's own memory the first time.
Attachment* Room(Program& program) {
  if (program.attachment.load() == nullptr) return &program.first;
  void* room =
      mmap(nullptr, sizeof(Attachment), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return room == MAP_FAILED ? nullptr : static_cast<Attachment*>(room);
}

// The pages that came with an answer; null where they are not what they should be.
const Attachment* Accept(Program& program, const wire::Hello& hello,
                         const wire::HelloAnswer& answer, const int (&descriptors)[2]) {
  if (answer.slot >= wire::kMaxSlots) return nullptr;
  guest::Pages pages;
  if (!guest::MapPages(descriptors, guest::Purpose::kCount, &pages)) return nullptr;
  Attachment* made = Room(program);
  if (made == nullptr) {
    guest::UnmapPages(pages);
    return nullptr;
  }
  made->limits = pages.limits;
  made->counters = pages.counters;
  made->slot = answer.slot;
  made->epoch = made->counters->epoch.load();
  FindWalls(hello, answer, made);
  return made;
}

Phase WhileAway() { return ClosedWhileAway() ? Phase::kClosed : Phase::kOpen; }

// One Hello; kFresh where it is to be said again.
Phase SayHello(Program& program, const wire::Hello& hello, std::int64_t deadline) {
  wire::HelloAnswer answer = {};
  int descriptors[2];
  const bool answered =
      Exchange(&hello, sizeof hello, &answer, sizeof answer, &descriptors, deadline);
  Phase phase = Phase::kFresh;
  if (answered && answer.header.magic == wire::kMagic) {
    if (answer.status == wire::Status::kOk && answer.header.version == wire::kVersion) {
      const Attachment* made = Accept(program, hello, answer, descriptors);
      if (made != nullptr) program.attachment.store(made);
      phase = made != nullptr ? Phase::kWalled : WhileAway();
    } else if (answer.status == wire::Status::kNotWalled ||
               answer.status == wire::Status::kUnknownVersion) {
      phase = Phase::kOpen;
    } else if (answer.status == wire::Status::kNoRoom) {
      phase = Phase::kClosed;
    } else if (answer.status == wire::Status::kRefused) {
      phase = WhileAway();
    }
    program.no_room.store(answer.status == wire::Status::kNoRoom);
  }
  for (const int descriptor : descriptors) {
    if (descriptor >= 0) close(descriptor);
  }
  return phase;
}

// Asks until somebody answers, `milliseconds` at most; kFresh where the driver lists no devices.
Phase Ask(Program& program, int milliseconds) {
  wire::Hello hello = {};
  hello.header = {.magic = wire::kMagic, .version = wire::kVersion, .kind = wire::Kind::kHello};
  hello.image = Image();
  if (!ListDevices(&hello)) return Phase::kFresh;
  const std::int64_t deadline = NowMilliseconds() + milliseconds;
  for (;;) {
    const Phase phase = SayHello(program, hello, deadline);
    if (phase != Phase::kFresh) return phase;
    if (!FolderExists()) return Phase::kOpen;
    if (NowMilliseconds() + kRetryMilliseconds >= deadline) {
      // A program that was told that there is no room is not let in by a late answer.
      return program.no_room.load() ? Phase::kClosed : WhileAway();
    }
    SleepMilliseconds(kRetryMilliseconds);
  }
}

Phase AskFrom(Program& program, Phase from) {
  const int error = errno;
  // A program that was told to wait for the node program looks only for a moment at each call.
  const int patience = from == Phase::kClosed ? kRetryMilliseconds + 1 : wire::kAttachMilliseconds;
  const Phase phase = Ask(program, patience);
  // The other threads wait until this is done, and have nothing of the pod's memory before.
  if (phase == Phase::kWalled) ChargeEarly(program);
  program.phase.store(phase);
  errno = error;
  return phase;
}

}  // namespace

Phase Attached(Program& program) {
  Phase phase = program.phase.load(std::memory_order_acquire);
  if (phase == Phase::kWalled || phase == Phase::kOpen) [[likely]]
    return phase;
  if (phase != Phase::kAsking && program.phase.compare_exchange_strong(phase, Phase::kAsking)) {
    return AskFrom(program, phase);
  }
  for (int waited = 0; waited < kPatienceMilliseconds; ++waited) {
    phase = program.phase.load(std::memory_order_acquire);
    if (phase != Phase::kAsking) return phase;
    SleepMilliseconds(1);
  }
  return WhileAway();
}

void AttachAnew(Program& program) {
  if (NowMilliseconds() < program.ask_again.load(std::memory_order_relaxed)) return;
  Phase walled = Phase::kWalled;
  if (!program.phase.compare_exchange_strong(walled, Phase::kAsking)) return;
  const int error = errno;
  const Attachment* before = program.attachment.load();
  const bool open = before->limits->arbiter_away_open.load() != 0;
  // With pages that hold it need not wait: who made the new ones may be gone again.
  const Phase phase = Ask(program, open ? kRetryMilliseconds + 1 : wire::kAttachMilliseconds);
  const bool stays = phase == Phase::kFresh || (phase != Phase::kWalled && open);
  if (stays) program.ask_again.store(NowMilliseconds() + kPauseMilliseconds);
  program.phase.store(stays ? Phase::kWalled : phase);
  errno = error;
}

bool MeasureContext(const Attachment& attachment, unsigned device, std::uint64_t* bytes) {
  const int error = errno;
  wire::Measure measure = {};
  measure.header = {.magic = wire::kMagic, .version = wire::kVersion, .kind = wire::Kind::kMeasure};
  measure.image = Image();
  measure.slot = attachment.slot;
  measure.device = device;
  wire::MeasureAnswer answer = {};
  const bool known = Exchange(&measure, sizeof measure, &answer, sizeof answer, nullptr,
                              NowMilliseconds() + wire::kMeasureMilliseconds) &&
                     answer.header.magic == wire::kMagic && answer.status == wire::Status::kOk;
  if (known) *bytes = answer.context_bytes;
  errno = error;
  return known;
}

}  // namespace tranche::shim
