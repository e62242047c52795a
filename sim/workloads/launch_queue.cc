#include "sim/workloads/launch_queue.h"

#include <algorithm>

namespace tranche::sim::workloads {
namespace {

constexpr std::size_t kMaxMarks = 2048;
constexpr std::int64_t kMarkEvery = 1'000'000;  // nanoseconds of computing, about

// Often enough to know within a quarter of the limit how many launches are in flight.
std::uint64_t Spacing(const Settings& settings) {
  const std::int64_t by_time = kMarkEvery / std::max<std::int64_t>(1, settings.kernel_ns);
  const std::int64_t by_limit = settings.in_flight == 0 ? 64 : settings.in_flight / 4;
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(std::min(by_time, by_limit), 1, 64));
}

}  // namespace

LaunchQueue::LaunchQueue(Session& session)
    : session_(session),
      spacing_(Spacing(session.settings())),
      limit_(session.settings().in_flight == 0 ? UINT64_MAX : session.settings().in_flight) {}

bool LaunchQueue::Open() {
  const CudaLibrary& cuda = session_.cuda();
  if (!session_.Do(cuda.cuStreamCreate(&stream_, cuda::kStreamNonBlocking), "cuStreamCreate") ||
      !session_.Do(cuda.cuEventCreate(&first_, cuda::kEventDefault), "cuEventCreate") ||
      !session_.Do(cuda.cuEventRecord(first_, stream_), "cuEventRecord")) {
    return false;
  }
  first_at_ = session_.clock().Now();
  return session_.Do(cuda.cuEventSynchronize(first_), "cuEventSynchronize");
}

bool LaunchQueue::Launch() {
  while (launched_ - done_ >= limit_ && !marks_.empty()) {
    if (!AwaitOldest()) return false;
  }
  const std::int64_t called = session_.clock().Now();
  if (!session_.Launch(stream_)) return false;
  ++launched_;
  return launched_ % spacing_ != 0 || AddMark(called);
}

bool LaunchQueue::AddMark(std::int64_t called) {
  Collect();
  if (marks_.size() == kMaxMarks && !AwaitOldest()) return false;
  if (spare_.empty()) {
    cuda::Event event = nullptr;
    if (!session_.Do(session_.cuda().cuEventCreate(&event, cuda::kEventDefault), "cuEventCreate"))
      return false;
    spare_.push_back(event);
  }
  cuda::Event event = spare_.back();
  spare_.pop_back();
  marks_.push_back({event, launched_, called});
  return session_.Do(session_.cuda().cuEventRecord(event, stream_), "cuEventRecord");
}

bool LaunchQueue::AwaitOldest() {
  if (!session_.Do(session_.cuda().cuEventSynchronize(marks_.front().event),
                   "cuEventSynchronize")) {
    return false;
  }
  TakeOldest();
  return true;
}

void LaunchQueue::Collect() {
  while (!marks_.empty()) {
    const cuda::Result result = session_.cuda().cuEventQuery(marks_.front().event);
    if (result == cuda::kNotReady || !session_.Do(result, "cuEventQuery")) return;
    TakeOldest();
  }
}

void LaunchQueue::TakeOldest() {
  const Mark mark = marks_.front();
  marks_.pop_front();
  spare_.push_back(mark.event);
  session_.outcome().done += mark.number - done_;
  done_ = mark.number;
  float milliseconds = 0;
  if (!session_.Do(session_.cuda().cuEventElapsedTime(&milliseconds, first_, mark.event),
                   "cuEventElapsedTime")) {
    return;
  }
  const auto ended = first_at_ + static_cast<std::int64_t>(static_cast<double>(milliseconds) * 1e6);
  AddLatency(session_.outcome(), std::max<std::int64_t>(0, ended - mark.called),
             session_.draws().Any());
}

}  // namespace tranche::sim::workloads
