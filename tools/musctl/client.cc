// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/client.h"

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "musctl/exit_code.h"
#include "musctl/text.h"

namespace mus::ctl {
namespace {

using Clock = std::chrono::steady_clock;

// Far more than any answer; what is longer is not our daemon.
constexpr std::size_t kLongestLine = std::size_t{64} << 20;

/// Who may use the socket, as far as its file says.
std::string who_may(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return "root may: sudo musctl ...";
  if ((file.st_mode & 0020) == 0)
    return "root may: sudo musctl ... (mus-userland --socket-group GROUP lets a group in)";
  const group* owner = ::getgrgid(file.st_gid);
  std::string name = owner ? owner->gr_name : std::to_string(file.st_gid);
  return "root may, and members of the group '" + name + "'";
}

std::unexpected<Error> cannot_connect(const std::string& path, int error) {
  const std::string elsewhere = "; if it listens elsewhere: --socket PATH or MUS_SOCKET";
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return fail("mus-userland is not running: there is no socket " + path,
                  "start it as root: mus-userland" + elsewhere, kExitNoDaemon);
    case ECONNREFUSED:
      return fail("mus-userland is not running: nobody listens at " + path,
                  "start it as root: mus-userland" + elsewhere, kExitNoDaemon);
    case EACCES:
    case EPERM:
      return fail("no permission to connect to " + path, who_may(path), kExitNoDaemon);
    case EAGAIN:
      return fail("mus-userland does not accept connections at " + path, "is it stopped? see: musctl doctor",
                  kExitNoDaemon);
    default:
      return fail("cannot connect to " + path + ": " + std::strerror(error), "see: musctl doctor",
                  kExitNoDaemon);
  }
}

std::unexpected<Error> lost(const std::string& why) {
  return fail("the connection to mus-userland was lost: " + why, "see whether it still runs: musctl doctor",
              kExitConnection);
}

}  // namespace

Error refusal(const Json& answer) {
  const Json& error = inside(answer, "error");
  std::string code = string(error, "code", "unknown error");
  std::string what = string(error, "message", code);
  if (auto field = string(error, "field"); !field.empty()) what += " (field '" + field + "')";
  bool turned_away = code == "not_permitted" || code == "too_many_clients";
  std::string remedy = string(error, "hint");
  if (remedy.empty() && code == "not_permitted")
    remedy = "root may, and with mus-userland --socket-group GROUP that group";
  if (remedy.empty() && code == "unknown_command")
    remedy = "this mus-userland is of another version: musctl hello";
  // A hint may be just the nearest name.
  if (!remedy.empty() && remedy.find(' ') == std::string::npos) remedy = "did you mean " + remedy + "?";
  return {printable(what) + " [" + printable(code) + "]", printable(remedy),
          turned_away ? kExitNoDaemon : kExitRefused};
}

Result<Client> Client::connect(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return fail("'" + path + "' cannot be a socket's path: it " +
                    (path.empty() ? "is empty" : "has more than 107 bytes"),
                "give --socket PATH or MUS_SOCKET", kExitUsage);
  std::ranges::copy(path, address.sun_path);
  Client client;
  client.fd_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!client.fd_) return cannot_connect(path, errno);
  // Also bounds connect(), which waits while the daemon's queue of connections is full.
  timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (::connect(client.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return cannot_connect(path, errno);
  return client;
}

Result<void> Client::send(const Json& request) {
  std::string line = request.dump() + "\n";
  for (std::string_view rest = line; !rest.empty();) {
    ssize_t sent = ::send(fd(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    // The daemon may have said why before it closed: receive() finds that out.
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return {};
    if (sent < 0) return lost(errno == EAGAIN ? "it does not read" : std::strerror(errno));
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<void> Client::fill(Milliseconds patience) {
  pollfd wait{.fd = fd(), .events = POLLIN, .revents = 0};
  int ready = ::poll(&wait, 1, static_cast<int>(patience.count()));
  if (ready == 0 || (ready < 0 && errno == EINTR)) return {};
  std::array<char, 65536> buffer;
  ssize_t got = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got > 0) {
    unread_.append(buffer.data(), static_cast<std::size_t>(got));
  } else if (got == 0) {
    ended_ = true;
  } else if (errno != EAGAIN && errno != EINTR) {
    return lost(std::strerror(errno));
  }
  return {};
}

Result<Message> Client::parse(std::string line) const {
  Json body = Json::parse(line, nullptr, false);
  if (!body.is_object())
    return fail("what answered does not speak mus's protocol: " + printable(shorten(printable(line), 60)),
                "is --socket that of mus-userland?", kExitConnection);
  return Message{.line = std::move(line), .body = std::move(body)};
}

Result<std::optional<Message>> Client::receive(Milliseconds patience) {
  auto deadline = Clock::now() + patience;
  while (true) {
    if (auto end = unread_.find('\n'); end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      auto message = parse(std::move(line));
      if (!message) return std::unexpected(message.error());
      return std::optional(std::move(*message));
    }
    if (ended_) return lost("it closed it");
    if (unread_.size() > kLongestLine) return lost("it sends a line without end");
    auto left = std::chrono::ceil<Milliseconds>(deadline - Clock::now());
    std::size_t before = unread_.size();
    if (auto filled = fill(std::max(left, Milliseconds(0))); !filled) return std::unexpected(filled.error());
    if (left.count() <= 0 && unread_.size() == before && !ended_) return std::optional<Message>();
  }
}

Result<Message> Client::ask(const Json& request, Milliseconds patience) {
  if (auto sent = send(request); !sent) return std::unexpected(sent.error());
  auto deadline = Clock::now() + patience;
  while (true) {
    auto message = receive(std::chrono::ceil<Milliseconds>(deadline - Clock::now()));
    if (!message) return std::unexpected(message.error());
    if (!*message)
      return fail("mus-userland has not answered for " + std::to_string(patience.count() / 1000) + " s",
                  "is it stopped? see: musctl doctor", kExitConnection);
    if (!(*message)->is_event()) return std::move(**message);
  }
}

}  // namespace mus::ctl
