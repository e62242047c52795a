// Threads, where there may be none to be had: a container has a limit of processes (pids.max), and
// so has a user (RLIMIT_NPROC). Every thread of ours is made here.
//
// Threading: any thread.
// Errors: kResourceExhausted where the machine gives no further thread.
#pragma once

#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tranche::base::threads {

template <class Body>
Result<std::thread> StartThread(Body body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    return Status(Code::kResourceExhausted,
                  std::string("no further thread can be made (") + error.code().message() +
                      "): the limit of processes is reached, of the container (pids.max) or of "
                      "the user (RLIMIT_NPROC)");
  }
}

// Whether `count` more threads can be made just now. For programs whose libraries make threads of
// their own and hang, or end, where they cannot.
inline Status CheckRoomForThreads(int count) {
  std::mutex gate;  // held until all are there
  std::vector<std::thread> threads;
  Status status = Status::Ok();
  {
    const std::lock_guard closed(gate);
    while (status.ok() && static_cast<int>(threads.size()) < count) {
      auto thread = StartThread([&gate] { const std::lock_guard passed(gate); });
      if (thread.ok()) {
        threads.push_back(std::move(*thread));
      } else {
        status = {thread.status().code(), "there is room for " + std::to_string(threads.size()) +
                                              " more threads and " + std::to_string(count) +
                                              " are needed: " + thread.status().message()};
      }
    }
  }
  for (std::thread& thread : threads) thread.join();
  return status;
}

}  // namespace tranche::base::threads
