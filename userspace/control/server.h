// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/client.h"
#include "control/listener.h"

namespace mus {

/// What is said at a socket: answers lines.
/// Threads: the control thread.
class Service {
 public:
  virtual ~Service() = default;
  /// What may come of a request at once.
  enum class Next : std::uint8_t {
    kAtOnce,     ///< the client's next line may come before the answer to this one
    kWhenAnswered,
  };
  /// A request, without its end of line. It is answered by exactly one Outlet::answer(), now or later.
  virtual Next on_line(RequestId request, std::string_view line) = 0;
  virtual void on_closed(ClientId client) { (void)client; }
  /// What to send before a connection is closed for this reason; "": nothing.
  enum class Reason : std::uint8_t { kTooManyClients, kNotPermitted, kLineTooLong };
  [[nodiscard]] virtual std::string farewell(Reason reason) = 0;
};

/// Where a service sends its lines, each with its end.
/// Threads: the control thread.
class Outlet {
 public:
  virtual ~Outlet() = default;
  /// The answer to a line; it goes out after the answers to the lines before it. Of a client that has gone: ignored.
  virtual void answer(RequestId request, std::string_view line) = 0;
  /// A line that nobody asked for. False: the client reads too slowly, and does not get it.
  [[nodiscard]] virtual bool tell(ClientId client, std::string_view line) = 0;
  /// Whether the client is told things: then it stays although it sends nothing more.
  virtual void set_subscribed(ClientId client, bool subscribed) = 0;
};

/// Serves UNIX stream sockets, a line at a time.
/// Shape:   any number of listeners, Limits.clients clients each. Memory: at most a line and the unread
///          answers of each client.
/// Threads: one; nothing here blocks. Its owner polls: fill() says for what, serve() does what has come.
/// Cost:    bounded work for each call of serve().
class Server : public Outlet {
 public:
  struct Limits {
    std::size_t clients = 64;
    std::size_t line_bytes = 64 << 10;
    std::size_t unread_bytes = 256 << 10;
    std::uint32_t lines_per_s = 2000;          ///< of a client
    std::uint32_t total_per_s = 10000;         ///< of all clients, so that the machine is left to others
    std::chrono::milliseconds farewell{1000};  ///< how long one who is being closed may take to read why
  };
  using Clock = std::chrono::steady_clock;

  Server();
  explicit Server(const Limits& limits);
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// `service` outlives the server.
  void add(Listener listener, std::optional<gid_t> group, Service& service);

  /// Appends what poll() has to wait for. Lines that come fast are left to gather for some milliseconds.
  void fill(std::vector<pollfd>& polled, Clock::time_point now);
  /// How long poll() may wait for the server's sake; none: for ever.
  [[nodiscard]] std::optional<std::chrono::milliseconds> timeout(Clock::time_point now) const;
  /// Whether all who wait for an answer have sent so much that they are left alone for some milliseconds: timeout() ends
  /// then, and whoever makes the answers need not be waited for before.
  [[nodiscard]] bool answers_may_gather(Clock::time_point now) const;
  /// Accepts, reads, hands lines to the services, writes. `polled`: what poll() made of what fill() had appended,
  /// anywhere among others; a socket that is not in there or has nothing is not looked at, which saves system calls.
  void serve(std::span<const pollfd> polled, Clock::time_point now);

  void answer(RequestId request, std::string_view line) override;
  [[nodiscard]] bool tell(ClientId client, std::string_view line) override;
  void set_subscribed(ClientId client, bool subscribed) override;

  [[nodiscard]] std::size_t client_count() const { return clients_.size(); }

 private:
  struct Door {
    Listener listener;
    std::optional<gid_t> group;
    Service& service;
    std::size_t clients = 0;
    Clock::time_point closed_until{};  // no descriptor was left
  };

  void accept(Door& door, Clock::time_point now);
  void turn_away(Door& door, Client& client, Service::Reason reason, Clock::time_point now);
  void run(Client& client, bool readable, Clock::time_point now);
  [[nodiscard]] bool may_run(const Client& client) const;
  [[nodiscard]] Client* find(ClientId id);

  Limits limits_;
  std::vector<std::unique_ptr<Door>> doors_;
  std::vector<std::unique_ptr<Client>> clients_;  // by id, since ids rise
  TokenBucket total_;
  ClientId next_id_{1};
  std::size_t first_ = 0;  // who is served first takes turns
};

}  // namespace mus
