#include "sim/engine/turns.h"

#include <algorithm>

namespace tranche::sim::engine {

Turns::Turns(UnitId unit, const Hardware& hardware, EventQueue& events, Observer& observer)
    : unit_(unit),
      hardware_{.slice = std::max<Time>(hardware.slice, 1),
                .switch_cost = std::max<Time>(hardware.switch_cost, 0)},
      events_(events),
      observer_(observer),
      timer_(this) {}

void Turns::Add(Stream& stream) {
  Context& context = stream.context;
  stream.left = stream.tasks.front().task.length;
  context.kernels.push_back(&stream);
  if (!context.ready) {
    context.ready = true;
    ready_.emplace(context.id, &context);
  }
}

Stream* Turns::OnDue(Time now) {
  if (switching_) {
    switching_ = false;
    observer_.OnSwitched(unit_, place_, since_, now);
    return nullptr;
  }
  Progress(now);
  Stream* stream = current_->kernels.front();
  if (stream->left > 0) {
    return nullptr;  // its turn is over
  }
  current_->kernels.pop_front();
  return stream;
}

void Turns::Decide(Time now) {
  if (switching_) {
    return;
  }
  Progress(now);
  Context* next = current_;
  if (current_ == nullptr || current_->kernels.empty()) {
    if (current_ != nullptr && current_->ready) {
      current_->ready = false;
      ready_.erase(current_->id);
    }
    next = After(place_);
    if (next == nullptr) {
      End(now);
      return;
    }
    left_ = hardware_.slice;
  } else if (left_ <= 0) {
    next = After(place_);
    left_ = hardware_.slice;
  }
  if (next != current_) {
    End(now);
    current_ = next;
    place_ = next->id;
  }
  if (last_ != place_) {
    last_ = place_;
    if (hardware_.switch_cost > 0) {
      switching_ = true;
      since_ = now;
      events_.Set(timer_, now + hardware_.switch_cost);
      return;
    }
  }
  Compute(now);
}

void Turns::Compute(Time now) {
  if (!computing_) {
    computing_ = true;
    since_ = now;
  }
  counted_ = now;
  Stream& stream = *current_->kernels.front();
  if (!stream.begun) {
    stream.begun = now;
  }
  const bool alone = ready_.size() == 1;
  events_.Set(timer_, now + (alone ? stream.left : std::min(stream.left, left_)));
}

void Turns::Remove(Context& context, Time now) {
  Progress(now);
  if (current_ == &context) {
    End(now);
    if (!switching_) {
      events_.Cancel(timer_);
    }
    current_ = nullptr;
  }
  context.kernels.clear();
  if (context.ready) {
    context.ready = false;
    ready_.erase(context.id);
  }
}

void Turns::ReportComputed(Time now) {
  if (computing_) {
    Progress(now);
    End(now);
    computing_ = true;
    since_ = now;
  }
}

void Turns::Progress(Time now) {
  if (!computing_ || current_->kernels.empty()) {
    return;
  }
  const Time computed = now - counted_;
  counted_ = now;
  current_->kernels.front()->left -= computed;
  left_ -= computed;
  if (left_ < 0) {  // it was alone, and began new turns meanwhile
    const Time over = -left_ % hardware_.slice;
    left_ = over == 0 ? 0 : hardware_.slice - over;
  }
}

void Turns::End(Time now) {
  if (computing_) {
    computing_ = false;
    if (now > since_) {
      observer_.OnComputed(unit_, current_->id, since_, now);
    }
  }
}

Context* Turns::After(ContextId context) {
  if (ready_.empty()) {
    return nullptr;
  }
  auto next = ready_.upper_bound(context);
  return next == ready_.end() ? ready_.begin()->second : next->second;
}

}  // namespace tranche::sim::engine
