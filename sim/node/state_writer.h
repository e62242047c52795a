// StateWriter changes the shared state of a simulated node, one change at a time, whichever process
// makes it. Readers (state_reader.h) see a change as a whole.
//
// Threading: one object belongs to one thread. Objects and processes wait for each other.
// Errors: a file that cannot be mapped, or is of another layout, does not open. A change that fails
// leaves the state as it was.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "sim/node/state.h"

namespace tranche::sim {

class StateWriter {
 public:
  static base::Result<std::unique_ptr<StateWriter>> Open(const std::string& path);
  ~StateWriter();
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;

  base::Status Edit(const std::function<base::Status(NodeState&)>& change);

  // For small changes that come often and cannot fail: made in place, without a copy of the state.
  // False, and nothing is done, while another process writes.
  bool TryChange(const std::function<void(NodeState&)>& change);

 private:
  StateWriter(base::UniqueFd fd, NodeState* state) : fd_(std::move(fd)), state_(state) {}

  base::UniqueFd fd_;
  NodeState* state_;
};

}  // namespace tranche::sim
