#include "labels/outlet.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/directory_watch.h"
#include "base/file.h"
#include "labels/outlet_parts.h"

namespace tranche::labels {
namespace {

using base::Status;

constexpr std::size_t kMostFile = 1U << 20U;

class TextOutlet : public LabelOutlet {
 public:
  TextOutlet(base::EventLoop& loop, std::function<void(const std::string&)> write,
             StateChanged state_changed)
      : write_(std::move(write)), reporter_(loop, std::move(state_changed)) {}

  void Publish(const Labels& labels) override {
    std::string text = FormatLabels(labels);
    if (!written_ || text != last_) write_(text);
    written_ = true;
    last_ = std::move(text);
    reporter_.Forget();
    reporter_.Report(Status::Ok());
  }

 private:
  std::function<void(const std::string&)> write_;
  StateReporter reporter_;
  bool written_ = false;
  std::string last_;
};

class FileOutlet : public LabelOutlet {
 public:
  FileOutlet(base::EventLoop& loop, std::string path, StateChanged state_changed)
      : path_(std::move(path)), retry_(loop), reporter_(loop, std::move(state_changed)) {
    // Removed by hand, or by a program that ends after this one began: it is written again. What
    // others write there is theirs: two agents that hand over would not come to an end.
    watch_ = base::WatchDirectory(loop, base::ParentDirectory(path_), [this] {
      if (published_ && !retry_.waiting() && !base::Exists(path_)) Write();
    });
  }

  void Publish(const Labels& labels) override {
    text_ = FormatLabels(labels);
    published_ = true;
    reporter_.Forget();
    retry_.Reset();
    Write();
  }

  void Withdraw() override {
    published_ = false;
    watch_.reset();
    retry_.Reset();
    // Absent is as good as removed; what cannot be removed is left.
    static_cast<void>(unlink(path_.c_str()));
  }

 private:
  void Write() {
    const auto there = base::ReadFile(path_, kMostFile);
    Status status;
    if (!there.ok() || *there != text_) status = Replace();
    reporter_.Report(status);
    if (!status.ok()) retry_.Later([this] { Write(); });
  }

  [[nodiscard]] Status Replace() const {
    const std::string hidden =
        base::JoinPath(base::ParentDirectory(path_), "." + base::BaseName(path_) + ".new");
    TRANCHE_TRY(base::WriteFileAtomic(hidden, text_));
    if (std::rename(hidden.c_str(), path_.c_str()) == 0) return Status::Ok();
    Status status = base::ErrnoStatus(errno, "rename " + hidden + " to " + path_);
    static_cast<void>(unlink(hidden.c_str()));
    return status;
  }

  const std::string path_;
  Retry retry_;
  StateReporter reporter_;
  std::unique_ptr<base::DirectoryWatch> watch_;
  bool published_ = false;
  std::string text_;
};

}  // namespace

std::unique_ptr<LabelOutlet> NewTextOutlet(base::EventLoop& loop,
                                           std::function<void(const std::string&)> write,
                                           LabelOutlet::StateChanged state_changed) {
  return std::make_unique<TextOutlet>(loop, std::move(write), std::move(state_changed));
}

std::unique_ptr<LabelOutlet> NewFileOutlet(base::EventLoop& loop, const std::string& path,
                                           LabelOutlet::StateChanged state_changed) {
  return std::make_unique<FileOutlet>(loop, path, std::move(state_changed));
}

}  // namespace tranche::labels
