// The state and the config.json that a container runtime gives to tranche-hook, as an image's
// author may have shaped them: any text is read or refused, and what is kept lies inside it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

#include "hook/birth.h"

using tranche::hook::Birth;

namespace {

void ExpectInside(const std::string& text, std::string_view part) {
  if (part.empty()) return;
  const std::less_equal<> not_after;
  if (!not_after(text.data(), part.data()) ||
      !not_after(part.data() + part.size(), text.data() + text.size())) {
    std::abort();
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
