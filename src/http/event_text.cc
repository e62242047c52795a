#include "http/event_text.h"

namespace tranche::http {

std::string EventText(std::string_view name, std::string_view data) {
  std::string text = "event: " + std::string(name) + "\ndata: ";
  for (const char c : data) {
    if (c == '\n' || c == '\r') {
      text += "\ndata: ";
    } else {
      text += c;
    }
  }
  return text + "\n\n";
}

}  // namespace tranche::http
