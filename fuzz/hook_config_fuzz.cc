// The state and the config.json that a container runtime gives to tranche-hook, as an image's
// author may have shaped them: any text is read or refused, and what is kept lies inside it. What
// the report of a birth makes of a name is JSON, whatever the name.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "hook/birth.h"
#include "hook/json.h"
#include "hook/text.h"

using tranche::hook::Birth;

namespace {

constexpr std::size_t kMostName = 4096;
using Name = tranche::hook::Line<6 * kMostName>;

void ExpectInside(const std::string& text, std::string_view part) {
  if (part.empty()) return;
  const std::less_equal<> not_after;
  if (!not_after(text.data(), part.data()) ||
      !not_after(part.data() + part.size(), text.data() + text.size())) {
    std::abort();
  }
}

// In ASCII, in six bytes for each at most, and a string to a reader of JSON.
void ExpectEscaped(std::string_view text) {
  const std::string_view name = text.substr(0, kMostName);
  const auto escaped = std::make_unique<Name>();
  escaped->AddEscaped(name);
  if (!escaped->whole()) std::abort();
  std::string json = "\"" + std::string(escaped->view()) + "\"";
  tranche::hook::JsonReader reader(json.data(), json.size());
  std::string_view again;
  if (!reader.ReadString(&again)) std::abort();
  for (const char byte : escaped->view()) {
    if (static_cast<unsigned char>(byte) < 0x20 || static_cast<unsigned char>(byte) >= 0x7F) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string given(reinterpret_cast<const char*>(data), size);
  std::string state = given;
  Birth born;
  tranche::hook::ReadState(state.data(), state.size(), &born);
  ExpectInside(state, born.id);
  ExpectInside(state, born.bundle);
  ExpectEscaped(given);
  std::string config = given;
  Birth birth;
  tranche::hook::ReadConfig(config.data(), config.size(), &birth);
  for (const std::string_view part : {birth.root, birth.folder, birth.library_path}) {
    ExpectInside(config, part);
  }
  for (const auto* parts : {&birth.mounts, &birth.cached, &birth.links}) {
    for (const std::string_view part : *parts) ExpectInside(config, part);
  }
  return 0;
}
