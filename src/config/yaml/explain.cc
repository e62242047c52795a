#include "config/yaml/explain.h"

#include <fmt/format.h>

#include <algorithm>

namespace tranche::config::yaml {
namespace {

std::string_view LineAt(std::string_view text, int number) {
  for (int i = 1; i < number; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// The first line from `first` to `last` whose indentation has a tab, with the tab's column.
Mark TabIn(std::string_view text, int first, int last) {
  for (int line = 1; line <= last && !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    const std::string_view here = text.substr(0, end);
    const std::size_t indent = std::min(here.find_first_not_of(" \t"), here.size());
    const std::size_t tab = here.substr(0, indent).find('\t');
    const bool says = indent < here.size() && here[indent] != '#';
    if (line >= first && tab != std::string_view::npos && says) {
      return {line, static_cast<int>(tab) + 1};
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

// What stands after the last of upstream's stages.
std::string_view WithoutStages(std::string_view message) {
  for (const std::string_view stage :
       {std::string_view("error converting YAML to JSON: "), std::string_view("yaml: ")}) {
    if (message.starts_with(stage)) message.remove_prefix(stage.size());
  }
  if (message.starts_with("line ")) {
    const std::size_t colon = message.find(": ");
    if (colon != std::string_view::npos) message.remove_prefix(colon + 2);
  }
  return message;
}

}  // namespace

bool IsTemplate(std::string_view text) {
  const std::size_t open = text.find("{{");
  return open != std::string_view::npos && text.find("}}", open) != std::string_view::npos;
}

Diagnostic ExplainYaml(std::string_view text, const Failure& failure) {
  Diagnostic out{Severity::kError, "", failure.mark.line, failure.mark.column, false, ""};
  if (failure.code == base::Code::kOutOfRange) {
    out.message = failure.message;
    return out;
  }
  if (const Mark tab = TabIn(text, failure.mark.line - 1, failure.mark.line + 1); tab.line > 0) {
    out.line = tab.line;
    out.column = tab.column;
    out.message = "a tab is used as indentation";
    out.instead = "write spaces";
    return out;
  }
  out.message = fmt::format("not readable as YAML: {}", WithoutStages(failure.message));
  if (IsTemplate(LineAt(text, failure.mark.line))) {
    out.message = "a template that nobody has filled in";
    out.instead = kFillTemplate;
  }
  return out;
}

}  // namespace tranche::config::yaml
