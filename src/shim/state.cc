#include "shim/state.h"

#include "shim/guest/own_memory.h"

namespace tranche::shim {
namespace {

constinit std::atomic<Program*> program = nullptr;

}  // namespace

Program* ThisProgram() { return guest::OwnMemory(program); }

}  // namespace tranche::shim
