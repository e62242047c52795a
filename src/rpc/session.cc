#include "rpc/session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

namespace tranche::rpc {
namespace {

// A kubelet keeps one stream and a few calls open on a connection.
constexpr std::uint32_t kMaxCallsPerConnection = 64;
// What the other side may send before it hears that it was read: a list of a few megabytes in a few
// pieces.
constexpr std::int32_t kWindowBytes = 1 << 20;

// `value` outlives what is done with it; a name is text of the program.
nghttp2_nv Field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {.name = bytes(name),
          .value = bytes(value),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

// The fields that say how a call has ended, after others. The words are cut: nghttp2 writes no head
// of more than 64 KiB, and a byte can take three.
class StatusFields {
 public:
  explicit StatusFields(const base::Status& status, std::vector<nghttp2_nv> before = {})
      : code_(std::to_string(static_cast<int>(status.code()))),
        text_(EncodeText(std::string_view(status.message()).substr(0, StreamHead::kMaxValueBytes))),
        fields_(std::move(before)) {
    fields_.push_back(Field("grpc-status", code_));
    if (!text_.empty()) fields_.push_back(Field("grpc-message", text_));
  }
  StatusFields(const StatusFields&) = delete;
  StatusFields& operator=(const StatusFields&) = delete;

  [[nodiscard]] const std::vector<nghttp2_nv>& all() const { return fields_; }

 private:
  const std::string code_;
  const std::string text_;
  std::vector<nghttp2_nv> fields_;
};

// The value of "grpc-timeout", which has eight digits at most; empty for no time.
std::string TimeoutText(base::Duration timeout) {
  constexpr std::int64_t kMost = 99'999'999;
  const std::int64_t milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  if (milliseconds <= 0) return {};
  if (milliseconds <= kMost) return std::to_string(milliseconds) + "m";
  return std::to_string(std::min(milliseconds / 1000, kMost)) + "S";
}

bool EndsStream(const nghttp2_frame& frame) {
  return (frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA) &&
         (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

}  // namespace

struct Session::Stream {
  explicit Stream(const SessionLimits& limits) : in(limits.max_message_bytes, limits.budget) {}

  StreamHead head;
  MessageReader in;
  bool done_reading = false;
  MessageWriter out;
  bool begun = false;     // the head of what we say has been handed over
  bool deferred = false;  // nghttp2 waits for more of `out`
  bool ends = false;      // after `out`, with a status where one is there
  std::optional<base::Status> status;
};

// What nghttp2 calls while it reads and writes. Nothing may destroy the session meanwhile, so what
// has happened is only written down.
struct Session::Callbacks {
  static Session& Of(void* user) { return *static_cast<Session*>(user); }

  static int BeginHeaders(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    Session& self = Of(user);
    if (self.side_ == Side::kServer && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      self.streams_.emplace(frame->hd.stream_id, std::make_unique<Stream>(self.limits_));
    }
    return 0;
  }

  static int Header(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                    const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                    std::size_t value_size, std::uint8_t /*flags*/, void* user) {
    const std::string_view field(reinterpret_cast<const char*>(name), name_size);
    Stream* const stream = Of(user).Find(frame->hd.stream_id);
    // Of a client nothing else is wanted.
    if (stream != nullptr && (Of(user).side_ == Side::kClient || field == ":path")) {
      stream->head.Take(field, {reinterpret_cast<const char*>(value), value_size});
    }
    return 0;
  }

  static int Data(nghttp2_session* /*session*/, std::uint8_t /*flags*/, StreamId id,
                  const std::uint8_t* data, std::size_t size, void* user) {
    Session& self = Of(user);
    Stream* const stream = self.Find(id);
    if (stream == nullptr || stream->done_reading) return 0;
    const base::Status read =
        stream->in.Read({reinterpret_cast<const char*>(data), size}, [&](std::string message) {
          self.events_.push_back({.what = StreamEvent::What::kMessage,
                                  .stream = id,
                                  .method = stream->head.method,
                                  .message = std::move(message)});
          stream->done_reading = self.side_ == Side::kServer;
        });
    if (!read.ok()) {
      stream->done_reading = true;
      self.events_.push_back({.what = StreamEvent::What::kRefused, .stream = id, .why = read});
    }
    return 0;
  }

  static int FrameCame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    Session& self = Of(user);
    Stream* const stream = self.Find(frame->hd.stream_id);
    if (stream != nullptr && EndsStream(*frame)) {
      self.events_.push_back(
          {.what = StreamEvent::What::kEnd, .stream = frame->hd.stream_id, .head = stream->head});
    }
    return 0;
  }

  // A client that is still sending what nobody waits for any more is told to stop.
  static int FrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    const StreamId id = frame->hd.stream_id;
    if (Of(user).side_ == Side::kServer && EndsStream(*frame) &&
        nghttp2_session_get_stream_remote_close(session, id) == 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  // An answer that nghttp2 will not write, as one whose head is too long. Nobody is to wait for it.
  static int FrameNotSent(nghttp2_session* session, const nghttp2_frame* frame, int /*error*/,
                          void* user) {
    if (Of(user).side_ == Side::kServer && frame->hd.type == NGHTTP2_HEADERS) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                NGHTTP2_INTERNAL_ERROR);
    }
    return 0;
  }

  static int StreamClosed(nghttp2_session* /*session*/, StreamId id, std::uint32_t error,
                          void* user) {
    Session& self = Of(user);
    if (self.streams_.erase(id) > 0) {
      self.events_.push_back(
          {.what = StreamEvent::What::kClosed, .stream = id, .http2_error = error});
    }
    return 0;
  }

  // Of what we say on a stream, the next piece.
  static ssize_t NextPiece(nghttp2_session* session, StreamId id, std::uint8_t* to,
                           std::size_t size, std::uint32_t* flags, nghttp2_data_source* /*source*/,
                           void* user) {
    Stream* const stream = Of(user).Find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t written = stream->out.Write({to, size});
    if (!stream->out.empty()) return static_cast<ssize_t>(written);
    if (stream->ends) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (stream->status.has_value()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        SubmitTrailers(session, id, *stream->status);
      }
    } else if (written == 0) {
      stream->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(written);
  }

  static void SubmitTrailers(nghttp2_session* session, StreamId id, const base::Status& status) {
    const StatusFields fields(status);
    nghttp2_submit_trailer(session, id, fields.all().data(), fields.all().size());
  }

  static const nghttp2_session_callbacks* All() {
    static const nghttp2_session_callbacks* const all = [] {
      nghttp2_session_callbacks* made = nullptr;
      TRANCHE_CHECK(nghttp2_session_callbacks_new(&made) == 0);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, BeginHeaders);
      nghttp2_session_callbacks_set_on_header_callback(made, Header);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Data);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, FrameCame);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, FrameSent);
      nghttp2_session_callbacks_set_on_frame_not_send_callback(made, FrameNotSent);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, StreamClosed);
      return made;
    }();
    return all;
  }
};

