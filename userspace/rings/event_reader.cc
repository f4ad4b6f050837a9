// SPDX-License-Identifier: GPL-2.0-only
#include "rings/event_reader.h"

#include <bpf/libbpf.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/policy_driver.h"

namespace mus {

void EventReader::Free::operator()(ring_buffer* r) const { ring_buffer__free(r); }
EventReader::~EventReader() = default;

Result<std::unique_ptr<EventReader>> EventReader::open(int events_fd, PolicyDriver& driver) {
  std::unique_ptr<EventReader> reader(new EventReader(driver));
  reader->ring_.reset(ring_buffer__new(events_fd, on_record, reader.get(), nullptr));
  reader->epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  reader->doorbell_ = Fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  // Edge-triggered: a level-triggered wait would return at once while events that nobody wants answered
  // yet lie in the ring.
  epoll_event ring{.events = EPOLLIN | EPOLLET, .data = {.fd = events_fd}};
  epoll_event bell{.events = EPOLLIN | EPOLLET, .data = {.fd = reader->doorbell_.get()}};
  if (!reader->ring_ || ::epoll_ctl(reader->epoll_.get(), EPOLL_CTL_ADD, events_fd, &ring) ||
      ::epoll_ctl(reader->epoll_.get(), EPOLL_CTL_ADD, reader->doorbell_.get(), &bell))
    return fail(std::string("the event ring cannot be opened: ") + std::strerror(errno), "look at ulimit -n and ulimit -l");
  return reader;
}

int EventReader::on_record(void* self, void* data, std::size_t bytes) {
  auto* reader = static_cast<EventReader*>(self);
  reader->driver_.on_record(data, bytes);
  return ++reader->drained_ >= kAtOnce ? -EAGAIN : 0;
}

std::size_t EventReader::drain() {
  drained_ = 0;
  ring_buffer__consume(ring_.get());
  return drained_;
}

void EventReader::wait(int timeout_ms) {
  std::array<epoll_event, 2> events;
  ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
}

void EventReader::wake() const {
  std::uint64_t one = 1;
  [[maybe_unused]] auto written = ::write(doorbell_.get(), &one, sizeof(one));
}

}  // namespace mus
