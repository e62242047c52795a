// Threads, where there may be none to be had: a container has a limit of processes (pids.max), and
// so has a user (RLIMIT_NPROC). Every thread of ours is made here.
//
// Threading: any thread.
// Errors: kResourceExhausted where the machine gives no further thread.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

#include "base/status.h"

namespace tranche::base::threads {

// What is said where a thread could not be made.
Status NoFurtherThread(const std::error_code& why);

template <class Body>
Result<std::thread> StartThread(Body body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    return NoFurtherThread(error.code());
  }
}

}  // namespace tranche::base::threads
