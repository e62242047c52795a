#include "check/print.h"

#include <cstdint>

namespace tranche::check {
namespace {

// What comes from the container's files, for a terminal: as in JSON, without control characters.
void AddQuoted(Text* to, std::string_view name, std::string_view value) {
  to->Add("\"").Add(name).Add("\":\"").AddEscaped(value).Add("\"");
}

void AddBytes(Text* to, std::uint64_t bytes) {
  constexpr std::uint64_t kMi = std::uint64_t{1} << 20;
  to->Add(bytes / kMi).Add(".").Add(bytes % kMi * 10 / kMi).Add(" MiB");
}

std::string_view WhyNot(const Libraries& libraries, const Answer& answer) {
  if (libraries.size() > 0 && !libraries[0].shim) return libraries[0].why;
  return answer.why;
}

}  // namespace

bool IsWalled(const Libraries& libraries, const Answer& answer) {
  return libraries.size() > 0 && libraries[0].shim && answer.walled;
}

void PrintText(const Libraries& libraries, const Answer& answer, Text* to) {
  for (const Found& found : libraries) {
    to->Add(found.shim ? "shim     " : "no shim  ").AddEscaped(found.name.view());
    if (found.file.size() > 0 && found.file.view() != found.name.view()) {
      to->Add(" is ").AddEscaped(found.file.view());
    }
    if (found.shim) {
      to->Add(", in front of ").AddEscaped(found.real.view()).Add("\n");
    } else {
      to->Add("\n         ").Add(found.why).Add("\n");
    }
  }
  to->Add(answer.answers ? "answers  " : "silent   ").Add("the node program\n");
  if (!answer.walled) to->Add("         ").Add(answer.why).Add("\n");
  for (const Device& device : answer.devices) {
    to->Add("limit    ").Add(device.uuid.view()).Add(": ");
    AddBytes(to, device.limit_bytes);
    to->Add(", of which ");
    AddBytes(to, device.used_bytes);
    to->Add(" are used; ").Add(device.refusals).Add(" allocations were refused\n");
  }
  to->Add(IsWalled(libraries, answer) ? "walled   yes\n" : "walled   no\n");
}

void PrintJson(const Libraries& libraries, const Answer& answer, Text* to) {
  const bool walled = IsWalled(libraries, answer);
  to->Add(walled ? "{\"walled\":true," : "{\"walled\":false,");
  AddQuoted(to, "why", walled ? std::string_view() : WhyNot(libraries, answer));
  to->Add(",\"libraries\":[");
  for (std::size_t i = 0; i < libraries.size(); ++i) {
    const Found& found = libraries[i];
    to->Add(i == 0 ? "{" : ",{");
    AddQuoted(to, "name", found.name.view());
    to->Add(",");
    AddQuoted(to, "file", found.file.view());
    to->Add(found.shim ? ",\"shim\":true," : ",\"shim\":false,");
    AddQuoted(to, "real", found.real.view());
    to->Add(",");
    AddQuoted(to, "why", found.why);
    to->Add("}");
  }
  to->Add("],\"nodeProgram\":{\"answers\":").Add(answer.answers ? "true" : "false").Add(",");
  AddQuoted(to, "why", answer.why);
  to->Add("},\"devices\":[");
  for (std::size_t i = 0; i < answer.devices.size(); ++i) {
    const Device& device = answer.devices[i];
    to->Add(i == 0 ? "{" : ",{");
    AddQuoted(to, "uuid", device.uuid.view());
    to->Add(",\"limitBytes\":").Add(device.limit_bytes);
    to->Add(",\"usedBytes\":").Add(device.used_bytes);
    to->Add(",\"refusals\":").Add(device.refusals).Add("}");
  }
  to->Add("]}\n");
}

}  // namespace tranche::check
