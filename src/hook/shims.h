// Shims are the libraries of ours that lie beside this program on the host, and which of them
// may stand in front of a driver's library.
//
// Their names are KIND.tranche-VERSION.so.1, and KIND.tranche-VERSION-NUMBER.so.1 for the numbers
// above 0. The number is part of the path under which a shim needs the real library:
// /run/tranche/real/NUMBER. A library gets the shim of the newest version whose functions it has
// all, since a shim must not have a name that the driver has not.
//
// Threading: a plain object; one thread at a time.
// Errors: empty() where there are none for this machine.
#pragma once

#include <cstddef>
#include <string_view>

#include "hook/elf.h"
#include "hook/root.h"
#include "hook/search.h"
#include "hook/text.h"

namespace tranche::hook {

// In the container: what is covered is reachable there as NUMBER/libcuda.so.1.
inline constexpr std::string_view kRealFolder = "/run/tranche/real";
inline constexpr std::size_t kNumbers = 4;

class Shims {
 public:
  // `folder` stays open as long as this is used.
  explicit Shims(const Descriptor& folder);

  [[nodiscard]] bool empty(LibraryKind kind) const;
  // Of the shim that fits the library; 0 where it is older than all of them.
  [[nodiscard]] std::uint64_t VersionFor(LibraryKind kind, const Library& library) const;
  // The file of that version and number, to be mounted; not valid where there is none.
  [[nodiscard]] Descriptor Find(LibraryKind kind, std::uint64_t version, std::size_t number) const;
  // Whether a file of the container is one of these.
  [[nodiscard]] bool Has(FileId id) const;

 private:
  struct Entry {
    LibraryKind kind;
    std::uint64_t version;
    std::uint64_t number;
    FileId id;
  };

  const Descriptor& folder_;
  List<Entry, 64> entries_;
};

}  // namespace tranche::hook
