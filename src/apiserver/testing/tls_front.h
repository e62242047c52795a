// TLS before a server that speaks none: takes connections on a loopback port and carries their
// plain bytes to and from another one. For tests of the client; on the loop's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/testing/certificates.h"
#include "base/event_loop.h"
#include "base/file.h"

namespace tranche::apiserver::testing {

class TlsFront {
 public:
  // `client_authority`: PEM of the one that client certificates must come from; "": none is asked
  // for, nor looked at.
  TlsFront(base::EventLoop& loop, int plain_port, const KeyPair& own,
           const std::string& client_authority = "");
  TlsFront(const TlsFront&) = delete;
  TlsFront& operator=(const TlsFront&) = delete;
  ~TlsFront();

  [[nodiscard]] int port() const { return port_; }

  // Of each handshake that came to its end, in their order.
  struct Peer {
    std::string common_name;  // of the client's certificate; "" without one
    std::string server_name;  // that the client asked for (SNI); "" for none
  };
  [[nodiscard]] const std::vector<Peer>& peers() const { return peers_; }
  // Connections ever taken, with handshake or without.
  [[nodiscard]] int connections() const { return last_connection_; }

  // From the next handshake on.
  void Present(const KeyPair& own);
  // Cuts what is open, without TLS's own goodbye.
  void Cut();

 private:
  struct Session;
  struct Context;

  void Accept();
  void Handshake(int number);
  void FromClient(int number);
  void FromServer(int number);
  void Flush(int number);
  void Close(int number);
  [[nodiscard]] Session* Find(int number);

  base::EventLoop& loop_;
  const int plain_port_;
  std::unique_ptr<Context> context_;
  int port_ = 0;
  base::UniqueFd listener_;
  base::EventLoop::WatchId watch_ = 0;
  std::map<int, std::unique_ptr<Session>> sessions_;
  std::vector<Peer> peers_;
  int last_connection_ = 0;
};

}  // namespace tranche::apiserver::testing
