// The XIDs, and the environment variables that choose among them.

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "gpu/health.h"

namespace tranche::gpu {
namespace {

// docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html, "Resolution Bucket (Immediate
// Action)": RESTART_APP and IGNORE are recoverable here, RESET_GPU, RESTART_BM, CONTACT_SUPPORT and
// the workflows need a reset.
constexpr std::string_view kCatalog = "NVIDIA Xid catalog";
// docs.nvidia.com/deploy/xid-errors/index.html, for what the catalog leaves out.
constexpr std::string_view kXidErrors = "NVIDIA Xid Errors";

using enum XidClass;

constexpr std::array kXids = {
    XidInfo{8, kRecoverable, "GPU stopped processing", kCatalog},
    XidInfo{11, kRecoverable, "invalid or corrupted push buffer stream", kCatalog},
    XidInfo{13, kApplication, "graphics engine exception", kCatalog},
    XidInfo{25, kRecoverable, "invalid or illegal push buffer stream", kCatalog},
    XidInfo{31, kApplication, "GPU memory page fault", kCatalog},
    XidInfo{32, kRecoverable, "invalid or corrupted push buffer stream", kCatalog},
    XidInfo{43, kApplication, "GPU stopped processing", kCatalog},
    XidInfo{45, kApplication, "preemptive cleanup after an earlier error", kCatalog},
    XidInfo{46, kNeedsReset, "GPU stopped processing", kCatalog},
    XidInfo{48, kNeedsReset, "double-bit ECC error", kCatalog},
    XidInfo{54, kNeedsReset, "auxiliary power is not connected", kXidErrors},
    XidInfo{61, kNeedsReset, "internal micro-controller breakpoint", kXidErrors},
    XidInfo{62, kNeedsReset, "internal micro-controller halt", kCatalog},
    XidInfo{63, kRecoverable, "memory page retired or row remapped", kCatalog},
    XidInfo{64, kNeedsReset, "memory page retirement or row remapping failed", kCatalog},
    XidInfo{66, kRecoverable, "illegal access by the driver", kCatalog},
    XidInfo{67, kRecoverable, "illegal access by the driver", kCatalog},
    XidInfo{68, kApplication, "video processor exception", kCatalog},
    XidInfo{69, kRecoverable, "graphics engine class error", kCatalog},
    XidInfo{74, kNeedsReset, "NVLink error", kCatalog},
    XidInfo{79, kNeedsReset, "GPU has fallen off the bus", kCatalog},
    XidInfo{80, kRecoverable, "corrupted data sent to the GPU", kCatalog},
    XidInfo{92, kRecoverable, "high rate of single-bit ECC errors", kCatalog},
    XidInfo{94, kRecoverable, "contained memory error", kCatalog},
    XidInfo{95, kNeedsReset, "uncontained memory error", kCatalog},
    XidInfo{108, kRecoverable, "NVLink remote translation error", kCatalog},
    // The catalog asks for a reset; upstream ignores it, and so do we unless the user says
    // otherwise.
    XidInfo{109, kApplication, "context switch timeout", kCatalog},
    XidInfo{110, kNeedsReset, "security fault", kCatalog},
    XidInfo{119, kNeedsReset, "GSP RPC timeout", kCatalog},
    XidInfo{120, kNeedsReset, "GSP error", kCatalog},
    XidInfo{121, kRecoverable, "C2C link error", kCatalog},
    XidInfo{136, kNeedsReset, "NVLink link training failed", kCatalog},
    XidInfo{137, kRecoverable, "NVLink privilege error", kCatalog},
    XidInfo{140, kNeedsReset, "unrecovered ECC error", kCatalog},
    XidInfo{143, kNeedsReset, "GPU initialisation error", kCatalog},
    XidInfo{149, kNeedsReset, "NVLink error (NETIR)", kCatalog},
    XidInfo{150, kNeedsReset, "NVLink error (MSE)", kCatalog},
    XidInfo{154, kNeedsReset, "GPU recovery action changed", kCatalog},
    XidInfo{155, kNeedsReset, "NVLink error defined by software", kCatalog},
    XidInfo{156, kNeedsReset, "memory resource retired", kCatalog},
    XidInfo{157, kRecoverable, "memory resource retirement failed", kCatalog},
    XidInfo{158, kNeedsReset, "fatal GPU timeout", kCatalog},
};
constexpr XidInfo kUnknown = {0, kNeedsReset, "unknown", "not in NVIDIA's lists"};

constexpr bool Sorted() {
  for (std::size_t i = 1; i < kXids.size(); ++i) {
    if (kXids[i - 1].xid >= kXids[i].xid) return false;
  }
  return true;
}
static_assert(Sorted());

struct XidList {
  bool all = false;
  std::set<std::uint64_t> xids;
};

// Upstream's reading: words between commas, blanks and case do not matter; "all" or "xids" anywhere
// stands for everything, and so does 0, which it uses inside for "all".
XidList ParseList(std::string_view text, std::vector<std::string>& not_understood) {
  XidList list;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string word(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    std::erase_if(word, [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (word.empty()) continue;
    std::uint64_t xid = 0;
    const char* end = word.data() + word.size();
    const auto [next, error] = std::from_chars(word.data(), end, xid);
    const bool is_number = error == std::errc() && next == end;
    if (word == "all" || word == "xids" || (is_number && xid == 0)) {
      list.all = true;
    } else if (is_number) {
      list.xids.insert(xid);
    } else {
      not_understood.push_back(word);
    }
  }
  return list;
}

}  // namespace

const XidInfo& DescribeXid(std::uint64_t xid) {
  const auto found =
      std::lower_bound(kXids.begin(), kXids.end(), xid,
                       [](const XidInfo& info, std::uint64_t wanted) { return info.xid < wanted; });
  return found != kXids.end() && found->xid == xid ? *found : kUnknown;
}

bool XidFilter::Ignores(std::uint64_t xid) const {
  if (all_enabled) return false;
  if (all_disabled) return true;
  if (enabled.contains(xid)) return false;
  if (disabled.contains(xid)) return true;
  return DescribeXid(xid).xid_class == kApplication;
}

ParsedXidFilter ParseXidFilter(std::string_view disable, std::string_view enable) {
  ParsedXidFilter out;
  XidList disabled = ParseList(disable, out.not_understood);
  XidList enabled = ParseList(enable, out.not_understood);
  out.filter = {.all_disabled = disabled.all,
                .disabled = std::move(disabled.xids),
                .all_enabled = enabled.all,
                .enabled = std::move(enabled.xids)};
  return out;
}

}  // namespace tranche::gpu
