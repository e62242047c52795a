#include "cdi/shim.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>

#include "base/file.h"
#include "base/text.h"
#include "cdi/edits.h"
#include "cdi/file_trace.h"

namespace tranche::cdi {
namespace {

using base::Duration;
using base::Json;
using base::Result;
using base::Status;
using std::chrono::nanoseconds;

constexpr char kDevice[] = "pod";
constexpr std::size_t kLargest = 64U << 10U;

bool DefinesIt(const std::string& text) {
  const auto spec = Json::Parse(text);
  if (!spec.ok() || !CheckCdiSpec(*spec).ok()) return false;
  const Json* kind = spec->Find("kind");
  const Json* devices = spec->Find("devices");
  if (kind == nullptr || !kind->is_string() || kind->as_string() != kShimKind) return false;
  return devices != nullptr && devices->is_array() &&
         std::ranges::any_of(devices->as_array(), [](const Json& device) {
           const Json* name = device.Find("name");
           return name != nullptr && name->is_string() && name->as_string() == kDevice;
         });
}

}  // namespace

CdiFile ShimSpec(const ShimPlaces& places) {
  Edits edits;
  edits.hooks = {{.path = base::JoinPath(places.files, kShimHook),
                  .args = {kShimHook, kShimHookArgument, kShimHookWalls, places.walls},
                  .env = {}}};
  const Spec spec{
      .kind = kShimKind, .devices = {{.name = kDevice, .edits = std::move(edits)}}, .common = {}};
  return {.device_class = "shim", .name = kShimFile, .spec = ToJson(spec)};
}

Result<std::int64_t> ShimConfirmedAt(const std::vector<std::string>& directories) {
  std::optional<std::int64_t> newest;
  for (const std::string& directory : directories) {
    const std::string path = base::JoinPath(directory, kShimFile);
    const auto text = base::ReadFile(path, kLargest);
    if (!text.ok() || !DefinesIt(*text)) continue;
    newest = std::max(newest.value_or(0), TraceOf(path).modified_ns);
  }
  if (newest) return *newest;
  return Status(base::Code::kNotFound, std::string("nothing publishes ") + kShimName + " in " +
                                           base::Join(directories, " or "));
}

Duration ShimAge(std::int64_t confirmed_at_ns) {
  const auto now =
      std::chrono::duration_cast<nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  timespec up{};
  clock_gettime(CLOCK_BOOTTIME, &up);
  const nanoseconds age = now - nanoseconds(confirmed_at_ns);
  const nanoseconds uptime = std::chrono::seconds(up.tv_sec) + nanoseconds(up.tv_nsec);
  return std::chrono::duration_cast<Duration>(
      std::clamp(age, nanoseconds::zero(), std::max(uptime, nanoseconds::zero())));
}

}  // namespace tranche::cdi
