#include "apiserver/testing/object_patch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/json_read.h"
#include "base/text.h"

namespace tranche::apiserver::testing {

namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
using base::Trim;

// At commas outside brackets.
std::vector<std::string_view> Terms(std::string_view selector) {
  std::vector<std::string_view> terms;
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i <= selector.size(); ++i) {
    if (i < selector.size() && selector[i] == '(') ++depth;
    if (i < selector.size() && selector[i] == ')') --depth;
    if (i < selector.size() && (selector[i] != ',' || depth > 0)) continue;
    if (const auto term = Trim(selector.substr(begin, i - begin)); !term.empty()) {
      terms.push_back(term);
    }
    begin = i + 1;
  }
  return terms;
}

struct Comparison {
  std::string_view key;
  bool equal = true;
  std::string_view value;
};

// False: the term is no comparison.
bool ParseComparison(std::string_view term, Comparison& out) {
  const std::size_t at = term.find('=');
  if (at == std::string_view::npos) return false;
  out.equal = at == 0 || term[at - 1] != '!';
  out.key = Trim(term.substr(0, out.equal ? at : at - 1));
  std::string_view value = term.substr(at + 1);
  if (value.starts_with('=')) value.remove_prefix(1);
  out.value = Trim(value);
  return true;
}

const std::string* LabelOf(const Json& object, std::string_view key) {
  return base::FindText(object, {"metadata", "labels", key});
}

// Text at "metadata.name"; "" where there is none.
std::string_view FieldAt(const Json& object, std::string_view dotted) {
  const std::size_t dot = dotted.find('.');
  if (dot == std::string_view::npos) return base::TextAt(object, dotted);
  return FieldAt(base::ValueAt(object, dotted.substr(0, dot)), dotted.substr(dot + 1));
}

bool LabelTermHolds(const Json& object, std::string_view term) {
  const std::size_t open = term.find('(');
  if (open != std::string_view::npos) {
    const std::string_view head = Trim(term.substr(0, open));
    const std::size_t space = head.find(' ');
    const std::string* label = LabelOf(object, head.substr(0, space));
    const auto values = Terms(term.substr(open + 1, term.find(')') - open - 1));
    const bool found = label != nullptr && std::ranges::find(values, *label) != values.end();
    return head.ends_with(" notin") ? !found : found;
  }
  Comparison wanted;
  if (ParseComparison(term, wanted)) {
    const std::string* label = LabelOf(object, wanted.key);
    return (label != nullptr && *label == wanted.value) == wanted.equal;
  }
  if (term.starts_with('!')) return LabelOf(object, Trim(term.substr(1))) == nullptr;
  return LabelOf(object, term) != nullptr;
}

// ---- fields ----

std::string Escaped(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

// What names an object or is the server's own belongs to nobody.
bool IsServersOwn(const std::string& pointer) {
  static const std::set<std::string, std::less<>> own = {
      "/apiVersion",          "/kind",
      "/metadata/name",       "/metadata/namespace",
      "/metadata/uid",        "/metadata/resourceVersion",
      "/metadata/generation", "/metadata/creationTimestamp"};
  return own.contains(pointer);
}

using Leaves = std::map<std::string, Json>;

void CollectLeaves(const Json& value, const std::string& at, Leaves& leaves) {
  if (value.is_object() && (!value.as_object().empty() || at.empty())) {
    for (const auto& [key, member] : value.as_object()) {
      CollectLeaves(member, at + "/" + Escaped(key), leaves);
    }
    return;
  }
  if (!IsServersOwn(at)) leaves.emplace(at, value);
}

Leaves LeavesOf(const Json& value) {
  Leaves leaves;
  if (value.is_object()) CollectLeaves(value, "", leaves);
  return leaves;
}

std::pair<std::string, std::string> SplitPointer(const std::string& pointer) {
  const std::size_t slash = pointer.find('/', 1);
  std::string key = pointer.substr(1, slash == std::string::npos ? slash : slash - 1);
  for (std::size_t at = 0; (at = key.find('~', at)) != std::string::npos; ++at) {
    key.replace(at, 2, key.compare(at, 2, "~1") == 0 ? "/" : "~");
  }
  return {key, slash == std::string::npos ? "" : pointer.substr(slash)};
}

Json Without(const Json& object, std::string_view key) {
  Json::Object members;
  if (object.is_object()) {
    members = object.as_object();
    std::erase_if(members, [key](const Json::Member& member) { return member.first == key; });
  }
  return Json::MakeObject(std::move(members));
}

// `value` nullptr removes.
Json WithLeaf(const Json& object, const std::string& pointer, const Json* value) {
  const auto [key, rest] = SplitPointer(pointer);
  Json out = object.is_object() ? object : Json::MakeObject();
  const Json* inner = out.Find(key);
  if (!rest.empty()) {
    if (value == nullptr && inner == nullptr) return out;
    out.Set(key, WithLeaf(inner != nullptr ? *inner : Json(), rest, value));
    return out;
  }
  if (value == nullptr) return Without(out, key);
  out.Set(key, *value);
  return out;
}

void Disown(const std::string& pointer, FieldOwners& owners, const std::string& except = "") {
  for (auto& [manager, fields] : owners) {
    if (manager != except) fields.erase(pointer);
  }
}

}  // namespace

