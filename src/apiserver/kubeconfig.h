// Parses kubectl's configuration file, and the base64 in it.
//
// Threading: plain functions, safe on any thread.
// Errors: a Status. The bytes come from outside: they are bounded, and nothing throws.
#pragma once

#include <string>
#include <string_view>

#include "apiserver/config.h"
#include "base/status.h"

namespace tranche::apiserver {

inline constexpr std::size_t kMaxKubeconfigBytes = 1U << 20;

// `path` is for messages, and its folder is what the relative paths in the text are relative to.
base::Result<ApiConfig> ParseKubeconfig(std::string_view text, const std::string& path,
                                        const std::string& context);

// RFC 4648 with its padding; white space is passed over. kInvalidArgument: something else.
base::Result<std::string> DecodeBase64(std::string_view text);

// InClusterConfig with another folder in place of the service account's, for tests.
base::Result<ApiConfig> InClusterConfigAt(const std::string& folder);

}  // namespace tranche::apiserver
