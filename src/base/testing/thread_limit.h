// Makes this process one that can make few threads more, as in a container whose limit of processes
// is reached. For the child of a death test, since a user that was given up does not come back.
//
// Threading: before other threads change users.
// Errors: ends the process where the limit cannot be set.
#pragma once

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/status.h"
#include "base/testing/real_loop.h"

namespace tranche::base::testing {

// The kernel limits no root, and counts all processes of a user: one that nobody else is, not even
// another test at the same time.
inline void BecomeLimitedUser() {
  if (getuid() != 0) return;
  const auto user = static_cast<uid_t>(2'000'000'000 + getpid());
  TRANCHE_CHECK(setresuid(user, user, user) == 0);
}

// Sets how many more threads there may be. Of a user who has other processes there are none at all.
inline void AllowMoreThreads(int count) {
  rlimit limit{};
  TRANCHE_CHECK(getrlimit(RLIMIT_NPROC, &limit) == 0);
#if defined(__SANITIZE_THREAD__)
  if (count > 0) ++count;  // the sanitizer makes a thread of its own with the first of ours
#endif
  limit.rlim_cur = static_cast<rlim_t>(Threads() + count);
  TRANCHE_CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

}  // namespace tranche::base::testing
