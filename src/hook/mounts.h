// Mounts puts shims over libraries of a container, and keeps what is covered reachable.
//
// All of it is done in the container's mount namespace and is gone with it: nothing is written to
// the container's files but empty folders to mount on: /run/tranche/real, which gets a small tmpfs,
// and those of BringFolder.
// A library that is covered is bound into it first, so that the shim never stands there without
// the library that it needs. A shim is mounted so that the container cannot write it: it is the
// host's file and every pod's.
//
// Takes Linux 5.12 (mount_setattr).
//
// Threading: a plain object; one thread at a time.
// Errors: a Line that says what failed; empty where nothing did.
#pragma once

#include <cstddef>
#include <string_view>

#include "hook/root.h"
#include "hook/search.h"
#include "hook/shims.h"
#include "hook/text.h"

namespace tranche::hook {

using Failure = Line<255>;

class Mounts {
 public:
  Mounts(const Root& root, const Shims& shims) : root_(root), shims_(shims) {}

  // Mounts a folder of the host's in the container, so that the container cannot write to it: its
  // users are the host's own, also where the container has a user namespace, so that even who
  // may make that mount writable there owns nothing in it.
  Failure BringFolder(const Descriptor& folder, std::string_view path) const;

  // `found` is the library at `place`.
  Failure Cover(const Place& place, const Descriptor& found, std::uint64_t version);

 private:
  struct Real {
    LibraryKind kind;
    FileId id;
  };

  Failure MakeRealFolder();
  Failure NumberFor(const Place& place, const Descriptor& found, std::size_t* number);
  Failure CheckPrivate(const Descriptor& found) const;

  const Root& root_;
  const Shims& shims_;
  Descriptor real_;
  // Which library has which number; those above were in use before.
  List<Real, kNumbers * 2> reals_;
};

// Whether this kernel can do it.
bool KernelCanMount();

}  // namespace tranche::hook
