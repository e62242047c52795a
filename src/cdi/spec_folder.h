// SpecFolder keeps the CDI spec files on disk as they were made: one that is deleted, damaged or
// replaced is written again, because pods are still given the names in it.
//
// A worker touches the files, because their disk may hang: what is known of them stays then.
//
// Two programs that each insist on their own content would rewrite a file without end. So after a
// file was written again the next time waits, ever longer up to half a minute.
//
// Threading: the loop's thread.
// Errors: status() says which file is not as it should be, and why; it is tried again. Write is
// refused with kDeadlineExceeded while the folder does not answer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/directory_watch.h"
#include "base/disk/look.h"
#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "cdi/file_trace.h"
#include "cdi/spec.h"

namespace tranche::cdi {

class SpecFolder {
 public:
  struct Owner {
    std::function<void()> changed;   // a file could not be restored, or now it could
    std::function<bool()> may_mend;  // false where the files belong to somebody else by now
    std::function<void()> written;   // what Write could not wait for: it has an answer now
  };

  // The worker outlives the folder.
  SpecFolder(base::EventLoop& loop, base::disk::Worker& worker, std::string directory, Owner owner);

  // Writes these files, which are the ones that are kept from now on. Where one of them cannot be
  // written, those of before are kept.
  base::Status Write(const std::vector<CdiFile>& files);
  // Looks at the files, and writes those again that are not as they were written. As long as
  // nothing has touched them, this costs one stat(2) a file. Where there is no answer in time the
  // status is the last one known.
  base::Status Check();

  [[nodiscard]] const base::Status& status() const { return status_; }

 private:
  struct Kept {
    std::string name;
    std::shared_ptr<const base::Json> spec;
    FileTrace trace;
  };
  // What a look at the folder has brought about.
  struct Looked {
    std::vector<Kept> files;
    base::Status status;
  };

  // These are for any thread.
  static bool Touched(const std::string& directory, const std::vector<Kept>& files);
  static void WriteAll(const std::string& directory, Looked& looked);
  static void Mend(const std::string& directory, Looked& looked);

  [[nodiscard]] bool MayMend() const { return !owner_.may_mend || owner_.may_mend(); }
  base::Status Written(Looked looked);
  void Mended(Looked looked);
  void FolderChanged();
  void MendLater(base::Duration delay);

  base::EventLoop& loop_;
  base::disk::Worker& worker_;
  const std::string directory_;
  Owner owner_;
  std::vector<Kept> kept_;
  std::optional<Looked> late_;  // written, but later than Write could wait for
  base::Status status_;
  base::Backoff back_off_;
  base::TimePoint not_before_{};  // of mending because the folder has changed
  base::Timer timer_;
  base::disk::Look look_;
  std::unique_ptr<base::DirectoryWatch> watch_;
};

}  // namespace tranche::cdi
