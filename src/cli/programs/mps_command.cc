#include "cli/programs/mps_command.h"

#include <algorithm>
#include <ostream>

#include "cli/common/version.h"

namespace tranche::cli::programs {

namespace {

constexpr char kUsage[] =
    "usage: mps-control-daemon [mount-shm] [flags]\n\n"
    "Sharing by MPS (sharing.mps in the config) is not supported, under this name or another: the\n"
    "program only says so and ends with status 1.\n\n";
constexpr char kInstead[] =
    "Use sharing.timeSlicing with the same resources and replicas instead: pods then take turns "
    "on\n"
    "a GPU and none of them is held to a share of its memory. `tranche validate CONFIG` says what\n"
    "a config would advertise. A node on which no config asks for MPS needs no MPS daemon: remove\n"
    "the label nvidia.com/mps.capable from it.\n";

}  // namespace

int RunMpsControlDaemon(const std::vector<std::string>& arguments, std::ostream& out,
                        std::ostream& errors) {
  const auto asks_for = [&](const char* word, const char* letter) {
    return std::ranges::any_of(
        arguments, [&](const std::string& one) { return one == word || one == letter; });
  };
  if (asks_for("--help", "-h") || (!arguments.empty() && arguments.front() == "help")) {
    out << kUsage << kInstead;
    return 0;
  }
  if (asks_for("--version", "-v")) {
    out << cli::common::VersionLine() << "\n";
    return 0;
  }
  errors << "mps-control-daemon: sharing by MPS is not supported\n" << kInstead;
  return 1;
}

}  // namespace tranche::cli::programs
