#include "base/threads/thread.h"

namespace tranche::base::threads {

Status NoFurtherThread(const std::error_code& why) {
  return {Code::kResourceExhausted,
          "no further thread can be made (" + why.message() +
              "): the limit of processes is reached, of the container (pids.max) or of "
              "the user (RLIMIT_NPROC)"};
}

}  // namespace tranche::base::threads