Json MetadataOf(const Json& object) {
  const Json* metadata = object.Find("metadata");
  return metadata != nullptr && metadata->is_object() ? *metadata : Json::MakeObject();
}

Json MetadataOnly(const Json& object) {
  return Json::MakeObject({{"kind", "PartialObjectMetadata"},
                           {"apiVersion", "meta.k8s.io/v1"},
                           {"metadata", MetadataOf(object)}});
}

bool MatchesFields(const Json& object, std::string_view selector) {
  return std::ranges::all_of(Terms(selector), [&](std::string_view term) {
    Comparison wanted;
    return ParseComparison(term, wanted) &&
           (FieldAt(object, wanted.key) == wanted.value) == wanted.equal;
  });
}

bool MatchesLabels(const Json& object, std::string_view selector) {
  return std::ranges::all_of(Terms(selector),
                             [&](std::string_view term) { return LabelTermHolds(object, term); });
}

Json MergePatched(const Json& target, const Json& patch) {
  if (!patch.is_object()) return patch;
  Json out = target.is_object() ? target : Json::MakeObject();
  for (const auto& [key, value] : patch.as_object()) {
    if (value.is_null()) {
      out = Without(out, key);
    } else {
      const Json* old = out.Find(key);
      out.Set(key, MergePatched(old != nullptr ? *old : Json(), value));
    }
  }
  return out;
}

void OwnChanges(const Json& before, const Json& after, const std::string& manager,
                FieldOwners& owners) {
  const Leaves old_leaves = LeavesOf(before);
  const Leaves new_leaves = LeavesOf(after);
  for (const auto& [pointer, value] : old_leaves) {
    if (!new_leaves.contains(pointer)) Disown(pointer, owners);
  }
  for (const auto& [pointer, value] : new_leaves) {
    const auto old = old_leaves.find(pointer);
    if (old != old_leaves.end() && old->second == value) continue;
    Disown(pointer, owners);
    owners[manager].insert(pointer);
  }
}

Result<Json> Applied(const Json& current, const Json& applied, const std::string& manager,
                     bool force, FieldOwners& owners) {
  const Leaves have = LeavesOf(current);
  const Leaves want = LeavesOf(applied);
  for (const auto& [pointer, value] : want) {
    const auto now = have.find(pointer);
    if (now == have.end() || now->second == value || force) continue;
    for (const auto& [other, fields] : owners) {
      if (other != manager && fields.contains(pointer)) {
        std::string text = "Apply failed with 1 conflict: conflict with \"";
        text.append(other).append("\": ").append(pointer);
        return Status(Code::kAborted, std::move(text));
      }
    }
  }
  Json out = current.is_object() ? current : Json::MakeObject();
  const std::set<std::string> mine = owners[manager];
  for (const std::string& pointer : mine) {
    if (want.contains(pointer)) continue;
    owners[manager].erase(pointer);
    const bool owned = std::ranges::any_of(
        owners, [&](const auto& entry) { return entry.second.contains(pointer); });
    if (!owned) out = WithLeaf(out, pointer, nullptr);
  }
  for (const auto& [pointer, value] : want) {
    const auto now = have.find(pointer);
    if (now != have.end() && !(now->second == value)) Disown(pointer, owners, manager);
    owners[manager].insert(pointer);
    out = WithLeaf(out, pointer, &value);
  }
  for (const char* key : {"apiVersion", "kind"}) {
    if (const Json* value = applied.Find(key)) out.Set(key, *value);
  }
  return out;
}

}  // namespace tranche::apiserver::testing
