#include "hook/birth.h"

#include "hook/json.h"

namespace tranche::hook {
namespace {

void ReadRoot(JsonReader& reader, Birth* birth) {
  std::string_view name;
  if (!reader.EnterObject()) return;
  while (reader.NextMember(&name)) {
    if (name == "path") {
      reader.ReadString(&birth->root);
    } else {
      reader.Skip();
    }
  }
}

void ReadEnvironment(JsonReader& reader, Birth* birth) {
  constexpr std::string_view kLibraryPath = "LD_LIBRARY_PATH=";
  if (!reader.EnterArray()) return;
  while (reader.NextElement()) {
    std::string_view entry;
    // Of two entries of one name the dynamic linker takes the last.
    if (reader.ReadString(&entry) && entry.starts_with(kLibraryPath)) {
      entry.remove_prefix(kLibraryPath.size());
      birth->library_path = entry;
    }
  }
}

void ReadProcess(JsonReader& reader, Birth* birth) {
  std::string_view name;
  if (!reader.EnterObject()) return;
  while (reader.NextMember(&name)) {
    if (name == "cwd") {
      reader.ReadString(&birth->folder);
    } else if (name == "env") {
      ReadEnvironment(reader, birth);
    } else {
      reader.Skip();
    }
  }
}

void ReadMounts(JsonReader& reader, Birth* birth) {
  if (!reader.EnterArray()) return;
  while (reader.NextElement()) {
    std::string_view name;
    if (!reader.EnterObject()) continue;
    while (reader.NextMember(&name)) {
      std::string_view destination;
      if (name != "destination") {
        reader.Skip();
      } else if (reader.ReadString(&destination)) {
        birth->mounts.Add(destination);
      }
    }
  }
}

// NVIDIA's: create-symlinks --link TARGET::LINK …, update-ldcache --folder FOLDER …; both options
// also as --option=value.
void ReadArguments(JsonReader& reader, Birth* birth) {
  if (!reader.EnterArray()) return;
  std::string_view option;
  while (reader.NextElement()) {
    std::string_view argument;
    if (!reader.ReadString(&argument)) continue;
    for (const std::string_view name : {"--link=", "--folder="}) {
      if (!argument.starts_with(name)) continue;
      argument.remove_prefix(name.size());
      option = name;
      option.remove_suffix(1);
    }
    if (option == "--link") {
      if (const std::size_t colons = argument.find("::"); colons != std::string_view::npos) {
        argument.remove_prefix(colons + 2);
        birth->links.Add(argument);
      }
    } else if (option == "--folder") {
      birth->cached.Add(argument);
    }
    option = argument;
  }
}

void ReadHookList(JsonReader& reader, Birth* birth) {
  if (!reader.EnterArray()) return;
  while (reader.NextElement()) {
    std::string_view name;
    if (!reader.EnterObject()) continue;
    while (reader.NextMember(&name)) {
      if (name == "args") {
        ReadArguments(reader, birth);
      } else {
        reader.Skip();
      }
    }
  }
}

void ReadHooks(JsonReader& reader, Birth* birth) {
  std::string_view name;
  if (!reader.EnterObject()) return;
  while (reader.NextMember(&name)) {
    if (name == "createContainer") {
      ReadHookList(reader, birth);
    } else {
      reader.Skip();
    }
  }
}

}  // namespace

bool ReadState(char* text, std::size_t size, Birth* birth) {
  JsonReader reader(text, size);
  std::string_view name;
  if (!reader.EnterObject()) return false;
  while (reader.NextMember(&name)) {
    if (name == "id") {
      reader.ReadString(&birth->id);
    } else if (name == "bundle") {
      reader.ReadString(&birth->bundle);
    } else {
      reader.Skip();
    }
  }
  return !reader.broken();
}

bool ReadConfig(char* text, std::size_t size, Birth* birth) {
  JsonReader reader(text, size);
  std::string_view name;
  if (!reader.EnterObject()) return false;
  while (reader.NextMember(&name)) {
    if (name == "root") {
      ReadRoot(reader, birth);
    } else if (name == "process") {
      ReadProcess(reader, birth);
    } else if (name == "mounts") {
      ReadMounts(reader, birth);
    } else if (name == "hooks") {
      ReadHooks(reader, birth);
    } else {
      reader.Skip();
    }
  }
  return !reader.broken();
}

}  // namespace tranche::hook
