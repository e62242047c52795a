// A listening TCP socket, from an address as people write it on a command line.
//
// Threading: any thread.
// Errors: kInvalidArgument for what is no address, kUnavailable for one that is taken; any other
// failure has the code of its errno. The message names the address.
#pragma once

#include <string>

#include "base/file.h"
#include "base/status.h"

namespace tranche::http {

struct TcpListener {
  base::UniqueFd fd;  // does not block, and is closed on exec
  int port = 0;       // the real one where 0 was asked for
};

// `address` is "9435" or ":9435" (every address of this machine, of both families), "[::]:9435"
// (the same), "0.0.0.0:9435" (IPv4 alone), "127.0.0.1:0", "[::1]:9435". Names are not resolved. On
// a machine without IPv6, "[::]" stands for every IPv4 address.
base::Result<TcpListener> ListenOnTcp(const std::string& address);

// Whether ListenOnTcp would understand it.
base::Status CheckTcpAddress(const std::string& address);

}  // namespace tranche::http
