// base's test loop and folder under this room's name.
#pragma once

#include "base/testing/real_loop.h"

namespace tranche::kube::testing {

using base::testing::CountEntries;
using base::testing::OpenFiles;
using base::testing::RealLoop;
using base::testing::TempDir;
using base::testing::Threads;

}  // namespace tranche::kube::testing
