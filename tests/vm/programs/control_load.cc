// SPDX-License-Identifier: GPL-2.0-only
// control_load: says things to the control socket at a steady rate, and counts the answers.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kEvery = std::chrono::milliseconds(10);

int connect_to(const std::string& path) {
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)))
    return std::perror("control_load: cannot connect"), -1;
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Sets a cgroup's weight, or says the given lines in turn, RATE times a second and expects an answer to each. It wakes up every 10 ms for the "
               "lines that are due and for the answers that came, so that what is measured is not its own cost."};
  std::string socket = "/var/run/scx/mus/control.sock", cgroup;
  double seconds = 30;
  int rate = 1000;
  std::vector<std::string> given;
  app.add_option("CGROUP", cgroup);
  app.add_option("--line", given, "a request to send instead; may be repeated")->allow_extra_args(false);
  app.add_option("--socket", socket)->capture_default_str();
  app.add_option("--rate", rate)->capture_default_str();
  app.add_option("--seconds", seconds)->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  int fd = connect_to(socket);
  if (fd < 0) return 2;
  long sent = 0, answered = 0, good = 0;
  std::string pending;
  auto read_answers = [&](int wait_ms) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, wait_ms) <= 0) return false;
    char buffer[65536];
    ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n <= 0) return false;
    pending.append(buffer, static_cast<std::size_t>(n));
    std::size_t begin = 0;
    for (std::size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      ++answered;
      good += std::string_view(pending).substr(begin).starts_with("{\"ok\":true");
    }
    pending.erase(0, begin);
    return true;
  };
  auto start = Clock::now();
  long total = static_cast<long>(rate * seconds), answered_before = 0, least = total;
  std::string lines;  // that are due, and not sent yet: the daemon takes no more from who does not take its answers
  for (int second = 1; sent < total || !lines.empty();) {
    double passed = std::chrono::duration<double>(Clock::now() - start).count();
    auto due = std::min(total, static_cast<long>(passed * rate));
    for (; sent < due && !given.empty(); ++sent)
      lines += given[static_cast<std::size_t>(sent) % given.size()] + "\n";
    for (; sent < due; ++sent)
      lines += R"({"cmd":"weight.set","cgroup":")" + cgroup + R"(","weight":)" + std::to_string(100 + sent % 300) + "}\n";
    ssize_t went = ::send(fd, lines.data(), lines.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (went < 0 && errno != EAGAIN) return std::perror("control_load: send"), 2;
    lines.erase(0, static_cast<std::size_t>(std::max<ssize_t>(went, 0)));
    while (read_answers(0)) {}
    if (passed >= second) {
      least = std::min(least, answered - std::exchange(answered_before, answered));
      ++second;
    }
    std::this_thread::sleep_for(kEvery);
  }
  while (answered < sent && read_answers(5000)) {}
  double took = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf("sent %ld, answered %ld, applied %ld in %.1f s, at least %ld in any second\n", sent, answered, good, took, least);
  return sent == answered && good == sent ? 0 : 1;
}
