// What the library inside a pod (the shim) and the node program say to each other.
//
// The node program listens on a SOCK_SEQPACKET socket in a folder that containers see read-only.
// A program connects when it first uses CUDA, sends Hello, and gets a HelloAnswer with the
// descriptors of its pod's two pages (wire/pages.h); then both sides close. Whatever is asked later
// (Measure) is asked on a connection of its own. A program that only looks (the library in front of
// NVML) sends Look in place of Hello. One message is one packet, and nothing else is in it; only
// the answers to Hello and Look carry descriptors.
//
// Whose the program is, the kernel tells (SO_PEERCRED, a pidfd, the control group): nothing in a
// message says so, and nothing in it can change another pod's limits or bytes.
//
// Versions: Header::version is that of the whole protocol, pages included. The node program answers
// a version that it does not know with Status::kUnknownVersion and its own version in the header,
// and the program then runs without walls. What one version means never changes; reserved fields
// are sent as 0 and are not read.
//
// Byte order and sizes are those of the machine: both ends are on one.
//
// Threading: plain data.
// Errors: Status. On any other answer, or none, the program does as kAwayFile says.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tranche::wire {

// Tests build shims of the versions before and after.
#ifndef TRANCHE_WIRE_VERSION
#define TRANCHE_WIRE_VERSION 1
#endif
inline constexpr std::uint16_t kVersion = TRANCHE_WIRE_VERSION;
inline constexpr std::uint32_t kMagic = 0x4C4C4157;  // "WALL" in memory

// The folder as containers see it, and on the node by default.
inline constexpr char kDirectory[] = "/run/tranche/walls";
inline constexpr char kSocketFile[] = "arbiter.sock";
// "open" or "closed" and a line feed: whether a program that finds no node program runs without
// walls, or is refused all memory. Where the file is missing: open.
inline constexpr char kAwayFile[] = "arbiter-away";
// So long a program that starts waits for the node program in all.
inline constexpr unsigned kAttachMilliseconds = 1000;
// So long a program waits for the answer to Measure; then, and where the answer is not kOk, it
// charges DeviceLimits::context_bound.
inline constexpr unsigned kMeasureMilliseconds = 100;

inline constexpr unsigned kMaxDevices = 32;  // of one pod: GPUs and MIG devices
inline constexpr std::size_t kMaxMessageBytes = 1024;

// As cuDeviceGetUuid_v2 and the text "GPU-…" or "MIG-…" have it.
struct Uuid {
  std::uint8_t bytes[16];
};

enum class Kind : std::uint16_t {
  kHello = 1,
  kHelloAnswer,
  kMeasure,
  kMeasureAnswer,
  kLook,
};

struct Header {
  std::uint32_t magic;
  std::uint16_t version;
  Kind kind;
};

enum class Status : std::uint32_t {
  kOk = 0,
  kUnknownVersion,  // run without walls
  kNotWalled,       // no wall is asked for this pod: run without, and this is no trouble
  kNotYet,          // it is not known yet what the pod was given: ask again, 20 ms later
  kNoRoom,          // all slots of the pod are taken: refuse memory
  kRefused,         // the message breaks the rules, or whose the program is cannot be told
};

// "I am here." Sent once by each program image, and again after kNotYet, after a fork, and when
// Counters::epoch is no longer what it was.
struct Hello {
  Header header;
  // Equal for every copy of the shim in one program, and another one after an exec, because the
  // program then has none of the memory that the same pid had before. For example a hash of what
  // AT_RANDOM points to (getauxval(3)); not the bytes themselves, which are a secret.
  std::uint64_t image;
  std::uint32_t device_count;  // 0: all that the pod was given
  std::uint32_t reserved;
  Uuid devices[kMaxDevices];  // that the program would use
};

struct HelloAnswer {  // with the descriptors of Limits and Counters, in this order, where kOk
  Header header;
  Status status;
  std::uint32_t slot;      // index into Counters::slots, this program's alone; or kNoSlot
  std::uint32_t pid;       // of the program, as the node sees it
  std::uint32_t unwalled;  // bit N: Hello::devices[N] has no wall
};

// "What has my pod?" Answered by a HelloAnswer with the same two descriptors, without a slot: who
// looks holds nothing, and is not counted among the pod's programs. It writes to neither page.
struct Look {
  Header header;
  std::uint64_t reserved;
};
inline constexpr std::uint32_t kNoSlot = 0xFFFFFFFF;  // HelloAnswer::slot, to Look

// "I have made the first context of mine on a device; what does it take?" Asked after the context
// is made and before anything is allocated in it.
struct Measure {
  Header header;
  std::uint64_t image;
  std::uint32_t slot;
  std::uint32_t device;  // index into Limits::devices
};

struct MeasureAnswer {
  Header header;
  Status status;
  std::uint32_t reserved;
  // What the driver says that the program has on the device, less what its slot holds already.
  std::uint64_t context_bytes;
};

static_assert(sizeof(Uuid) == 16);
static_assert(sizeof(Header) == 8 && offsetof(Header, version) == 4 && offsetof(Header, kind) == 6);
static_assert(sizeof(Hello) == 536 && offsetof(Hello, devices) == 24);
static_assert(sizeof(HelloAnswer) == 24 && offsetof(HelloAnswer, unwalled) == 20);
static_assert(sizeof(Look) == 16);
static_assert(sizeof(Measure) == 24 && offsetof(Measure, device) == 20);
static_assert(sizeof(MeasureAnswer) == 24 && offsetof(MeasureAnswer, context_bytes) == 16);
static_assert(sizeof(Hello) <= kMaxMessageBytes);

}  // namespace tranche::wire
