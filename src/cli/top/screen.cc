#include "cli/top/screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/top/columns.h"
#include "cli/top/figures.h"

namespace tranche::cli::top {

namespace {

constexpr std::size_t kIndent = 2;
constexpr std::size_t kBusy = 8;     // "100.0 %"
constexpr std::size_t kMemory = 14;  // "79.9/80.0 GiB"
constexpr std::size_t kCount = 6;
constexpr std::size_t kIdle = 8;
constexpr std::size_t kLeastName = 12;
constexpr std::size_t kMostReasons = 3;
constexpr double kHundred = 100;

std::string PodTitle(const PodUse& pod) {
  return pod.FullName() + (pod.container.empty() ? "" : " " + pod.container);
}

// How wide the columns of pods are, the same for all GPUs.
struct Widths {
  std::size_t name = kLeastName;
  std::size_t bar = 0;
};

Widths WidthsFor(const NodeUse& node, std::size_t columns) {
  std::size_t longest = kLeastName;
  std::size_t flags = 0;
  for (const DeviceUse& device : node.devices) {
    for (const PodUse& pod : device.pods) {
      longest = std::max(longest, Columns(PodTitle(pod)));
      flags = std::max(flags, Columns(pod.Flags()));
    }
  }
  const std::size_t fixed =
      kIndent + kBusy + kMemory + kCount + kIdle + (flags > 0 ? flags + 2 : 0);
  Widths widths;
  widths.bar = columns >= 110 ? 20 : columns >= 80 ? 10 : 0;
  const std::size_t room = columns > fixed + widths.bar ? columns - fixed - widths.bar : 0;
  widths.name = std::clamp(room, kLeastName, std::max(kLeastName, longest));
  return widths;
}

Line Headings(const Widths& widths) {
  const std::string text = std::string(kIndent, ' ') + FitLeft("POD", widths.name) +
                           FitRight("BUSY", widths.bar + kBusy) + FitRight("MEMORY", kMemory) +
                           FitRight("PROCS", kCount) + FitRight("IDLE", kIdle);
  return Line{}.Add(text, Tint::kFaint);
}

Line PodLine(const PodUse& pod, const Widths& widths, double now) {
  Line line;
  line.Add(std::string(kIndent, ' ')).Add(FitLeft(PodTitle(pod), widths.name));
  if (widths.bar > 0) {
    line.Add(" ").Add(BarOf(pod.busy_percent, kHundred, widths.bar - 1), Tint::kGood);
  }
  line.Add(FitRight(Percent(pod.busy_percent), kBusy));
  const Tint memory = pod.OverLimit() ? Tint::kBad : Tint::kNone;
  line.Add(" ").Add(FitRight(BytesOf(pod.memory_bytes, pod.Limit()), kMemory - 1), memory);
  line.Add(FitRight(Whole(pod.processes), kCount));
  line.Add(FitRight(Idle(pod, now), kIdle), Tint::kFaint);
  if (const std::string flags = pod.Flags(); !flags.empty()) {
    line.Add("  ").Add(flags, Tint::kWarn);
  }
  return line;
}

// What no pod has: programs of the host, and what belongs to no process.
Line RestLine(const RestUse& rest, const Widths& widths) {
  Line line;
  line.Add(std::string(kIndent, ' ')).Add(FitLeft("(no pod's)", widths.name), Tint::kFaint);
  line.Add(std::string(widths.bar + kBusy, ' '));
  line.Add(FitRight(Bytes(rest.memory_bytes), kMemory), Tint::kFaint);
  line.Add(FitRight(Whole(rest.processes), kCount), Tint::kFaint);
  return line;
}

Line DeviceLine(const DeviceUse& device) {
  Line line;
  line.Add(DeviceTitle(device), Tint::kBold);
  if (!device.model.empty()) line.Add("  " + device.model);
  if (device.health == "Healthy") {
    line.Add("  healthy", Tint::kGood);
  } else if (!device.health.empty()) {
    const std::string& why = device.health_reason;
    line.Add("  " + device.health + (why.empty() ? "" : ": " + why), Tint::kBad);
  }
  if (device.power_watts) {
    line.Add(fmt::format(
        "  {:.0f}{} W", *device.power_watts,
        device.power_limit_watts ? fmt::format("/{:.0f}", *device.power_limit_watts) : ""));
  }
  if (device.temperature_celsius) line.Add(fmt::format("  {:.0f} °C", *device.temperature_celsius));
  if (const std::string replicas = Replicas(device); !replicas.empty()) line.Add("  " + replicas);
  if (device.contended_percent && *device.contended_percent >= 1) {
    line.Add("  contended " + Percent(device.contended_percent), Tint::kWarn);
  }
  return line;
}

// Two bars, where there is room for them.
Line UseLine(const DeviceUse& device, std::size_t columns) {
  constexpr std::size_t kWords = 46;  // all that is no bar
  constexpr std::size_t kLeastBar = 4;
  constexpr std::size_t kMostBar = 40;
  const std::size_t room = columns > kWords ? (columns - kWords) / 2 : 0;
  const std::size_t bar = room < kLeastBar ? 0 : std::min(room, kMostBar);
  Line line;
  line.Add("  busy ");
  if (bar > 0 && device.busy_percent) {
    line.Add(BarOf(device.busy_percent, kHundred, bar), Tint::kGood);
  }
  if (device.busy_percent) {
    line.Add(FitRight(Percent(device.busy_percent), kBusy));
  } else {
    line.Add(device.unmeasured.empty() ? "-" : "- (" + device.unmeasured + ")", Tint::kFaint);
    line.To(7 + bar + kBusy);
  }
  line.Add("  memory ");
  const bool full = device.memory_used_bytes && device.memory_bytes &&
                    *device.memory_used_bytes > 0.95 * *device.memory_bytes;
  if (bar > 0) {
    line.Add(BarOf(device.memory_used_bytes, device.memory_bytes, bar),
             full ? Tint::kWarn : Tint::kGood);
  }
  return line.Add(" " + BytesOf(device.memory_used_bytes, device.memory_bytes));
}

std::size_t PodCount(const NodeUse& node) {
  std::size_t pods = 0;
  for (const DeviceUse& device : node.devices) pods += device.pods.size();
  return pods;
}

std::string Counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

void AddDevices(const NodeUse& node, const Widths& widths, std::size_t columns, double now,
                std::vector<Line>& lines) {
  for (const DeviceUse& device : node.devices) {
    lines.push_back(DeviceLine(device));
    lines.push_back(UseLine(device, columns));
    for (const PodUse& pod : device.pods) lines.push_back(PodLine(pod, widths, now));
    if (device.rest.processes.value_or(0) > 0) lines.push_back(RestLine(device.rest, widths));
    if (device.pods.empty()) lines.push_back(Line{}.Add("  no pod", Tint::kFaint));
    lines.emplace_back();
  }
}

std::vector<Line> HelpLines() {
  static constexpr std::array<std::pair<const char*, const char*>, 8> kKeys{
      {{"q, Ctrl-C", "quit"},
       {"s", "sort pods by: busy, memory, idle, name"},
       {"↑ ↓, k j", "one line up or down"},
       {"PgUp PgDn", "one page up or down"},
       {"Home End", "the first or the last line"},
       {"Ctrl-L", "draw the screen again"},
       {"Ctrl-Z", "stop; fg goes on"},
       {"? h", "this help"}}};
  std::vector<Line> lines;
  lines.reserve(2 * std::size(kKeys));
  for (const auto& [key, what] : kKeys) {
    lines.push_back(Line{}.Add("  ").Add(FitLeft(key, 12), Tint::kBold).Add(what));
  }
  lines.emplace_back();
  for (const char* text :
       {"busy    part of the last ten seconds in which something of it ran on the GPU",
        "memory  what it holds, and of how much where it has a wall or the profile names a limit",
        "idle    how long it has not computed while it holds the GPU", "-       not known"}) {
    lines.push_back(Line{}.Add(std::string("  ") + text));
  }
  return lines;
}

Line Title(const std::optional<NodeUse>& node, const ScreenView& view) {
  Line line;
  line.Add("tranche top", Tint::kBold);
  if (!node) return line;
  if (!node->node.empty()) line.Add("  " + node->node);
  line.Add(fmt::format("  {}, {}, by {}", Counted(node->devices.size(), "GPU"),
                       Counted(PodCount(*node), "pod"), SortName(view.sort)));
  return line;
}

// What a person has to know before the figures are believed.
std::vector<Line> Warnings(const std::optional<NodeUse>& node, const ScreenView& view) {
  std::vector<Line> lines;
  if (!view.trouble.empty()) {
    lines.push_back(
        Line{}.Add(fmt::format("no answer{} for {}, asking again: {}", node ? "" : " yet",
                               Span(view.answered_before), view.trouble),
                   Tint::kBad));
  }
  if (!node) return lines;
  if (!node->fresh) {
    lines.push_back(Line{}.Add("the driver does not answer: these figures are old", Tint::kBad));
  }
  const std::size_t shown = std::min(node->degraded.size(), kMostReasons);
  for (std::size_t i = 0; i < shown; ++i)
    lines.push_back(Line{}.Add(node->degraded[i], Tint::kWarn));
  if (node->degraded.size() > shown) {
    lines.push_back(
        Line{}.Add(fmt::format("and {} more", node->degraded.size() - shown), Tint::kWarn));
  }
  return lines;
}

std::vector<Line> Body(const std::optional<NodeUse>& node, const ScreenView& view,
                       const Widths& widths) {
  if (view.help) return HelpLines();
  std::vector<Line> lines;
  if (!node) {
    lines.push_back(Line{}.Add("waiting for " + view.source));
  } else if (node->devices.empty()) {
    lines.push_back(Line{}.Add(node->ready ? "this node has no GPU" : "no GPU is known yet"));
  } else {
    AddDevices(*node, widths, view.columns, view.now, lines);
  }
  return lines;
}

}  // namespace

std::vector<Line> DrawDevices(const NodeUse& node, std::size_t columns, double now) {
  const Widths widths = WidthsFor(node, columns);
  std::vector<Line> lines{Headings(widths)};
  AddDevices(node, widths, columns, now, lines);
  while (lines.back().parts.empty()) lines.pop_back();
  return lines;
}

Screen DrawScreen(const std::optional<NodeUse>& node, const ScreenView& view) {
  const Widths widths = node ? WidthsFor(*node, view.columns) : Widths{};
  Screen screen;
  screen.lines.push_back(Title(node, view));
  for (Line& line : Warnings(node, view)) screen.lines.push_back(std::move(line));
  if (node && !node->devices.empty() && !view.help) screen.lines.push_back(Headings(widths));
  // However small the terminal is, a line of the body is seen, and the last line tells of the keys.
  const std::size_t rows = std::max<std::size_t>(view.rows, 1);
  if (screen.lines.size() + 2 > rows) screen.lines.resize(rows > 2 ? rows - 2 : 0);
  screen.page = rows > screen.lines.size() + 1 ? rows - screen.lines.size() - 1 : 1;

  const std::vector<Line> body = Body(node, view, widths);
  const std::size_t most = body.size() > screen.page ? body.size() - screen.page : 0;
  screen.scroll = std::min(view.scroll, most);
  for (std::size_t i = 0; i < screen.page && screen.lines.size() < rows; ++i) {
    const std::size_t at = screen.scroll + i;
    screen.lines.push_back(at < body.size() ? body[at] : Line{});
  }
  if (screen.lines.size() < rows) {
    Line keys;
    keys.Add("q quit  s sort  ↑↓ scroll  ? help", Tint::kFaint);
    if (most > 0) {
      keys.Add(fmt::format("  lines {} to {} of {}", screen.scroll + 1,
                           std::min(body.size(), screen.scroll + screen.page), body.size()),
               Tint::kFaint);
    }
    screen.lines.push_back(std::move(keys));
  }
  return screen;
}

}  // namespace tranche::cli::top
