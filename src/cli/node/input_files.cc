#include "cli/node/input_files.h"

#include <algorithm>
#include <filesystem>
#include <istream>
#include <system_error>

#include "base/file.h"

namespace tranche::cli::node {
namespace {

namespace fs = std::filesystem;

// A manifest with many profiles: far above Kubernetes' own limit of 1 MiB for a ConfigMap.
constexpr std::size_t kMaxFile = 4U << 20U;
constexpr std::size_t kMaxFiles = 10'000;  // of one folder

InputFile ReadStream(std::istream& in) {
  InputFile out{"<stdin>", "", "", false};
  std::vector<char> chunk(64U << 10U);
  while (in.good() && out.text.size() <= kMaxFile) {
    in.read(chunk.data(), std::ssize(chunk));
    out.text.append(chunk.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (out.text.size() > kMaxFile) {
    out.text.clear();
    out.error = "standard input is larger than 4 MiB";
  }
  return out;
}

InputFile ReadNamed(const std::string& name) {
  InputFile out{.name = name};
  auto text = base::ReadFile(name, kMaxFile);
  if (text.ok()) {
    out.text = *std::move(text);
  } else {
    out.error = text.status().message();
  }
  return out;
}

bool IsManifest(const fs::path& path) {
  const std::string extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

// The manifests below a folder, or why they cannot be listed.
std::vector<std::string> FilesBelow(const std::string& folder, std::string& error) {
  std::vector<std::string> out;
  std::error_code failed;
  fs::recursive_directory_iterator at(folder, fs::directory_options::none, failed);
  for (const fs::recursive_directory_iterator end; !failed && at != end; at.increment(failed)) {
    const bool hidden = at->path().filename().native().starts_with(".");
    std::error_code unknown;
    if (hidden && at->is_directory(unknown)) at.disable_recursion_pending();
    if (hidden || at->is_symlink(unknown) || !at->is_regular_file(unknown)) continue;
    if (IsManifest(at->path())) out.push_back(at->path());
    if (out.size() > kMaxFiles) {
      error = "more than " + std::to_string(kMaxFiles) + " manifests: name a folder below it";
      return {};
    }
  }
  if (failed) error = failed.message();
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

std::vector<InputFile> ReadInputFiles(const std::vector<std::string>& names, bool recursive,
                                      std::istream& in) {
  std::vector<InputFile> out;
  for (const std::string& name : names) {
    std::error_code unknown;
    if (name == "-") {
      out.push_back(ReadStream(in));
    } else if (!fs::is_directory(name, unknown)) {
      out.push_back(ReadNamed(name));
    } else if (!recursive) {
      out.push_back({.name = name, .error = "a folder; -r reads what is in it"});
    } else {
      std::string error;
      for (const std::string& file : FilesBelow(name, error)) {
        out.push_back(ReadNamed(file));
        out.back().searched = true;
      }
      if (!error.empty()) out.push_back({.name = name, .error = error});
    }
  }
  return out;
}

}  // namespace tranche::cli::node
