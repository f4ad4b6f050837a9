// SPDX-License-Identifier: GPL-2.0-only
// open_loop: asks a Redis at a fixed rate, whether it answers or not; how long after it was due each request was answered.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>

#include "histogram.h"

namespace {

constexpr const char* kHelp = R"(Asks a Redis on this machine for a key, at a fixed rate, however late the answers are.
Each request is due at a time fixed in advance, and its latency counts from then until it is answered, whatever kept it
waiting: this program too. A server that stalls is late for every request that was due meanwhile; clients that wait for
an answer before they ask again (redis-benchmark) would not have sent those.

The connections take turns. Prints percentiles, a histogram and the rate at which requests were answered. Fails when any
is not answered within 30 seconds after the last was due.)";
constexpr const char* kExamples = R"(
examples:
  open_loop                                    800 requests a second over 20 connections
  open_loop --rate 2000 --seconds 30 --port 7000
  open_loop --json                             one line, histogram in us: {"42": 7} is 7 requests of 42 us or a little more)";

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

constexpr std::string_view kRequest = "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n";
constexpr std::chrono::seconds kPatience{30};

struct Options {
  unsigned rate = 800, connections = 20, seconds = 10, warm_up_ms = 500;
  std::uint16_t port = 6379;
  bool json = false;
};

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

/// Of the reply that `text` begins with ("$5\r\nvalue\r\n", or "$-1\r\n": no such key); 0: it has not come whole.
std::size_t reply_bytes(std::string_view text) {
  const std::size_t line = text.find("\r\n");
  if (line == std::string_view::npos) {
    return 0;
  }
  if (text.front() != '$') {
    throw std::runtime_error("the server says: " + std::string(text.substr(0, line)));
  }
  int value_bytes = -1;
  std::from_chars(text.data() + 1, text.data() + line, value_bytes);
  const std::size_t bytes = line + 2 + (value_bytes < 0 ? 0 : static_cast<std::size_t>(value_bytes) + 2);
  return bytes <= text.size() ? bytes : 0;
}

/// One connection to the server, which answers in the order of the requests.
/// Errors:  throws; there is nothing to measure then.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int yes = 1;
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0) {
      fail("cannot connect");
    }
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(fd_); }

  void ask(Clock::time_point due) {
    due_.push_back(due);
    unsent_ += kRequest;
    send();
  }

  /// Sends what can be sent now.
  void send() {
    const ssize_t went = ::send(fd_, unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (went < 0 && errno != EAGAIN && errno != EINTR) {
      fail("cannot send");
    }
    unsent_.erase(0, static_cast<std::size_t>(std::max<ssize_t>(went, 0)));
  }

  /// Calls answered(when it was due) for each request whose answer has come.
  template <class Answered>
  void receive(Answered answered) {
    char buffer[16384];
    const ssize_t came = ::recv(fd_, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (came < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    }
    if (came <= 0) {
      came < 0 ? fail("cannot receive") : throw std::runtime_error("the server closed a connection");
    }
    received_.append(buffer, static_cast<std::size_t>(came));
    std::size_t begin = 0;
    while (const std::size_t bytes = reply_bytes(std::string_view(received_).substr(begin))) {
      if (due_.empty()) {
        throw std::runtime_error("the server answered what it was not asked");
      }
      answered(due_.front());
      due_.pop_front();
      begin += bytes;
    }
    received_.erase(0, begin);
  }

  [[nodiscard]] pollfd awaited() const {
    return {.fd = fd_, .events = static_cast<short>(unsent_.empty() ? POLLIN : POLLIN | POLLOUT), .revents = 0};
  }

 private:
  int fd_;
  std::deque<Clock::time_point> due_;  // of those not answered yet
  std::string unsent_, received_;
};

struct Result {
  Histogram latencies;
  double seconds = 0;  // from when the first request was due until the last answer
  std::uint64_t unanswered = 0;
};

/// Waits until one of the connections has something to do, at most until `until`.
void wait(std::vector<pollfd>& polled, Clock::time_point until) {
  const auto left_ns = std::max<nanoseconds>(nanoseconds(0), until - Clock::now()).count();
  const timespec time{.tv_sec = left_ns / 1'000'000'000, .tv_nsec = left_ns % 1'000'000'000};
  if (::ppoll(polled.data(), polled.size(), &time, nullptr) < 0 && errno != EINTR) {
    fail("cannot poll");
  }
}

Result ask(std::deque<Connection>& connections, const Options& options) {
  Result result;
  const auto begun = Clock::now();
  const auto measured_from = begun + std::chrono::milliseconds(options.warm_up_ms);
  const std::uint64_t total = options.rate * (options.warm_up_ms + std::uint64_t{1000} * options.seconds) / 1000;
  const auto due = [&](std::uint64_t request) { return begun + nanoseconds(request * 1'000'000'000 / options.rate); };
  const auto end = due(total) + kPatience;

  std::uint64_t sent = 0, answered = 0;
  Clock::time_point now = begun;
  while (answered < total && now < end) {
    for (; sent < total && due(sent) <= now; ++sent) {
      connections[sent % connections.size()].ask(due(sent));
    }
    std::vector<pollfd> polled;
    for (const Connection& connection : connections) {
      polled.push_back(connection.awaited());
    }
    wait(polled, sent < total ? due(sent) : end);
    now = Clock::now();
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if ((polled[i].revents & POLLOUT) != 0) {
        connections[i].send();
      }
      if ((polled[i].revents & ~POLLOUT) != 0) {
        connections[i].receive([&](Clock::time_point was_due) {
          ++answered;
          now = Clock::now();
          if (was_due >= measured_from) {
            result.latencies.add(static_cast<std::uint64_t>(nanoseconds(now - was_due).count()));
          }
        });
      }
    }
  }
  result.seconds = std::chrono::duration<double>(now - measured_from).count();
  result.unanswered = total - answered;
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{kHelp, "open_loop"};
  app.footer(kExamples);
  app.add_option("--rate", options.rate, "requests a second")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--connections", options.connections, "they take turns")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--port", options.port, "of the server, on 127.0.0.1")->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long to measure")->check(CLI::Range(1, 3600))->capture_default_str();
  app.add_option("--warm-up-ms", options.warm_up_ms, "what is not measured before")->capture_default_str();
  app.add_flag("--json", options.json, "one line of JSON");
  CLI11_PARSE(app, argc, argv);
  try {
    ::prctl(PR_SET_TIMERSLACK, 1UL);  // else the kernel may wake it 50 us late on purpose
    std::deque<Connection> connections;
    for (unsigned i = 0; i < options.connections; ++i) {
      connections.emplace_back(options.port);
    }
    const Result result = ask(connections, options);
    if (result.unanswered > 0) {
      std::fprintf(stderr, "open_loop: %llu requests were not answered\n", static_cast<unsigned long long>(result.unanswered));
      return 1;
    }
    (options.json ? print_json : print_text)({"requests", "requests"}, result.latencies, result.seconds);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "open_loop: %s\n", error.what());
    return 2;
  }
  return 0;
}
