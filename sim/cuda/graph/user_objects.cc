#include "sim/cuda/graph/user_objects.h"

#include <climits>
#include <utility>
#include <vector>

#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

std::vector<UserObjectData>& Unreferenced() {
  static auto* const objects = new std::vector<UserObjectData>();
  return *objects;
}

bool IsCount(std::uint64_t count) { return count != 0 && count <= INT_MAX; }

}  // namespace

Table<UserObject, UserObjectData>& UserObjects() {
  static auto* const table = new Table<UserObject, UserObjectData>();
  return *table;
}

Result RetainUserObject(UserObject object, unsigned count) {
  UserObjectData* const found = UserObjects().Find(object);
  if (found == nullptr || !IsCount(count)) return kInvalidValue;
  found->references += count;
  return kSuccess;
}

Result ReleaseUserObject(UserObject object, std::uint64_t count) {
  UserObjectData* const found = UserObjects().Find(object);
  if (found == nullptr || count == 0 || count > found->references) return kInvalidValue;
  found->references -= count;
  if (found->references == 0) Unreferenced().push_back(*UserObjects().Remove(object));
  return kSuccess;
}

UserReferences::UserReferences(const UserReferences& other) : counts_(other.counts_) {
  for (const auto& [object, count] : counts_) UserObjects().Find(object)->references += count;
}

UserReferences::~UserReferences() {
  for (const auto& [object, count] : counts_) ReleaseUserObject(object, count);
}

Result UserReferences::Retain(UserObject object, unsigned count, bool move) {
  UserObjectData* const found = UserObjects().Find(object);
  if (found == nullptr || !IsCount(count)) return kInvalidValue;
  if (move && count > found->references) return kInvalidValue;
  if (!move) found->references += count;
  counts_[object] += count;
  return kSuccess;
}

Result UserReferences::Release(UserObject object, unsigned count) {
  const auto held = counts_.find(object);
  if (held == counts_.end() || count == 0 || count > held->second) return kInvalidValue;
  held->second -= count;
  if (held->second == 0) counts_.erase(held);
  return ReleaseUserObject(object, count);
}

void DestroyUserObjects() {
  std::vector<UserObjectData> objects = std::exchange(Unreferenced(), {});
  if (objects.empty()) return;
  std::mutex& mutex = Process::Get().mutex();
  mutex.unlock();
  for (const UserObjectData& object : objects) object.destroy(object.data);
  mutex.lock();
}

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuUserObjectCreate(UserObject* object_out, void* ptr, HostFunction destroy,
                          unsigned initial_refcount, unsigned flags) {
  if (object_out == nullptr || destroy == nullptr || !IsCount(initial_refcount) ||
      flags != kUserObjectNoDestructorSync) {
    return kInvalidValue;
  }
  return InitCall("cuUserObjectCreate", [&](Process&) {
    auto object = std::make_shared<UserObjectData>(
        UserObjectData{.data = ptr, .destroy = destroy, .references = initial_refcount});
    const UserObject handle = UserObjects().Add(object);
    object->handle = handle;
    *object_out = handle;
    return kSuccess;
  });
}

Result cuUserObjectRetain(UserObject object, unsigned count) {
  return Call("cuUserObjectRetain", [&](Process&) { return RetainUserObject(object, count); });
}

Result cuUserObjectRelease(UserObject object, unsigned count) {
  return Call("cuUserObjectRelease", [&](Process&) {
    const Result released = ReleaseUserObject(object, count);
    DestroyUserObjects();
    return released;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
