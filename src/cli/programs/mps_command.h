// `mps-control-daemon`, a name that DaemonSets for NVIDIA's image may run: it says what is not
// supported and what to use instead.
//
// Threading: the main thread.
// Errors: exit code 0 for --help and --version, else 1.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace tranche::cli::programs {

// `arguments`: after the program's name.
int RunMpsControlDaemon(const std::vector<std::string>& arguments, std::ostream& out,
                        std::ostream& errors);

}  // namespace tranche::cli::programs
