#include "apiserver/testing/tls_front.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

#include "base/status.h"
#include "base/timer.h"

namespace tranche::apiserver::testing {

namespace {

constexpr std::size_t kEnough = 1U << 20;  // not read on before as much has been passed on

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

std::string CommonName(const SSL* ssl) {
  X509* certificate = SSL_get1_peer_certificate(ssl);
  if (certificate == nullptr) return "";
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  X509_free(certificate);
  return name.data();
}

template <class Type, class Read>
Type* FromPem(const std::string& pem, Read read) {
  BIO* memory = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  Type* value = read(memory, nullptr, nullptr, nullptr);
  BIO_free(memory);
  TRANCHE_CHECK(value != nullptr);
  return value;
}

}  // namespace

struct TlsFront::Context {
  Context() : ssl(SSL_CTX_new(TLS_server_method())) {
    TRANCHE_CHECK(ssl != nullptr);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // No session is taken up again: each connection shows its certificates.
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 0);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { SSL_CTX_free(ssl); }

  SSL_CTX* ssl;
};

struct TlsFront::Session {
  explicit Session(base::EventLoop& loop) : timer(loop) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { SSL_free(ssl); }

  base::UniqueFd client;
  base::UniqueFd server;
  SSL* ssl = nullptr;
  base::EventLoop::WatchId client_watch = 0;
  base::EventLoop::WatchId server_watch = 0;
  base::Timer timer;
  std::string to_client;
  std::string to_server;
  bool server_ended = false;
};

TlsFront::TlsFront(base::EventLoop& loop, int plain_port, const KeyPair& own,
                   const std::string& client_authority)
    : loop_(loop), plain_port_(plain_port), context_(std::make_unique<Context>()) {
  // OpenSSL writes to its socket as to a file.
  std::signal(SIGPIPE, SIG_IGN);
  Present(own);
  if (!client_authority.empty()) {
    auto* authority = FromPem<X509>(client_authority, PEM_read_bio_X509);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_->ssl), authority);
    X509_free(authority);
    SSL_CTX_set_verify(context_->ssl, SSL_VERIFY_PEER, nullptr);
  }
  listener_ = base::UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address = Loopback(0);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  TRANCHE_CHECK(bind(listener_.get(), raw, size) == 0 && listen(listener_.get(), 64) == 0);
  TRANCHE_CHECK(getsockname(listener_.get(), raw, &size) == 0);
  port_ = ntohs(address.sin_port);
  watch_ = loop_.WatchFd(listener_.get(), base::FdEvents::kRead, [this] { Accept(); });
}

TlsFront::~TlsFront() {
  loop_.UnwatchFd(watch_);
  Cut();
}

void TlsFront::Present(const KeyPair& own) {
  auto* certificate = FromPem<X509>(own.certificate, PEM_read_bio_X509);
  auto* key = FromPem<EVP_PKEY>(own.key, PEM_read_bio_PrivateKey);
  TRANCHE_CHECK(SSL_CTX_use_cert_and_key(context_->ssl, certificate, key, nullptr, 1) == 1);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

void TlsFront::Cut() {
  while (!sessions_.empty()) Close(sessions_.begin()->first);
}

TlsFront::Session* TlsFront::Find(int number) {
  const auto it = sessions_.find(number);
  return it == sessions_.end() ? nullptr : it->second.get();
}

void TlsFront::Accept() {
  base::UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) return;
  const int number = ++last_connection_;
  auto session = std::make_unique<Session>(loop_);
  session->client = std::move(fd);
  session->ssl = SSL_new(context_->ssl);
  TRANCHE_CHECK(session->ssl != nullptr && SSL_set_fd(session->ssl, session->client.get()) == 1);
  session->client_watch =
      loop_.WatchFd(session->client.get(), base::FdEvents::kRead, [this, number] {
        Session* found = Find(number);
        if (found == nullptr) return;
        found->server.valid() ? FromClient(number) : Handshake(number);
      });
  sessions_[number] = std::move(session);
}

void TlsFront::Handshake(int number) {
  Session& session = *Find(number);
  ERR_clear_error();
  if (const int done = SSL_accept(session.ssl); done != 1) {
    if (SSL_get_error(session.ssl, done) != SSL_ERROR_WANT_READ) Close(number);
    return;
  }
  const char* name = SSL_get_servername(session.ssl, TLSEXT_NAMETYPE_host_name);
  peers_.push_back(
      {.common_name = CommonName(session.ssl), .server_name = name == nullptr ? "" : name});
  // It listens on this machine and this thread: the kernel connects at once.
  session.server = base::UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = Loopback(plain_port_);
  if (connect(session.server.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return Close(number);
  }
  fcntl(session.server.get(), F_SETFL, O_NONBLOCK);
  session.server_watch = loop_.WatchFd(session.server.get(), base::FdEvents::kRead,
                                       [this, number] { FromServer(number); });
  FromClient(number);
}

void TlsFront::FromClient(int number) {
  Session& session = *Find(number);
  std::array<char, 16384> bytes{};
  for (;;) {
    ERR_clear_error();
    const int got = SSL_read(session.ssl, bytes.data(), static_cast<int>(bytes.size()));
    if (got > 0) {
      session.to_server.append(bytes.data(), static_cast<std::size_t>(got));
      continue;
    }
    if (SSL_get_error(session.ssl, got) != SSL_ERROR_WANT_READ) return Close(number);
    return Flush(number);
  }
}

void TlsFront::FromServer(int number) {
  Session* session = Find(number);
  if (session == nullptr || session->to_client.size() > kEnough) return;
  std::array<char, 65536> bytes{};
  const ssize_t got = read(session->server.get(), bytes.data(), bytes.size());
  if (got > 0) {
    session->to_client.append(bytes.data(), static_cast<std::size_t>(got));
  } else {
    loop_.UnwatchFd(std::exchange(session->server_watch, 0));
    session->server_ended = true;
  }
  Flush(number);
}

// What does not fit is sent when the other side, on the same thread, has read.
void TlsFront::Flush(int number) {
  Session* session = Find(number);
  if (session == nullptr) return;
  while (!session->to_client.empty()) {
    ERR_clear_error();
    const int sent = SSL_write(session->ssl, session->to_client.data(),
                               static_cast<int>(session->to_client.size()));
    if (sent <= 0) {
      if (SSL_get_error(session->ssl, sent) != SSL_ERROR_WANT_WRITE) return Close(number);
      break;
    }
    session->to_client.erase(0, static_cast<std::size_t>(sent));
  }
  while (!session->to_server.empty()) {
    const ssize_t sent =
        send(session->server.get(), session->to_server.data(), session->to_server.size(), 0);
    if (sent <= 0) break;
    session->to_server.erase(0, static_cast<std::size_t>(sent));
  }
  if (session->to_client.empty() && session->server_ended) return Close(number);
  if ((!session->to_client.empty() || !session->to_server.empty()) && !session->timer.running()) {
    session->timer.Start(std::chrono::milliseconds(1), [this, number] { Flush(number); });
  }
}

void TlsFront::Close(int number) {
  Session* session = Find(number);
  if (session == nullptr) return;
  if (session->client_watch != 0) loop_.UnwatchFd(session->client_watch);
  if (session->server_watch != 0) loop_.UnwatchFd(session->server_watch);
  sessions_.erase(number);
}

}  // namespace tranche::apiserver::testing
