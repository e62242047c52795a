// What the libraries of a simulated node and its driver process say to each other.
//
// A program that uses CUDA is a client: its libcuda.so.1 connects to the stream socket kSocket of
// the driver root, which is where NVIDIA's container toolkit and our own CDI specification bring a
// socket into containers. Both sides send messages, each a Header and the struct of its kind.
// Requests with an answer are answered in order, by a message of the same kind with kAnswer set
// and the answer's struct. The others (Submit, Await, HostDone, Name, Missing, Fail) have none.
//
// What changes often is not sent but written by the driver into a Page, a sealed memfd that goes to
// the client with the answer to Hello and that the client maps for reading only. A client that
// waits sends Await and then waits on the low half of the counter as a futex; the driver wakes it.
// A counter only rises.
//
// Times are nanoseconds of the driver's virtual time: (CLOCK_MONOTONIC - Page::epoch_ns) /
// Page::time_scale. Byte order and sizes are those of the machine: both ends are on one.
//
// The driver trusts nothing that it reads: sizes, ids and kinds are checked, and a client that
// breaks the rules is cut off. A client is known by SO_PEERCRED and a pidfd.
//
// Threading: plain data.
// Errors: an answer has a CUresult, 0 for success.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tranche::sim::link {

inline constexpr char kSocket[] = "run/nvidia-persistenced/socket";  // below the driver root
inline constexpr std::uint32_t kVersion = 2;
inline constexpr std::size_t kMaxMessageBytes = 64 << 10;
inline constexpr unsigned kMaxDevices = 32;
inline constexpr unsigned kMaxContexts = 64;    // of one client
inline constexpr unsigned kMaxStreams = 4096;   // of one client
inline constexpr unsigned kMaxMarks = 65536;    // events of one client
inline constexpr unsigned kQueueLength = 1024;  // launches that a context takes before it blocks
inline constexpr unsigned kMaxGraphNodes = 1000;
inline constexpr std::uint32_t kWholeGpu = 0xFFFFFFFF;

enum class Kind : std::uint16_t {
  kHello = 1,
  kContextCreate,
  kContextDestroy,
  kStreamCreate,
  kStreamDestroy,
  kReserve,
  kRelease,
  kMemoryInfo,
  kShare,       // carries a descriptor
  kOpenShared,  // its answer does
  kGraphDefine,
  kGraphForget,
  kSubmit,    // no answer
  kAwait,     // no answer
  kHostDone,  // no answer
  kName,      // no answer
  kMissing,   // no answer
  kFail,      // no answer
};

inline constexpr std::uint16_t kAnswer = 1;  // in Header::flags

struct Header {
  Kind kind;
  std::uint16_t flags;
  std::uint32_t bytes;  // of the whole message, this header included
};

struct Hello {
  std::uint32_t version;
  std::uint32_t reserved;
};
struct HelloAnswer {  // with the page's descriptor, where result is 0
  std::uint32_t result;
  std::uint32_t client;
};

struct ContextCreate {
  std::uint32_t slot;  // of the GPU in the node's state
  std::uint32_t gpu_instance;
  std::uint32_t compute_instance;
  std::uint32_t flags;
};
struct ContextCreateAnswer {
  std::uint32_t result;
  std::uint32_t context;        // index into Page::contexts
  std::uint32_t legacy_stream;  // index into Page::streams; made and ended with the context
  std::uint32_t reserved;
  std::uint64_t taken_bytes;
};
struct ContextDestroy {
  std::uint32_t context;
  std::uint32_t reserved;
};
struct Answer {  // of all that only succeed or fail
  std::uint32_t result;
  std::uint32_t reserved;
};

struct StreamCreate {
  std::uint32_t context;
  std::uint32_t non_blocking;
  std::int32_t priority;
  std::uint32_t reserved;
};
struct StreamCreateAnswer {
  std::uint32_t result;
  std::uint32_t stream;
};
struct StreamDestroy {  // what was submitted to it is still done
  std::uint32_t stream;
  std::uint32_t reserved;
};

