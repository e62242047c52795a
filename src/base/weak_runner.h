// Tasks and callbacks of an object that do nothing once the object has been destroyed.
//
// An object that posts tasks about itself, or hands out callbacks that use it, has a WeakRunner as
// its last member. That member is destroyed first, so that nothing of the object runs any more
// while its other members are destroyed:
//
//   runner_.Post([this] { Look(); });                            // a task on the loop
//   loop_.RunAfter(delay, runner_.Wrap([this] { Save(); }));     // any other callback
//   Ask(runner_.Wrap([this](const Answer& answer) { … }));
//
// Threading: it is created and destroyed on the loop's thread. Post, Wrap and AliveCheck may be
// called on any thread while the runner lives: an object that has threads of its own joins them
// before the runner is destroyed. A thread that can outlive the object cannot use its runner.
// What Wrap and AliveCheck return may be copied and destroyed on any thread, also later than the
// runner, but is called on the loop's thread only. Whether the object is still there is checked
// when the task runs, not when it is posted; since both that and the destruction happen on the
// loop's thread, the object cannot go in between.
// Errors: none. A task that comes too late is dropped without a word.
#pragma once

#include <memory>
#include <utility>

#include "base/event_loop.h"

namespace tranche::base {

class WeakRunner {
 public:
  explicit WeakRunner(EventLoop& loop) : loop_(loop) {}
  WeakRunner(const WeakRunner&) = delete;
  WeakRunner& operator=(const WeakRunner&) = delete;

  // A callable that passes its arguments on to `call`, and does nothing once this runner has been
  // destroyed. `call` may destroy the object that owns the runner.
  template <class Call>
  [[nodiscard]] auto Wrap(Call call) const {
    return [life = std::weak_ptr<char>(life_), call = std::move(call)](auto&&... args) mutable {
      if (!life.expired()) call(std::forward<decltype(args)>(args)...);
    };
  }

  // Runs `task` on the loop, in the order posted, unless this runner has been destroyed by then.
  void Post(EventLoop::Task task) const { loop_.Post(Wrap(std::move(task))); }

  // For a function that calls out and goes on afterwards: a callable that says whether this runner
  // is still there, and with it the object that owns it.
  [[nodiscard]] auto AliveCheck() const {
    return [life = std::weak_ptr<char>(life_)] { return !life.expired(); };
  }

 private:
  EventLoop& loop_;
  std::shared_ptr<char> life_ = std::make_shared<char>();
};

}  // namespace tranche::base
