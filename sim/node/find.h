// Finds a simulated node from inside one of its libraries, wherever that library has been moved,
// copied, linked or mounted to, and under whatever name. Runs inside the driver's libraries, hence
// without our other libraries and without exceptions.
//
// Threading: plain functions; safe on any thread while nobody changes the environment.
// Errors: "" where there is nothing to be found.
#pragma once

#include <string>

namespace tranche::sim {

// Path of the state file of the node that the library holding `address` belongs to:
// TRANCHE_SIM_NODE where it is set; else a libnvidia-simnode.so.* beside the library's own file,
// beside the link by which it was opened, in a folder of LD_LIBRARY_PATH, or in a folder where
// distributions keep a driver's libraries. Of several in one folder the one of the library's own
// version is taken, else the last by name. A program that runs with more rights than its caller
// (setuid) has its environment ignored.
std::string FindStateFile(const void* address);

// Path of the driver's socket (sim/link/protocol.h) that belongs to a state file: below the driver
// root in which the state file lies, which in a container is /. The socket need not be there. A
// state file that lies in no folder of a driver root belongs to /.
std::string FindDriverSocket(const std::string& state_file);

}  // namespace tranche::sim
