// User objects: a program's own data that live as long as somebody holds references to them, the
// program itself or graphs. When the last reference is given back, the program's function is called
// on them.
//
// Threading: under the process's lock. The program's functions are called without it, by
// DestroyUserObjects.
// Errors: CUDA's result codes; kInvalidValue for a wrong handle.
#pragma once

#include <map>

#include "sim/cuda/abi.h"
#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

struct UserObjectData {
  UserObject handle = nullptr;
  void* data = nullptr;
  HostFunction destroy = nullptr;
  std::uint64_t references = 0;
};

Table<UserObject, UserObjectData>& UserObjects();

Result RetainUserObject(UserObject object, unsigned count);
Result ReleaseUserObject(UserObject object, std::uint64_t count);

// What a graph holds. A copy holds as many references of its own.
class UserReferences {
 public:
  UserReferences() = default;
  UserReferences(const UserReferences& other);
  UserReferences& operator=(const UserReferences&) = delete;
  ~UserReferences();

  // With `move`, references that the caller has become the graph's.
  Result Retain(UserObject object, unsigned count, bool move);
  Result Release(UserObject object, unsigned count);

 private:
  std::map<UserObject, std::uint64_t> counts_;
};

// Calls the program's functions for what has lost its last reference. Lets go of the lock
// meanwhile.
void DestroyUserObjects();

}  // namespace tranche::sim::cuda
