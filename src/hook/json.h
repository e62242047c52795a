// JsonReader goes through a JSON text once, from the front to the back, without allocating.
//
//   if (reader.EnterObject())
//     while (reader.NextMember(&name))
//       name == "id" ? reader.ReadString(&id) : reader.Skip();
//
// After each NextMember or NextElement the value is read, entered or skipped. A value of another
// kind than is asked for is skipped, so that what is missing and what is wrong look the same. It is
// lenient about commas and about what a number is: the text comes from a program, and the reader
// need not judge it, but it never leaves its bounds.
//
// Threading: a plain object; one thread at a time.
// Errors: broken() once the text is not JSON; everything then reads as ended.
#pragma once

#include <cstddef>
#include <string_view>

namespace tranche::hook {

class JsonReader {
 public:
  // Strings are decoded in place: the text is changed, and has to stay as long as they are used.
  JsonReader(char* text, std::size_t size) : at_(text), end_(text + size) {}

  bool EnterObject() { return Enter('{'); }
  bool EnterArray() { return Enter('['); }
  // False at the end of the object, which is then left.
  bool NextMember(std::string_view* name);
  bool NextElement();
  bool ReadString(std::string_view* value);
  void Skip();

  [[nodiscard]] bool broken() const { return broken_; }

 private:
  bool Enter(char bracket);
  bool Next(char bracket);
  void SkipSpace();
  void Break();
  bool Decode(std::string_view* value);
  bool DecodeEscape(char** to);
  void SkipString();

  char* at_;
  char* end_;
  bool broken_ = false;
};

}  // namespace tranche::hook
