// Opens Unix stream sockets by path, non-blocking and close-on-exec.
//
// Threading: plain functions, safe on any thread.
// Errors: a Status; each function says which codes mean what.
#pragma once

#include <string>

#include "base/file.h"
#include "base/status.h"

namespace tranche::rpc {

// Replaces a socket that is already there (whoever made it); kAlreadyExists for anything else.
base::Result<base::UniqueFd> ListenOnUnixSocket(const std::string& path, int mode, int backlog);

// Never waits: kNotFound where there is no such path, kUnavailable where nobody listens or the
// listener's queue is full.
base::Result<base::UniqueFd> ConnectToUnixSocket(const std::string& path);

}  // namespace tranche::rpc
