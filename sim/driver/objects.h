// What a client has made: its contexts, streams and reservations, as the driver keeps them.
//
// Threading: plain data of one thread.
// Errors: none.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "sim/driver/hardware.h"
#include "sim/driver/record/ledger.h"
#include "sim/driver/shared.h"
#include "sim/link/protocol.h"

namespace tranche::sim::driver {

class Client;

struct Context {
  Client* client = nullptr;
  std::uint32_t index = 0;  // in link::Page::contexts
  Device* device = nullptr;
  std::uint32_t compute_instance = kWholeGpu;
  engine::ContextId engine = 0;
  engine::OwnerId owner = 0;
  std::uint32_t legacy_stream = 0;
  std::uint32_t error = 0;  // sticky: the engine does nothing more for it
  std::uint64_t finished = 0;
  std::uint64_t host_calls = 0;
  ContextAccount* account = nullptr;
  Time sampled = 0;          // computed in this period of samples
  Time sampled_copying = 0;  // copied, or filled
};

// What a program computed in a period of samples, in one of its contexts.
struct Sampled {
  unsigned slot = 0;
  std::uint32_t gpu_instance = 0;
  std::uint32_t compute_instance = 0;
  std::uint32_t pid = 0;
  Time computed = 0;
  Time copied = 0;
};

struct Stream {
  Context* context = nullptr;
  std::uint32_t index = 0;  // in link::Page::streams
  engine::StreamId engine = 0;
  std::uint64_t last = 0;  // number of the last Submit
  Time last_stamp = 0;     // of a Submit, or when the stream was made: none is older
  bool destroyed = false;  // goes, and gives its index back, when what was submitted is done
  std::vector<engine::StreamId> lanes;  // of the graphs that it runs
};

// What was submitted to one of the engine's streams and is not done, in order.
struct Submitted {
  link::Work work = link::Work::kAfter;
  bool launch = false;
  std::uint32_t name = 0;
  std::uint32_t mark = 0;
  std::uint64_t number = 0;  // 0: nothing that the client knows of
  std::uint64_t other = 0;
  std::uint64_t bytes = 0;
};
struct Queue {
  Context* context = nullptr;
  std::uint32_t stream = 0;  // index
  bool closing = false;      // goes once it is empty
  std::uint64_t last = 0;    // number of the last task, as the engine counts
  std::deque<Submitted> waiting;
};

struct Held {  // a client's hold on memory
  std::shared_ptr<SharedMemory> memory;
  engine::OwnerId owner = 0;
  Context* context = nullptr;  // nullptr: of the client itself
};

}  // namespace tranche::sim::driver
