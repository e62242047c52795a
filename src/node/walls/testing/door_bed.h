// The door alone, before this process as a program of any pod: of which one is what stands in the
// /proc of the test when it connects. The fixture of the tests of Door.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/real_loop.h"
#include "base/testing/temp_dir.h"
#include "node/identity/proc.h"
#include "node/walls/door.h"
#include "node/walls/testing/program.h"
#include "node/walls/testing/still_loop.h"
#include "wire/message.h"

namespace tranche::node::walls::testing {

class DoorBed : public ::testing::Test {
 protected:
  // `descriptors` go with each answer.
  explicit DoorBed(std::vector<int> descriptors = {})
      : proc_(dir_.path() + "/proc"),
        real_proc_(identity::NewProc(proc_.root())),
        door_(still_, *real_proc_,
              [this, descriptors = std::move(descriptors)](Door::ConnectionId id, Caller& caller,
                                                           const Request& /*request*/) {
                answered_.push_back(caller.pod_uid);
                const wire::HelloAnswer answer{
                    .header = {wire::kMagic, wire::kVersion, wire::Kind::kHelloAnswer}};
                door_.Answer(id, std::as_bytes(std::span(&answer, 1)), descriptors);
              }) {}
  void Open(std::size_t most = Door::kMaxConnections) {
    EXPECT_TRUE(door_.Open(dir_.path(), most).ok());
  }
  [[nodiscard]] std::string Socket() const { return dir_.path() + "/" + wire::kSocketFile; }

  base::testing::TempDir dir_;
  base::testing::RealLoop loop_;
  StillLoop still_{*loop_};
  PodProc proc_;
  std::unique_ptr<identity::Proc> real_proc_;
  Door door_;
  std::vector<std::string> answered_;  // the pods of whoever was answered
};

}  // namespace tranche::node::walls::testing
