#include "node/delivery/delivery.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace tranche::node::delivery {
namespace {

using base::Kv;
using base::Result;
using base::Status;

// The times of the files are what tells that their publisher is there.
void Touch(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    utimensat(AT_FDCWD, base::JoinPath(directory, cdi::kShimFile).c_str(), nullptr, 0);
  }
}

}  // namespace

Delivery::Delivery(base::EventLoop& loop, base::disk::Worker& worker, Options options,
                   std::function<void()> changed)
    : loop_(loop),
      worker_(worker),
      options_(std::move(options)),
      changed_(std::move(changed)),
      files_(std::make_shared<ShimFiles>(options_.source, options_.files)),
      timer_(loop),
      runner_(loop) {
  for (const std::string& directory : options_.cdi_directories) {
    specs_.push_back(std::make_unique<cdi::SpecFolder>(
        loop, worker, directory,
        cdi::SpecFolder::Owner{
            .changed = [this] { Publish(); }, .may_mend = {}, .written = [this] { Publish(); }}));
  }
}

void Delivery::Want(bool wanted) {
  if (options_.files.empty() || wanted == state_.wanted) return;
  state_.wanted = wanted;
  if (!wanted) {
    timer_.Stop();
    return SetState(Published::kNo, "");
  }
  if (!options_.runs_here) {
    return SetState(Published::kNo, "there is no shim for the architecture of this machine");
  }
  confirmed_ = false;
  Look();
}

void Delivery::Look() {
  timer_.Start(kLook, [this] { Look(); });
  if (looking_) return;
  looking_ = true;
  const Status taken = worker_.Run(
      "installing the shim in " + options_.files,
      [files = files_, home = options_.files, walls = options_.walls, labels = options_.labels] {
        const Result<int> written = files->Install();
        if (!written.ok()) return written.status();
        if (*written > 0)
          base::LogInfo("the files of the shim are there", {Kv("written", *written)});
        TRANCHE_TRY(LetContainersUse(*labels, home, ContainerUse::kRun));
        TRANCHE_TRY(base::MakeDirectories(walls));
        return LetContainersUse(*labels, walls, ContainerUse::kConnect);
      },
      runner_.Wrap([this](const Status& status) {
        looking_ = false;
        Installed(status);
      }));
  if (taken.ok()) return;
  looking_ = false;
  Installed(taken);
}

void Delivery::Installed(const Status& status) {
  if (!state_.wanted) return;
  if (!status.ok()) return SetState(Published::kNo, status.message());
  Publish();
}

// Where only some of the folders can be written, containers find the name in the others.
void Delivery::Publish() {
  if (!state_.wanted || looking_) return;
  const cdi::CdiFile spec = cdi::ShimSpec({.files = options_.files, .walls = options_.walls});
  bool published = false;
  std::string trouble;
  for (const auto& folder : specs_) {
    const Status status = folder->Write({spec});
    published = published || status.ok();
    if (!status.ok()) trouble = status.message();
  }
  if (published) Confirm();
  SetState(published ? Published::kYes : Published::kNo, std::move(trouble));
}

void Delivery::Confirm() {
  if (confirmed_ && loop_.Now() < confirm_at_) return;
  const Status taken = worker_.Run(
      "confirming that the shim is published",
      [directories = options_.cdi_directories] {
        Touch(directories);
        return Status::Ok();
      },
      [](const Status& /*ok*/) {});
  if (!taken.ok()) return;  // at the next look
  confirmed_ = true;
  confirm_at_ = loop_.Now() + cdi::kShimConfirmed;
}

void Delivery::SetState(Published how, std::string trouble) {
  const bool published = how == Published::kYes;
  if (published == state_.published && trouble == state_.trouble) return;
  if (published && !state_.published) {
    base::LogInfo("the shim is published", {Kv("device", cdi::kShimName)});
  }
  if (!trouble.empty() && trouble != state_.trouble) {
    base::LogWarning("the shim is not published as it should be", {Kv("error", trouble)});
  }
  state_.published = published;
  state_.trouble = std::move(trouble);
  changed_();
}

}  // namespace tranche::node::delivery
