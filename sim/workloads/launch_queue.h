// LaunchQueue is a stream whose launches are counted: how many are done, and how long some of them
// took from the call to their end. Every so often an event is recorded, and looked at later.
//
// Threading: one thread.
// Errors: false where a call fails; the session's outcome says which.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "sim/workloads/session.h"

namespace tranche::sim::workloads {

class LaunchQueue {
 public:
  explicit LaunchQueue(Session& session);

  bool Open();
  // Waits while there are as many launches in flight as the settings allow, then launches one.
  bool Launch();
  void Collect();  // what is done, without waiting

 private:
  struct Mark {
    cuda::Event event;
    std::uint64_t number;  // of launches before it
    std::int64_t called;   // when the last of them was called
  };

  bool AddMark(std::int64_t called);
  bool AwaitOldest();
  void TakeOldest();

  Session& session_;
  const std::uint64_t spacing_;  // launches from mark to mark
  const std::uint64_t limit_;    // of launches in flight
  cuda::Stream stream_ = nullptr;
  cuda::Event first_ = nullptr;  // recorded when nothing was queued …
  std::int64_t first_at_ = 0;    // … at this time
  std::vector<cuda::Event> spare_;
  std::deque<Mark> marks_;
  std::uint64_t launched_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace tranche::sim::workloads
