#include "profile/file_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <climits>
#include <map>
#include <set>
#include <utility>

#include "base/directory_watch.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "config/load.h"

namespace tranche::profile {

namespace {

using base::Code;
using base::Result;
using base::Status;

// A ConfigMap key is at most 253 bytes (Kubernetes: validation of ConfigMap keys).
constexpr std::size_t kMaxProfileFileBytes = 4U << 10U;
// As the kernel's own bound on a chain of symbolic links (path_resolution(7)).
constexpr int kMaxLinks = 40;
// A swap takes microseconds; whoever swaps without pause is read again at the next event anyway.
constexpr int kMaxReads = 8;
// How long a file may be empty before that is believed.
constexpr std::chrono::milliseconds kSettle{200};
constexpr char kOpenError[] = "error opening config file";

std::string LinkTarget(const std::string& path) {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t length = readlink(path.c_str(), buffer.data(), buffer.size());
  return length > 0 ? std::string(buffer.data(), static_cast<std::size_t>(length)) : std::string();
}

bool IsRegularFile(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

// One that nobody writes to reads as an empty file, which would be a config: the unshared default.
bool IsFifo(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

// What tells one version of a file, and one state of the volume it is in, from the next.
struct Version {
  std::string data_link;
  dev_t device = 0;
  ino_t inode = 0;
  bool regular = false;
  off_t size = 0;
  std::int64_t change_time_ns = 0;
  friend bool operator==(const Version&, const Version&) = default;
};

Version VersionOf(const std::string& directory, const std::string& path) {
  Version version;
  if (!directory.empty()) version.data_link = LinkTarget(base::JoinPath(directory, "..data"));
  struct stat info {};
  if (!path.empty() && stat(path.c_str(), &info) == 0) {
    version.device = info.st_dev;
    version.inode = info.st_ino;
    version.regular = S_ISREG(info.st_mode);
    version.size = info.st_size;
    version.change_time_ns =
        std::int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec;
  }
  return version;
}

// Whoever writes a file in place empties it first, and an empty file is a config: the unshared
// default. How much longer one that was emptied a moment ago is left to its writer.
base::Duration Unsettled(const Version& version) {
  if (!version.regular || version.size != 0) return {};
  const std::chrono::nanoseconds now = std::chrono::system_clock::now().time_since_epoch();
  const std::chrono::nanoseconds age = now - std::chrono::nanoseconds(version.change_time_ns);
  // A clock that was set back must not make it wait for ever.
  if (age < age.zero() || age >= kSettle) return {};
  return std::chrono::duration_cast<base::Duration>(kSettle - age);
}

// Every directory in which a change may make `path` another file: its own, and that of each
// symbolic link on the way.
void AddDirectoriesOf(std::string path, std::set<std::string>& directories) {
  for (int i = 0; i < kMaxLinks && !path.empty(); ++i) {
    const std::string directory = base::ParentDirectory(path);
    // /dev/null is what config-manager links to for no config; nothing else happens in /dev.
    if (directory == "/dev") return;
    directories.insert(directory);
    const std::string target = LinkTarget(path);
    if (target.empty()) return;
    path = target.starts_with('/') ? target : base::JoinPath(directory, target);
  }
}

// The directory itself, links followed: a watch on a path that now leads elsewhere is of no use.
std::pair<dev_t, ino_t> DirectoryIdentity(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return {0, 0};
  return {info.st_dev, info.st_ino};
}

class FileConfigSource : public ConfigSource {
 public:
  FileConfigSource(base::EventLoop& loop, FileSourceOptions options, std::function<void()> changed)
      : loop_(loop),
        options_(std::move(options)),
        changed_(std::move(changed)),
        settle_timer_(loop),
        runner_(loop) {
    RefreshWatches();
    LookAgainOnceSettled();
  }

  [[nodiscard]] WantedConfig Read() const override {
    WantedConfig wanted;
    for (int i = 0; i < kMaxReads; ++i) {
      const std::string volume = options_.profiles_directory;
      const std::string source = Choose(wanted);
      const Version before = VersionOf(volume, source);
      wanted = ReadOnce();
      if (wanted.source != source || VersionOf(volume, source) != before) continue;
      if (Unsettled(before) > base::Duration::zero()) {
        wanted.certainty = Certainty::kUnknown;
        wanted.why = source + " was emptied a moment ago";
      }
      break;
    }
    return wanted;
  }

  [[nodiscard]] std::vector<std::string> AvailableProfiles() const override {
    Result<std::vector<std::string>> names = ListProfiles();
    return names.ok() ? std::move(names).value() : std::vector<std::string>();
  }

  void Select(const std::string& profile) override {
    if (profile == options_.profile) return;
    options_.profile = profile;
    options_.profile_file.clear();
    RefreshWatches();
  }

 private:
  struct Watch {
    std::pair<dev_t, ino_t> identity;
    std::unique_ptr<base::DirectoryWatch> watch;
  };

  [[nodiscard]] Result<std::vector<std::string>> ListProfiles() const {
    Result<std::vector<std::string>> names = base::ListDirectory(options_.profiles_directory);
    if (!names.ok()) return names.status().Wrap("error getting list of configuration files");
    std::erase_if(*names, [this](const std::string& name) {
      return name.starts_with("..") ||
             !IsRegularFile(base::JoinPath(options_.profiles_directory, name));
    });
    return names;
  }

  // The flag, else the file's content; no file is no selection, as a node without the label.
  [[nodiscard]] Result<std::string> SelectedProfile() const {
    if (!options_.profile.empty() || options_.profile_file.empty()) return options_.profile;
    const Result<std::string> text = base::ReadFile(options_.profile_file, kMaxProfileFileBytes);
    if (text.status().code() == Code::kNotFound) return std::string();
    if (!text.ok()) return text.status().Wrap("reading the selected profile's name");
    return std::string(base::Trim(*text));
  }

  // Fills in profile, source, named and status; gives the path to read, "" when there is none.
  std::string Choose(WantedConfig& wanted) const {
    wanted = {};
    if (options_.profiles_directory.empty()) {
      wanted.source = options_.config_file;
      wanted.named = !wanted.source.empty();
      return wanted.source;
    }
    wanted.named = true;
    const Result<std::string> profile = ChooseFromDirectory();
    if (!profile.ok()) {
      wanted.source = options_.profiles_directory;
      wanted.status = profile.status();
      return wanted.source;
    }
    wanted.profile = *profile;
    wanted.named = !profile->empty();
    if (wanted.named) wanted.source = base::JoinPath(options_.profiles_directory, *profile);
    return wanted.source;
  }

  [[nodiscard]] Result<std::string> ChooseFromDirectory() const {
    const Result<std::vector<std::string>> available = ListProfiles();
    if (!available.ok()) return available.status();
    const Result<std::string> selected = SelectedProfile();
    if (!selected.ok()) return selected.status();
    return ChooseProfile(*available, *selected, options_.default_profile, options_.fallbacks);
  }

  [[nodiscard]] WantedConfig ReadOnce() const {
    WantedConfig wanted;
    const std::string path = Choose(wanted);
    if (!wanted.status.ok() || path.empty()) return wanted;
    if (IsFifo(path)) {
      wanted.status = Status(Code::kFailedPrecondition,
                             std::string(kOpenError) + ": " + path + " is a named pipe");
      return wanted;
    }
    Result<std::string> text = base::ReadFile(path, config::kMaxConfigBytes);
    if (text.ok()) {
      wanted.text = std::move(text).value();
    } else if (text.status().code() == Code::kNotFound) {
      wanted.status = Status(Code::kNotFound, std::string(kOpenError) + ": open " + path +
                                                  ": no such file or directory");
    } else {
      wanted.status = text.status().Wrap(kOpenError);
    }
    return wanted;
  }

  // Watches are made again before the owner reads: what changes after that is then always seen.
  void RefreshWatches() {
    std::set<std::string> directories;
    if (!options_.profiles_directory.empty()) {
      directories.insert(options_.profiles_directory);
      if (options_.profile.empty()) AddDirectoriesOf(options_.profile_file, directories);
    }
    WantedConfig wanted;
    const std::string path = Choose(wanted);
    if (wanted.status.ok()) AddDirectoriesOf(path, directories);

    std::erase_if(watches_, [&](const auto& entry) {
      return !directories.contains(entry.first) ||
             entry.second.identity != DirectoryIdentity(entry.first);
    });
    for (const std::string& directory : directories) {
      if (watches_.contains(directory)) continue;
      const auto identity = DirectoryIdentity(directory);
      watches_.emplace(directory,
                       Watch{identity, base::WatchDirectory(loop_, directory, [this] { Seen(); })});
    }
  }

  // Nothing tells that a file stayed empty.
  void LookAgainOnceSettled() {
    WantedConfig wanted;
    const std::string path = Choose(wanted);
    if (!wanted.status.ok() || path.empty()) return;
    const base::Duration wait = Unsettled(VersionOf(options_.profiles_directory, path));
    if (wait <= base::Duration::zero()) return;
    settle_timer_.Start(wait, [this] { Seen(); });
  }

  // A watch may not be destroyed from its own call, hence the detour; it also makes one call of
  // many.
  void Seen() {
    if (std::exchange(refresh_posted_, true)) return;
    runner_.Post([this] {
      refresh_posted_ = false;
      RefreshWatches();
      LookAgainOnceSettled();
      changed_();
    });
  }

  base::EventLoop& loop_;
  FileSourceOptions options_;
  std::function<void()> changed_;
  std::map<std::string, Watch> watches_;
  bool refresh_posted_ = false;
  base::Timer settle_timer_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace

std::unique_ptr<ConfigSource> NewFileSource(base::EventLoop& loop, FileSourceOptions options,
                                            std::function<void()> changed) {
  return std::make_unique<FileConfigSource>(loop, std::move(options), std::move(changed));
}

}  // namespace tranche::profile
