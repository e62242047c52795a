// What an API server does to objects: selectors, merge patches, and fields that have owners. For
// FakeApi. Plain functions of JSON values.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace tranche::apiserver::testing {

// "metadata.name=x,spec.nodeName!=y"; a field that is absent reads as "".
[[nodiscard]] bool MatchesFields(const base::Json& object, std::string_view selector);
// "a=b", "a!=b", "a", "!a", "a in (b,c)", "a notin (b,c)", all of which must hold.
[[nodiscard]] bool MatchesLabels(const base::Json& object, std::string_view selector);

// The object's metadata, empty where there is none; and what a request for no more than it gets.
[[nodiscard]] base::Json MetadataOf(const base::Json& object);
[[nodiscard]] base::Json MetadataOnly(const base::Json& object);

// RFC 7386.
[[nodiscard]] base::Json MergePatched(const base::Json& target, const base::Json& patch);

// Which manager owns which fields (JSON pointers, RFC 6901); lists are owned as a whole.
using FieldOwners = std::map<std::string, std::set<std::string>>;

// After `manager` changed `before` to `after` by anything but an apply.
void OwnChanges(const base::Json& before, const base::Json& after, const std::string& manager,
                FieldOwners& owners);

// Server-side apply: https://kubernetes.io/docs/reference/using-api/server-side-apply/
// kAborted: a field has another value by another owner, and `force` is not said.
base::Result<base::Json> Applied(const base::Json& current, const base::Json& applied,
                                 const std::string& manager, bool force, FieldOwners& owners);

}  // namespace tranche::apiserver::testing
