// SPDX-License-Identifier: GPL-2.0-only
#include "control/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace mus {
namespace {

constexpr int kAcceptAtOnce = 64;
constexpr int kLinesAtOnce = 128;              // of a client, before others have their turn
constexpr std::size_t kUnanswered = 256;       // lines of a client: most answers that may be waited for at once
constexpr double kAnswerBytesPerToken = 4096;  // a large answer counts as several requests
constexpr auto kNoDescriptors = std::chrono::milliseconds(100);

}  // namespace

Server::Server() : Server(Limits{}) {}
Server::Server(const Limits& limits)
    : limits_(limits), total_(0.9 * limits.total_per_s, 0.1 * limits.total_per_s) {}
Server::~Server() = default;

void Server::add(Listener listener, std::optional<gid_t> group, Service& service) {
  doors_.push_back(std::make_unique<Door>(std::move(listener), group, service));
}

Client* Server::find(ClientId id) {
  auto it = std::ranges::lower_bound(clients_, id, {}, [](const auto& client) { return client->id; });
  return it != clients_.end() && (*it)->id == id ? it->get() : nullptr;
}

void Server::fill(std::vector<pollfd>& polled, Clock::time_point now) {
  for (const auto& door : doors_)
    if (door->closed_until <= now)
      polled.push_back({.fd = door->listener.fd(), .events = POLLIN, .revents = 0});
  for (const auto& client : clients_) {
    // What is not read here stays in the socket, and then in the other end: that is how a client is slowed down.
    bool hears = may_run(*client) && !client->ended && client->in.room() && !client->lines.empty() && !total_.empty() &&
                 client->gathering.until() <= now;
    int events = (hears ? POLLIN : 0) | (client->unsent() ? POLLOUT : 0);
    // Without events poll() would still report a hangup, again and again; it shows when we next read or write.
    if (events)
      polled.push_back({.fd = client->socket.get(), .events = static_cast<short>(events), .revents = 0});
  }
}

std::optional<std::chrono::milliseconds> Server::timeout(Clock::time_point now) const {
  std::optional<Clock::duration> least;
  auto before = [&](Clock::duration wait) {
    least = std::max(Clock::duration{}, least ? std::min(*least, wait) : wait);
  };
  for (const auto& door : doors_)
    if (door->closed_until > now) before(door->closed_until - now);
  for (const auto& client : clients_) {
    if (client->closing) {
      before(client->close_by - now);
    } else if (may_run(*client)) {
      auto wait = std::max(client->lines.until_ready(), total_.until_ready());
      bool has_line = client->in.has_line();
      if (!has_line) wait = std::max(wait, client->gathering.until() - now);
      if (wait > Clock::duration{} || has_line) before(wait);
    }
  }
  if (!least) return std::nullopt;
  return std::chrono::ceil<std::chrono::milliseconds>(*least);
}

bool Server::answers_may_gather(Clock::time_point now) const {
  bool some = false;
  for (const auto& client : clients_) {
    if (client->answers.empty()) continue;
    if (!may_run(*client) || client->gathering.until() <= now) return false;
    some = true;
  }
  return some;
}

void Server::accept(Door& door, Clock::time_point now) {
  if (door.closed_until > now) return;
  for (int i = 0; i < kAcceptAtOnce; ++i) {
    Fd socket = door.listener.accept();
    if (!socket) {
      bool none_left = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      if (none_left) door.closed_until = now + kNoDescriptors;
      return;
    }
    auto index = static_cast<std::size_t>(
        std::ranges::find_if(doors_, [&](const auto& d) { return d.get() == &door; }) - doors_.begin());
    bool permitted = Listener::may_connect(socket.get(), door.group);
    bool room = door.clients < limits_.clients;
    auto client =
        std::make_unique<Client>(next_id_, std::move(socket), index, limits_.line_bytes, limits_.lines_per_s);
    if (permitted && room) {
      next_id_ = ClientId{static_cast<std::uint64_t>(next_id_) + 1};
      ++door.clients;
      client->lines.refill(now);
      clients_.push_back(std::move(client));
    } else {  // nobody to wait for: what the socket does not take at once is lost
      client->queue(door.service.farewell(permitted ? Service::Reason::kTooManyClients
                                                    : Service::Reason::kNotPermitted));
      client->write();
    }
  }
}

void Server::turn_away(Door& door, Client& client, Service::Reason reason, Clock::time_point now) {
  client.queue(door.service.farewell(reason));
  client.closing = true;
  client.close_by = now + limits_.farewell;
  ::shutdown(client.socket.get(), SHUT_RD);  // what it still sends has nowhere to go, and it is told so
}

bool Server::may_run(const Client& client) const {
  return !client.closing && !client.holds && client.answers.size() < kUnanswered && client.unread() < limits_.unread_bytes;
}

void Server::run(Client& client, bool readable, Clock::time_point now) {
  Door& door = *doors_[client.door];
  client.lines.refill(now);
  std::size_t handled = 0;
  for (; handled < kLinesAtOnce && may_run(client) && !client.lines.empty() && !total_.empty(); ++handled) {
    if (!client.in.has_line() && readable && !client.ended) {
      client.read();
      readable = false;
    }
    auto line = client.in.next();
    if (!line) {
      if (client.in.too_long()) turn_away(door, client, Service::Reason::kLineTooLong, now);
      break;
    }
    client.lines.take(1);
    total_.take(1);
    RequestId request{client.id, client.expect()};
    // Answered already: it has nothing to wait for.
    client.holds |= door.service.on_line(request, *line) == Service::Next::kWhenAnswered && !client.answers.empty();
  }
  if (handled) client.gathering.handled(handled, now);
  client.write();
}

void Server::serve(std::span<const pollfd> polled, Clock::time_point now) {
  auto readable = [&](int fd) {
    auto it = std::ranges::find(polled, fd, &pollfd::fd);
    return it != polled.end() && (it->revents & ~POLLOUT);
  };
  total_.refill(now);
  std::size_t count = clients_.size();
  for (std::size_t i = 0; i < count; ++i) {
    Client& client = *clients_[(first_ + i) % count];
    run(client, readable(client.socket.get()), now);
  }
  for (const auto& door : doors_)
    if (readable(door->listener.fd())) accept(*door, now);
  if (count) first_ = (first_ + 1) % count;

  for (auto& client : clients_) {
    bool sent_all = !client->unread();
    bool said_all = client->ended && client->answers.empty() && !client->in.has_line();
    bool done = client->closing ? sent_all || now >= client->close_by
                                : said_all && (client->gone || (sent_all && !client->subscribed));
    if (!done) continue;
    Door& door = *doors_[client->door];
    --door.clients;
    ClientId id = client->id;
    client.reset();
    door.service.on_closed(id);
  }
  std::erase(clients_, nullptr);
}

void Server::answer(RequestId request, std::string_view line) {
  Client* client = find(request.client);
  if (!client || !client->answer(request.number, line)) return;
  double cost = static_cast<double>(line.size()) / kAnswerBytesPerToken;
  client->lines.take(cost);
  total_.take(cost);
}

bool Server::tell(ClientId id, std::string_view line) {
  Client* client = find(id);
  if (!client || client->closing) return true;
  client->write();
  // One that is longer than what may be unread still goes out, to a client that has read everything.
  if (client->unread() && client->unread() + line.size() > limits_.unread_bytes) return false;
  client->append(line);
  client->write();
  return true;
}

void Server::set_subscribed(ClientId id, bool subscribed) {
  if (Client* client = find(id)) client->subscribed = subscribed;
}

}  // namespace mus
