// What a program may send to the simulated node's driver (sim/driver/message.h): any bytes, in any
// pieces. The messages that come out are given to a machine, as the driver does.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "sim/driver/machine.h"
#include "sim/driver/message.h"
#include "sim/driver/record/log_file.h"
#include "sim/driver/record/run_log.h"
#include "sim/driver/testing/program.h"

namespace {

using tranche::sim::driver::LogFile;
using tranche::sim::driver::Machine;
using tranche::sim::driver::MachineOptions;
using tranche::sim::driver::Message;
using tranche::sim::driver::MessageReader;
using tranche::sim::driver::RunLog;

LogFile& TheLog() {
  static const std::unique_ptr<LogFile> kLog = [] {
    const auto folder = std::filesystem::temp_directory_path() / "tranche-fuzz-driver";
    auto file = LogFile::Open(folder / std::to_string(getpid()), 1U << 20U);
    TRANCHE_CHECK(file.ok());
    return std::move(*file);
  }();
  return *kLog;
}

}  // namespace

// The first byte says in which pieces the rest comes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = std::size_t{1} + data[0];
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  RunLog log(TheLog());
  Machine machine(MachineOptions{}, log);
  machine.Follow(tranche::sim::driver::testing::NodeOf(2), 0);
  tranche::sim::driver::testing::Program program(machine, 4711);
  MessageReader reader;
  tranche::sim::engine::Time now = 0;
  bool broken = false;
  for (std::size_t at = 0; at < bytes.size() && !broken; at += piece) {
    reader.Feed(bytes.subspan(at, std::min(piece, bytes.size() - at)));
    Message message;
    MessageReader::Step step = reader.Next(&message);
    for (; step == MessageReader::Step::kMessage && !broken; step = reader.Next(&message)) {
      now += 1000;
      broken = !program.Say(message, now);
      machine.AdvanceTo(now);
    }
    broken = broken || step == MessageReader::Step::kBroken;
  }
  program.End(now);
  machine.SettleAt(now + 1000);
  // Whatever was said, nobody holds anything any more.
  for (const auto& device : machine.devices().all()) {
    TRANCHE_CHECK(device->memory->Free() == device->memory->capacity());
  }
  return 0;
}
