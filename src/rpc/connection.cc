#include "rpc/connection.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace tranche::rpc {

Connection::Connection(base::EventLoop& loop, Side side, base::UniqueFd socket,
                       SessionLimits limits, ConnectionHandler& handler)
    : loop_(loop),
      side_(side),
      socket_(std::move(socket)),
      handler_(handler),
      session_(side, std::move(limits)),
      runner_(loop) {
  Wait();  // what it has to say at its start goes with what comes next
}

Connection::~Connection() {
  if (!broken_) Flush();
  Stop(read_watch_);
  Stop(write_watch_);
}

base::Result<StreamId> Connection::Call(const std::string& method, std::string message,
                                        base::Duration timeout) {
  if (broken_) return base::Status(*broken_);
  auto stream = session_.Call(method, std::move(message), timeout);
  if (!in_turn_) Flush();
  return stream;
}

void Connection::Reset(StreamId stream) {
  session_.Reset(stream);
  if (!in_turn_) Flush();
}

void Connection::Send(StreamId stream, std::shared_ptr<const std::string> message) {
  session_.Send(stream, std::move(message));
  TurnSoon();
}

void Connection::Finish(StreamId stream, const base::Status& status) {
  session_.Finish(stream, status);
  TurnSoon();
}

void Connection::ReadReady() {
  in_turn_ = true;
  Read();
  Turn();
}

void Connection::Read() {
  std::array<char, kReadBytes> bytes;  // NOLINT(*-member-init): most of it stays untouched
  const ssize_t got = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
  if (got == 0)
    return Break({base::Code::kUnavailable, "the other side has closed the connection"});
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    const int error = errno;
    return Break({base::Code::kUnavailable,
                  base::ErrnoStatus(error, "reading from the connection").message()});
  }
  const base::Status read = session_.Read({bytes.data(), static_cast<std::size_t>(got)});
  if (!read.ok()) Break(read);
}

// Tells the handler what there is to tell, and sends what it has said to that. The last statement
// wherever it is called: the handler may have destroyed the connection.
void Connection::Turn() {
  in_turn_ = true;
  do {
    if (!TellHandler()) return;
    Flush();
  } while (session_.has_events());
  in_turn_ = false;
  if (broken_) handler_.ConnectionOver(base::Status(*broken_));
}

void Connection::TurnSoon() {
  if (in_turn_ || std::exchange(turn_posted_, true)) return;
  runner_.Post([this] {
    turn_posted_ = false;
    Turn();
  });
}

// False where the handler has destroyed the connection.
bool Connection::TellHandler() {
  const auto alive = runner_.AliveCheck();
  for (StreamEvent& event : session_.TakeEvents()) {
    Tell(event);
    if (!alive()) return false;
  }
  return true;
}

void Connection::Tell(StreamEvent& event) {
  switch (event.what) {
    case StreamEvent::What::kMessage:
      // A call that its client has reset by now is nobody's any more.
      if (side_ == Side::kServer && !session_.Has(event.stream)) return;
      return handler_.MessageCame(event.stream, event.head.method, std::move(event.message));
    case StreamEvent::What::kRefused:
      return handler_.MessageRefused(event.stream, event.why);
    case StreamEvent::What::kEnd:
      return handler_.StreamEnded(event.stream, event.head);
    case StreamEvent::What::kClosed:
      return handler_.StreamClosed(event.stream, event.http2_error);
  }
}

// Sends until there is nothing more to say or the socket takes no more.
void Connection::Flush() {
  while (!broken_) {
    if (sent_ == unsent_.size()) Pack();
    if (broken_ || unsent_.empty()) break;
    const ssize_t sent =
        ::send(socket_.get(), unsent_.data() + sent_, unsent_.size() - sent_, MSG_NOSIGNAL);
    if (sent >= 0) {
      sent_ += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      const int error = errno;
      Break({base::Code::kUnavailable,
             base::ErrnoStatus(error, "writing to the connection").message()});
    }
  }
  if (!broken_) Wait();
  if (session_.has_events() || broken_) TurnSoon();
}

// Makes what the session has to say the bytes to be sent.
void Connection::Pack() {
  unsent_.clear();
  sent_ = 0;
  if (unsent_.capacity() > kReadBytes) unsent_ = {};  // a long list has gone
  const base::Status written = session_.Write(unsent_, kWriteBytes);
  if (!written.ok()) Break(written);
}

void Connection::Break(base::Status why) {
  if (!broken_) broken_ = std::move(why);
  Stop(read_watch_);
  Stop(write_watch_);
}

void Connection::Wait() {
  const bool blocked = !unsent_.empty();
  if (blocked && side_ == Side::kServer) {
    Stop(read_watch_);
  } else if (read_watch_ == 0) {
    read_watch_ = loop_.WatchFd(socket_.get(), base::FdEvents::kRead, [this] { ReadReady(); });
  }
  if (!blocked) {
    Stop(write_watch_);
    write_socket_ = base::UniqueFd();
  } else if (write_watch_ == 0) {
    WatchToWrite();
  }
}

void Connection::WatchToWrite() {
  write_socket_ = base::UniqueFd(::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0));
  if (!write_socket_.valid()) {
    const int error = errno;
    return Break({base::Code::kUnavailable,
                  base::ErrnoStatus(error, "waiting to write to the connection").message()});
  }
  write_watch_ = loop_.WatchFd(write_socket_.get(), base::FdEvents::kWrite, [this] { Turn(); });
}

void Connection::Stop(base::EventLoop::WatchId& watch) {
  if (watch != 0) loop_.UnwatchFd(std::exchange(watch, 0));
}

}  // namespace tranche::rpc
