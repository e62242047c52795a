// Copies and fills as one shape each, whatever call asked for them, and how they get into a stream.
//
// Threading: under the process's lock.
// Errors: kInvalidValue where what is to be copied is not all there.
#pragma once

#include <cstddef>

#include "sim/cuda/node.h"
#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

// Rows of `width` elements of 1, 2 or 4 bytes.
struct Fill {
  DevicePtr address = 0;
  std::size_t pitch = 0;
  unsigned value = 0;
  std::size_t element = 1;
  std::size_t width = 0;
  std::size_t height = 1;
};
Result EnqueueFill(StreamObject& stream, const Fill& fill);

// One side of a copy: where its first byte is, and how its rows and slices lie.
struct CopySide {
  enum class Place { kHost, kDevice, kAny };  // kAny: as the address says (unified addressing)
  Place place = Place::kAny;
  DevicePtr address = 0;
  std::size_t pitch = 0;  // bytes from row to row; 0: rows lie close
  std::size_t rows = 0;   // rows from slice to slice; 0: slices lie close
};
struct Copy {
  CopySide to;
  CopySide from;
  std::size_t width = 0;  // bytes
  std::size_t height = 1;
  std::size_t depth = 1;
};

// kUntilDone: the call returns when the copy is done, as far as the real one does so: a copy within
// the device is not waited for. kUnpinned: only a copy into memory of the host that is not pinned
// is waited for.
enum class Wait { kUntilDone, kUnpinned };
Result EnqueueCopy(StreamObject& stream, const Copy& copy, Wait wait);

// What a descriptor means; kInvalidValue where it means nothing.
Result CopyOf(const Memcpy2d& given, Copy* copy);
Result CopyOf(const Memcpy3d& given, Copy* copy);

// A copy or a fill as work that can be enqueued, without the parameters of a node.
Result MakeOperation(const Copy& copy, Operation* operation);
Result MakeOperation(const Fill& fill, Operation* operation);

// Where the contents of an array lie, for both; its element sizes are counted in its pitch.
// Defined with the arrays.
Result SideOfArray(Array array, CopySide* side);

}  // namespace tranche::sim::cuda