Session::Session(Side side, SessionLimits limits) : side_(side), limits_(std::move(limits)) {
  nghttp2_option* option = nullptr;
  TRANCHE_CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_closed_streams(option, 1);
  // Go's servers leave blanks at the ends of the words of an error as they are.
  nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
  const auto make =
      side == Side::kServer ? nghttp2_session_server_new2 : nghttp2_session_client_new2;
  TRANCHE_CHECK(make(&session_, Callbacks::All(), this, option) == 0);
  nghttp2_option_del(option);
  const std::array<nghttp2_settings_entry, 2> settings{
      {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes},
       {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kMaxCallsPerConnection}}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindowBytes);
}

Session::~Session() { nghttp2_session_del(session_); }

base::Status Session::Read(std::string_view bytes) {
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken >= 0) return base::Status::Ok();
  return {base::Code::kUnavailable,
          std::string("reading HTTP/2: ") + nghttp2_strerror(static_cast<int>(taken))};
}

base::Status Session::Write(std::string& bytes, std::size_t enough) {
  while (bytes.size() < enough) {
    const std::uint8_t* piece = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &piece);
    if (size == 0) break;
    if (size < 0) {
      return {base::Code::kUnavailable,
              std::string("writing HTTP/2: ") + nghttp2_strerror(static_cast<int>(size))};
    }
    bytes.append(reinterpret_cast<const char*>(piece), static_cast<std::size_t>(size));
  }
  if (bytes.empty() && nghttp2_session_want_read(session_) == 0 &&
      nghttp2_session_want_write(session_) == 0) {
    return {base::Code::kUnavailable,
            "the other side has ended the connection, or its HTTP/2 has a fault"};
  }
  return base::Status::Ok();
}

base::Result<StreamId> Session::Call(const std::string& method, std::string message,
                                     base::Duration timeout) {
  const std::string limit = TimeoutText(timeout);
  std::vector<nghttp2_nv> head{
      Field(":method", "POST"),      Field(":scheme", "http"),
      Field(":path", method),        Field(":authority", "localhost"),
      Field("te", "trailers"),       Field("content-type", "application/grpc"),
      Field("user-agent", "tranche")};
  if (!limit.empty()) head.push_back(Field("grpc-timeout", limit));
  const nghttp2_data_provider body{.source = {}, .read_callback = Callbacks::NextPiece};
  const StreamId id =
      nghttp2_submit_request(session_, nullptr, head.data(), head.size(), &body, nullptr);
  if (id < 0) {
    return base::Status(base::Code::kUnavailable, "the connection takes no further calls");
  }
  auto stream = std::make_unique<Stream>(limits_);
  stream->out.Send(std::make_shared<const std::string>(std::move(message)));
  stream->ends = true;
  streams_.emplace(id, std::move(stream));
  return id;
}

void Session::Reset(StreamId id) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return;
  stream->out = {};  // a call that still waits to be sent is kept by nghttp2
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

void Session::Send(StreamId id, std::shared_ptr<const std::string> message) {
  Stream* const stream = Find(id);
  if (stream == nullptr || stream->ends) return;
  stream->out.Send(std::move(message));
  Answer(id, *stream);
}

void Session::Finish(StreamId id, const base::Status& status) {
  Stream* const stream = Find(id);
  if (stream == nullptr || stream->ends) return;
  stream->ends = true;
  stream->status = status;
  Answer(id, *stream);
}

Session::Stream* Session::Find(StreamId stream) {
  const auto it = streams_.find(stream);
  return it == streams_.end() ? nullptr : it->second.get();
}

void Session::Answer(StreamId id, Stream& stream) {
  if (!stream.begun && stream.status.has_value() && !stream.status->ok()) {
    stream.begun = true;
    const StatusFields fields(*stream.status,
                              {Field(":status", "200"), Field("content-type", "application/grpc")});
    nghttp2_submit_response(session_, id, fields.all().data(), fields.all().size(), nullptr);
  } else if (!std::exchange(stream.begun, true)) {
    const std::array<nghttp2_nv, 2> head{Field(":status", "200"),
                                         Field("content-type", "application/grpc")};
    const nghttp2_data_provider body{.source = {}, .read_callback = Callbacks::NextPiece};
    nghttp2_submit_response(session_, id, head.data(), head.size(), &body);
  } else if (std::exchange(stream.deferred, false)) {
    nghttp2_session_resume_data(session_, id);
  }
}

}  // namespace tranche::rpc
