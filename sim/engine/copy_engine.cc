#include "sim/engine/copy_engine.h"

namespace tranche::sim::engine {

void CopyEngine::Add(Stream& stream, Time now) {
  queue_.push_back(&stream);
  if (queue_.size() == 1) {
    Begin(now);
  }
}

Stream& CopyEngine::OnDue(Time now) {
  Stream& done = *queue_.front();
  queue_.pop_front();
  Begin(now);
  return done;
}

void CopyEngine::Remove(const Context& context, Time now) {
  if (queue_.empty()) {
    return;
  }
  const Stream* first = queue_.front();
  std::erase_if(queue_, [&](const Stream* stream) { return &stream->context == &context; });
  if (queue_.empty() || queue_.front() != first) {
    events_.Cancel(timer_);
    Begin(now);
  }
}

void CopyEngine::Begin(Time now) {
  if (!queue_.empty()) {
    Stream& stream = *queue_.front();
    stream.begun = now;
    events_.Set(timer_, now + stream.tasks.front().task.length);
  }
}

}  // namespace tranche::sim::engine