enum class MemoryKind : std::uint32_t {
  kPlain = 1,  // cuMemAlloc, cuMemAllocPitch
  kPool,       // stream-ordered pools, by the pieces that they reserve
  kVirtual,    // cuMemCreate
  kManaged,
  kArray,
  kGraph,
};
struct Reserve {
  std::uint32_t context;  // kWholeGpu: none, and then the device below
  MemoryKind memory;
  std::uint32_t slot;
  std::uint32_t gpu_instance;
  std::uint64_t bytes;
};
struct ReserveAnswer {
  std::uint32_t result;
  std::uint32_t reserved;
  std::uint64_t id;
  std::uint64_t chunk;  // 0: pieces of its own; else small ones of one chunk lie side by side
  std::uint64_t offset;
  std::uint64_t taken_bytes;
};
struct Release {
  std::uint64_t id;
};
struct MemoryInfo {
  std::uint32_t slot;
  std::uint32_t gpu_instance;
};
struct MemoryInfoAnswer {
  std::uint32_t result;
  std::uint32_t reserved;
  std::uint64_t free_bytes;
  std::uint64_t total_bytes;
};

// Lets other clients open a reservation by `key`. The descriptor is the memory's content.
struct Share {
  std::uint64_t id;
};
struct ShareAnswer {
  std::uint32_t result;
  std::uint32_t reserved;
  std::uint64_t key[2];
};
struct OpenShared {
  std::uint64_t key[2];
};
struct OpenSharedAnswer {
  std::uint32_t result;
  std::uint32_t slot;
  std::uint64_t id;
  std::uint64_t bytes;
};

enum class Work : std::uint32_t {
  kKernel = 1,
  kCopyToDevice,
  kCopyToHost,
  kCopyOnDevice,
  kFill,
  kMark,   // an event is recorded
  kAfter,  // waits for another stream
  kHost,   // waits for HostDone; the driver raises ContextWord::host_calls when it is reached
  kGraph,
  kNotify,  // takes no time; the driver raises ContextWord::host_calls when it is done
};

// A piece of work for a stream. Numbers rise by one with each Submit of a stream, from 1.
struct Submit {
  std::uint32_t stream;
  Work work;
  std::uint64_t number;
  std::int64_t stamp_ns;       // when the program called
  std::uint64_t amount;        // kernel: nanoseconds; copies and fills: bytes; graph: its id
  std::uint32_t name;          // of a kernel, given by Name; 0: none
  std::uint32_t mark;          // kMark: index into Page::marks
  std::uint64_t other;         // kMark: the value for MarkWord::generation; kAfter: the number …
  std::uint32_t after_stream;  // … of this stream
  std::uint32_t launch;        // 1: counts against kQueueLength
};

enum class Counter : std::uint32_t { kStream = 1, kContext, kMark, kHostCalls };
struct Await {  // wake me when the counter is at least `value`
  Counter counter;
  std::uint32_t index;
  std::uint64_t value;
};
struct HostDone {
  std::uint32_t stream;
  std::uint32_t reserved;
  std::uint64_t number;
};
struct Name {  // of a kernel, for the log
  std::uint32_t name;
  char text[128];
};
struct Missing {  // a call that the simulated library does not have was made
  char call[128];
};

// The library has met an error that the context keeps: its work is dropped, as after an XID.
struct Fail {
  std::uint32_t context;
  std::uint32_t result;  // CUresult
};

struct GraphNode {
  Work work;
  std::uint32_t name;
  std::uint64_t amount;
  std::uint32_t dependency_count;
  std::uint32_t dependencies[4];  // indices of earlier nodes; more than four: chained kAfter nodes
};
struct GraphDefine {  // followed by `nodes` GraphNodes
  std::uint64_t graph;
  std::uint32_t context;
  std::uint32_t nodes;
};
struct GraphForget {
  std::uint64_t graph;
};

// ---- the page

inline constexpr std::uint64_t kPageMagic = 0x454741504D495354;  // "TSIMPAGE" in memory

struct ContextWord {
  std::uint64_t finished;    // launches that are done
  std::uint64_t host_calls;  // host tasks reached and kNotify done, ever
  std::uint32_t error;       // CUresult that every call in this context answers from now on
  std::uint32_t reserved;
};
struct StreamWord {
  std::uint64_t finished;     // number of the last task done
  std::uint64_t host_number;  // of the host task that has been reached last
};
struct MarkWord {
  std::uint64_t generation;  // written after time_ns
  std::int64_t time_ns;
};
struct Page {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t time_scale;
  std::uint64_t epoch_ns;
  std::uint32_t device_error[kMaxDevices];  // by slot: CUresult that every call about it answers
  ContextWord contexts[kMaxContexts];
  StreamWord streams[kMaxStreams];
  MarkWord marks[kMaxMarks];
};

}  // namespace tranche::sim::link
