#include "cli/top/top.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <utility>

#include "base/log.h"
#include "base/timer.h"
#include "cli/common/yaml.h"
#include "cli/top/asker.h"
#include "cli/top/keys.h"
#include "cli/top/screen.h"
#include "cli/top/tables.h"
#include "cli/top/terminal.h"

namespace tranche::cli::top {

namespace {

using base::Json;
using base::Result;
using base::Status;

constexpr int kWell = 0;
constexpr int kDegraded = 1;
constexpr int kCannot = 2;

double WallClock() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

int Fail(std::ostream& errors, const Status& status) {
  errors << "tranche top: " << base::Printable(status.message(), 2000) << "\n";
  return kCannot;
}

class ScreenTop {
 public:
  ScreenTop(base::EventLoop& loop, Asker& asker, Terminal& terminal, const TopOptions& options)
      : loop_(loop),
        asker_(asker),
        terminal_(terminal),
        frames_(options.looks),
        interval_(options.interval),
        timer_(loop),
        answered_(loop.Now()) {
    view_.sort = options.sort;
    view_.source = asker.url();
  }
  ~ScreenTop() { loop_.UnwatchFd(keyboard_); }
  ScreenTop(const ScreenTop&) = delete;
  ScreenTop& operator=(const ScreenTop&) = delete;

  void Begin() {
    keyboard_ = loop_.WatchFd(STDIN_FILENO, base::FdEvents::kRead, [this] { Typed(); });
    Tick();
  }

  void OnSignal(int number) {
    if (number == SIGWINCH) {
      Draw();
    } else if (number == SIGTSTP) {
      Do(Key::kStop);
    } else {
      loop_.Stop();
    }
  }

 private:
  void Tick() {
    timer_.Start(interval_, [this] { Tick(); });
    asker_.Ask([this](const Result<Json>& answer) { Answered(answer); });
    Draw();
  }

  void Answered(const Result<Json>& answer) {
    auto node = answer.ok() ? ReadNodeUse(*answer) : Result<NodeUse>(answer.status());
    if (node.ok()) {
      node_ = std::move(*node);
      SortPods(*node_, view_.sort);
      answered_ = loop_.Now();
      view_.trouble.clear();
    } else {
      view_.trouble = base::Printable(node.status().message(), 400);
    }
    Draw();
  }

  void Typed() {
    const std::string bytes = Terminal::Read();
    if (bytes.empty()) return loop_.Stop();  // the terminal has gone
    for (const Key key : keys_.Read(bytes)) Do(key);
    Draw();
  }

  void Do(Key key) {
    switch (key) {
      case Key::kQuit:
        return loop_.Stop();
      case Key::kSort:
        view_.sort = kSorts[(static_cast<std::size_t>(view_.sort) + 1) % kSorts.size()];
        if (node_) SortPods(*node_, view_.sort);
        return;
      case Key::kUp:
        view_.scroll -= view_.scroll > 0 ? 1 : 0;
        return;
      case Key::kDown:
        ++view_.scroll;
        return;
      case Key::kPageUp:
        view_.scroll -= std::min(view_.scroll, page_);
        return;
      case Key::kPageDown:
        view_.scroll += page_;
        return;
      case Key::kHome:
        view_.scroll = 0;
        return;
      case Key::kEnd:
        view_.scroll = kMaxDevices * kMaxPods;
        return;
      case Key::kHelp:
        view_.help = !view_.help;
        view_.scroll = 0;
        return;
      case Key::kRedraw:
        return frames_.Forget();
      case Key::kStop:
        terminal_.Stop();
        frames_.Forget();
        return Draw();
    }
  }

  void Draw() {
    const TerminalSize size = Terminal::Size();
    view_.columns = size.columns;
    view_.rows = size.rows;
    view_.now = WallClock();
    view_.answered_before = std::chrono::duration<double>(loop_.Now() - answered_).count();
    const Screen screen = DrawScreen(node_, view_);
    view_.scroll = screen.scroll;
    page_ = screen.page;
    // Over a slow line the next frame comes late and not a queue of them.
    if (!Terminal::TakesMore()) return;
    if (!Terminal::Write(frames_.Next(screen.lines, size.columns))) loop_.Stop();
  }

  base::EventLoop& loop_;
  Asker& asker_;
  Terminal& terminal_;
  Frames frames_;
  KeyReader keys_;
  ScreenView view_;
  std::size_t page_ = 1;
  std::optional<NodeUse> node_;
  base::Duration interval_;
  base::EventLoop::WatchId keyboard_ = 0;
  base::Timer timer_;
  base::TimePoint answered_;  // or the start
};

}  // namespace

std::string ShowOnce(const NodeUse& node, const TableView& view) {
  const std::span<const NodeUse> nodes(&node, 1);
  std::string out = DevicesTable(nodes, view);
  if (out.empty()) out = node.ready ? "This node has no GPU.\n" : "No GPU is known yet.\n";
  if (const std::string pods = PodsTable(PodRows(nodes), view); !pods.empty()) out += "\n" + pods;
  std::vector<std::string> reasons = node.degraded;
  if (!node.fresh) reasons.emplace_back("the driver does not answer: these figures are old");
  if (reasons.empty()) return out;
  out += "\n" + common::Tinted("Degraded:", Tint::kWarn, view.color) + "\n";
  for (const std::string& reason : reasons) out += "  " + reason + "\n";
  return out;
}

int TopOnce(const TopOptions& options, std::ostream& out, std::ostream& errors) {
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) return Fail(errors, loop.status());
  auto asker = Asker::New(**loop, options.address);
  if (!asker.ok()) return Fail(errors, asker.status().Wrap("--address"));
  std::optional<Result<Json>> answer;
  (*asker)->Ask([&](Result<Json> got) {
    answer.emplace(std::move(got));
    (*loop)->Stop();
  });
  (*loop)->Run();
  const Result<Json>& status = *answer;
  auto node = status.ok() ? ReadNodeUse(*status) : Result<NodeUse>(status.status());
  if (!node.ok()) return Fail(errors, node.status().Wrap((*asker)->url() + "/status"));
  if (options.output == "json") {
    out << status->Dump(2) << "\n";
  } else if (options.output == "yaml") {
    out << common::ToYaml(*status);
  } else {
    SortPods(*node, options.sort);
    out << ShowOnce(
        *node,
        {.wide = options.output == "wide", .color = options.looks.color, .now = WallClock()});
  }
  return node->ready && node->fresh && node->degraded.empty() ? kWell : kDegraded;
}

int TopScreen(const TopOptions& options, std::ostream& errors) {
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) return Fail(errors, loop.status());
  ScreenTop* screen = nullptr;
  const auto signals = base::WatchSignals(
      **loop, {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP}, [&](int number) {
        if (screen != nullptr) screen->OnSignal(number);
      });
  if (!signals.ok()) return Fail(errors, signals.status());
  auto asker = Asker::New(**loop, options.address);
  if (!asker.ok()) return Fail(errors, asker.status().Wrap("--address"));
  const auto terminal = Terminal::Take();
  if (!terminal.ok()) return Fail(errors, terminal.status());
  ScreenTop top(**loop, **asker, **terminal, options);
  screen = &top;
  top.Begin();
  (*loop)->Run();
  return kWell;
}

}  // namespace tranche::cli::top
