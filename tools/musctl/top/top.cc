// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/top/top.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>

#include "musctl/exit_code.h"
#include "musctl/text.h"
#include "musctl/top/controller.h"
#include "musctl/top/screen.h"

namespace mus::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Signals as a file descriptor, while it lives: so that leaving by one is leaving the loop.
class Signals {
 public:
  Signals() {
    ::sigemptyset(&set_);
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH})
      ::sigaddset(&set_, number);
    ::sigprocmask(SIG_BLOCK, &set_, &before_);
    fd_ = Fd(::signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// The next one that has come; 0: none.
  [[nodiscard]] int next() const {
    signalfd_siginfo info{};
    return ::read(fd(), &info, sizeof(info)) == sizeof(info) ? static_cast<int>(info.ssi_signo) : 0;
  }

 private:
  sigset_t set_{}, before_{};
  Fd fd_;
};

/// The full screen.
class Top {
 public:
  Top(Client client, Screen& screen, const Signals& signals, const TopOptions& options, std::string socket)
      : client_(std::move(client)),
        screen_(screen),
        signals_(signals),
        socket_(std::move(socket)),
        patience_s_(3 * options.interval_s + 2),
        controller_(options.interval_s) {
    controller_.connected();
  }

  /// Until q, a signal (which is in ended_by() then), or a refusal.
  Result<void> run() {
    while (true) {
      if (auto sent = send_requests(); !sent) lose(sent.error());
      show();
      wait();
      while (int number = signals_.next()) {
        if (number != SIGWINCH) {
          ended_by_ = number;
          return {};
        }
        screen_.resize();
      }
      while (auto key = screen_.key())
        if (!controller_.press(*key)) return {};
      if (terminal_gone_) return {};
      if (auto taken = take_messages(); !taken) return taken;
    }
  }
  [[nodiscard]] int ended_by() const { return ended_by_; }

 private:
  void show() {
    std::size_t height = screen_.height();
    controller_.set_page(height > 6 ? height - 6 : 1);
    screen_.show(render(controller_.model(), controller_.view(), screen_.width(), height, first_row_));
  }

  void wait() {
    std::array fds{pollfd{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                   pollfd{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                   pollfd{.fd = client_ ? client_->fd() : -1, .events = POLLIN, .revents = 0}};
    ::poll(fds.data(), fds.size(), client_ ? 1000 : 500);
    terminal_gone_ = (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
  }

  Result<void> send_requests() {
    if (!client_) return {};
    for (const Json& request : controller_.take_requests())
      if (auto sent = client_->send(request); !sent) return sent;
    return {};
  }

  Result<void> take_messages() {
    if (!client_) {
      if (Clock::now() < next_try_) return {};
      next_try_ = Clock::now() + milliseconds(1000);
      auto client = Client::connect(socket_);
      if (!client) {
        controller_.disconnected("reconnecting: " + client.error().what);
        return {};
      }
      client_ = std::move(*client);
      last_message_ = Clock::now();
      controller_.connected();
    }
    while (client_) {
      auto message = client_->receive(milliseconds(0));
      if (!message) {
        lose(message.error());
      } else if (!*message) {
        std::chrono::duration<double> silence = Clock::now() - last_message_;
        if (silence.count() > patience_s_) controller_.silent_for(std::floor(silence.count()));
        return {};
      } else {
        last_message_ = Clock::now();
        if (auto taken = controller_.take(**message); !taken) return taken;
      }
    }
    return {};
  }

  void lose(const Error& error) {
    client_.reset();
    next_try_ = Clock::now() + milliseconds(500);
    controller_.disconnected("reconnecting: " + error.what);
  }

  std::optional<Client> client_;
  Screen& screen_;
  const Signals& signals_;
  std::string socket_;
  double patience_s_;
  Clock::time_point last_message_ = Clock::now();
  TopController controller_;
  std::size_t first_row_ = 0;
  Clock::time_point next_try_{};
  bool terminal_gone_ = false;
  int ended_by_ = 0;
};

/// The first snapshot, or all of them as JSON.
Result<void> print_snapshots(Session& session, Client& client, const TopOptions& options) {
  const bool json = session.output().json;
  auto subscribed = client.ask({{"cmd", "subscribe"}, {"interval", options.interval_s}});
  if (!subscribed) return std::unexpected(subscribed.error());
  if (subscribed->refused()) {
    if (json) session.out() << subscribed->line << '\n';
    return std::unexpected(refusal(subscribed->body));
  }
  auto patience = Client::kPatience + milliseconds(static_cast<std::int64_t>(options.interval_s * 1000));
  while (true) {
    auto event = client.receive(patience);
    if (!event) return std::unexpected(event.error());
    if (!*event)
      return fail("mus-userland sends no snapshots", "is it stopped? see: musctl doctor", kExitConnection);
    if (!(*event)->is_event()) continue;
    if (json) {
      session.out() << (*event)->line << std::endl;  // flushed: the reader wants it now
      if (options.once || !session.out()) return {};
      continue;
    }
    TopModel model;
    model.update(read_snapshot((*event)->body));
    for (const Line& line : head_lines(model, {})) {
      for (const Span& span : line)
        session.out() << span.text;
      session.out() << '\n';
    }
    session.out() << '\n';
    for (const std::string& line : table_lines(model))
      session.out() << line << '\n';
    return {};
  }
}

}  // namespace

Result<void> run_top(Session& session, const TopOptions& options) {
  // Before the screen is taken over, so that "there is no daemon" is an ordinary message.
  auto client = Client::connect(session.socket());
  if (!client) return std::unexpected(client.error());
  if (options.once || session.output().json) return print_snapshots(session, *client, options);

  int ended_by = 0;
  Result<void> result;
  {
    Signals signals;
    auto screen = Screen::make(session.output().colour);
    if (!screen) return std::unexpected(screen.error());
    Top top(std::move(*client), **screen, signals, options, session.socket());
    result = top.run();
    ended_by = top.ended_by();
  }
  // The terminal is given back. Ctrl-C is an ordinary way out; by another signal, end as it would have ended us.
  if (ended_by != 0 && ended_by != SIGINT) {
    ::signal(ended_by, SIG_DFL);
    ::raise(ended_by);
  }
  return result;
}

}  // namespace mus::ctl
