// A driver as a process of its own for tests, on a node that the test has made.
//
// Threading: the test has one thread.
// Errors: what cannot go wrong in a test crashes it.
#pragma once

#include <sys/prctl.h>

#include <csignal>
#include <cstdio>

#include "base/status.h"
#include "sim/driver/serve.h"
#include "sim/driver/testing/process.h"
#include "sim/driver/testing/program.h"

namespace tranche::sim::driver::testing {

// Comes back when programs can connect to it. Ends with this object, or with the test.
class DriverProcess : public Process {
 public:
  explicit DriverProcess(const ServeOptions& options)
      : Process([&] {
          prctl(PR_SET_PDEATHSIG, SIGKILL);
          return Serve(options).ok() ? 0 : 1;
        }) {
    TRANCHE_CHECK(
        Comes([&] { return RealProgram(options.root + "/" + link::kSocket).connected(); }));
  }
};

}  // namespace tranche::sim::driver::testing
