// SPDX-License-Identifier: GPL-2.0-only
#include "control/client.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace mus {

void TokenBucket::refill(Clock::time_point now) {
  if (at_ != Clock::time_point{} && now > at_)
    tokens_ = std::min(burst_, tokens_ + rate_ * std::chrono::duration<double>(now - at_).count());
  at_ = now;
}

TokenBucket::Clock::duration TokenBucket::until_ready() const {
  if (!empty()) return {};
  return std::chrono::ceil<Clock::duration>(std::chrono::duration<double>((1 - tokens_) / rate_));
}

void Gathering::handled(std::size_t lines, Clock::time_point now) {
  bool gathered = until_ != Clock::time_point{};
  bool fast = gathered ? lines > 1 : now - last_ <= kFast;
  last_ = now;
  until_ = {};
  if (gathered && !fast) without_ = kLinesAtOnce;
  without_ -= static_cast<int>(std::min<std::size_t>(lines, static_cast<std::size_t>(without_)));
  if (fast && without_ == 0) until_ = now + kFor;
}

// Burst and rate add up to no more than was promised for any one second.
Client::Client(ClientId its_id, Fd its_socket, std::size_t its_door, std::size_t line_bytes,
               std::uint32_t lines_per_s)
    : id(its_id),
      socket(std::move(its_socket)),
      door(its_door),
      in(line_bytes),
      lines(0.9 * lines_per_s, 0.1 * lines_per_s) {}

void Client::read() {
  std::array<char, 16384> chunk;
  while (!ended && in.room()) {
    ssize_t got = ::recv(socket.get(), chunk.data(), std::min(chunk.size(), in.room()), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
      ended = true;
      return;
    }
    in.add({chunk.data(), static_cast<std::size_t>(got)});
  }
}

std::uint64_t Client::expect() {
  answers.emplace_back();
  return first + answers.size() - 1;
}

bool Client::answer(std::uint64_t number, std::string_view line) {
  if (number < first || number - first >= answers.size() || answers[number - first]) return false;
  if (number != first) {
    answers[number - first].emplace(line);
    kept += line.size();
    return true;
  }
  queue(line);
  answers.pop_front();
  for (++first; !answers.empty() && answers.front(); ++first) {
    queue(*answers.front());
    kept -= answers.front()->size();
    answers.pop_front();
  }
  if (answers.empty()) holds = false;
  return true;
}

void Client::append(std::string_view line) {
  if (answers.empty()) return queue(line);
  answers.emplace_back(line);
  kept += line.size();
}

void Client::write() {
  while (!gone && unsent()) {
    ssize_t sent = ::send(socket.get(), out.data() + out_begin, unsent(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (sent < 0) gone = true;
    out_begin += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
  }
  if (gone || !unsent()) {
    out.clear();
    out_begin = 0;
    if (out.capacity() > 16384) out.shrink_to_fit();
  } else if (out_begin > out.size() / 2) {
    out.erase(0, out_begin);
    out_begin = 0;
  }
}

}  // namespace mus
