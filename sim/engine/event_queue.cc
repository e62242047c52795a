#include "sim/engine/event_queue.h"

namespace tranche::sim::engine {

void EventQueue::Set(Timer& timer, Time due) {
  if (timer.position == Timer::kNotSet) {
    heap_.push_back(&timer);
    timer.position = heap_.size() - 1;
  }
  timer.due = due;
  timer.order = order_++;
  Rise(timer.position);
  Sink(timer.position);
}

void EventQueue::Cancel(Timer& timer) {
  if (timer.position == Timer::kNotSet) {
    return;
  }
  const std::size_t position = timer.position;
  timer.position = Timer::kNotSet;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last != &timer) {
    Place(position, last);
    Rise(last->position);
    Sink(last->position);
  }
}

Timer& EventQueue::Take() {
  Timer& first = *heap_.front();
  Cancel(first);
  return first;
}

bool EventQueue::Before(const Timer& a, const Timer& b) {
  return a.due != b.due ? a.due < b.due : a.order < b.order;
}

void EventQueue::Place(std::size_t position, Timer* timer) {
  heap_[position] = timer;
  timer->position = position;
}

void EventQueue::Rise(std::size_t position) {
  Timer* timer = heap_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (!Before(*timer, *heap_[parent])) {
      break;
    }
    Place(position, heap_[parent]);
    position = parent;
  }
  Place(position, timer);
}

void EventQueue::Sink(std::size_t position) {
  Timer* timer = heap_[position];
  while (true) {
    std::size_t child = 2 * position + 1;
    if (child >= heap_.size()) {
      break;
    }
    if (child + 1 < heap_.size() && Before(*heap_[child + 1], *heap_[child])) {
      ++child;
    }
    if (!Before(*heap_[child], *timer)) {
      break;
    }
    Place(position, heap_[child]);
    position = child;
  }
  Place(position, timer);
}

}  // namespace tranche::sim::engine
