// A node of two GPUs for tests, and a driver that serves it as a process of its own.
//
// Threading: the test has one thread.
// Errors: what cannot go wrong in a test crashes it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/testing/temp_dir.h"
#include "sim/driver/testing/driver_process.h"
#include "sim/driver/testing/process.h"
#include "sim/driver/testing/program.h"
#include "sim/node/files.h"
#include "sim/node/state_reader.h"
#include "sim/node/state_writer.h"

namespace tranche::sim::driver::testing {

class ServeFixture : public ::testing::Test {
 protected:
  ServeFixture() {
    NodeState state{};
    NodeSnapshot node = NodeOf(2);
    state.header.magic = kStateMagic;
    state.header.layout_version = kLayoutVersion;
    state.header.file_size = sizeof(NodeState);
    state.header.slot_count = 2;
    std::copy(node.gpus.begin(), node.gpus.end(), state.gpus);
    const std::string path = StatePathFor(root(), "550.1");
    TRANCHE_CHECK(
        base::WriteFileAtomic(path, {reinterpret_cast<const char*>(&state), sizeof state}).ok());
    reader = StateReader::Open(path);
    writer = std::move(StateWriter::Open(path)).value();
    StartDriver();
  }

  [[nodiscard]] std::string root() const { return folder.path(); }
  [[nodiscard]] std::string SocketPath() const { return root() + "/" + link::kSocket; }
  void StartDriver() {
    driver = std::make_unique<DriverProcess>(
        ServeOptions{.root = root(), .hardware = {.slice = 1'000'000, .switch_cost = 10'000}});
  }
  [[nodiscard]] NodeSnapshot Node() const {
    NodeSnapshot node;
    reader->Read(&node);
    return node;
  }
  [[nodiscard]] const ProcessState* Shown(const NodeSnapshot& node, pid_t pid) const {
    for (unsigned i = 0; i < node.gpus[0].process_count; ++i) {
      if (node.gpus[0].processes[i].pid == static_cast<std::uint32_t>(pid)) {
        return &node.gpus[0].processes[i];
      }
    }
    return nullptr;
  }
  bool IsShown(pid_t pid) const { return Shown(Node(), pid) != nullptr; }

  base::testing::TempDir folder;
  std::unique_ptr<StateReader> reader;
  std::unique_ptr<StateWriter> writer;
  std::unique_ptr<Process> driver;
};

}  // namespace tranche::sim::driver::testing
