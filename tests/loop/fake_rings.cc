// SPDX-License-Identifier: GPL-2.0-only
// KernelHalf, EventReader and DecisionWriter as far as the loop needs them, on a FakeMachine: the linker takes these instead of
// those of the daemon's library, and the loop itself is the real one.
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "allocations.h"
#include "core/policy_driver.h"
#include "fake_machine.h"
#include "rings/decision_writer.h"
#include "rings/event_reader.h"

// Of libbpf, which is not here.
struct bpf_object {};
struct ring_buffer {};
struct user_ring_buffer {};

namespace mus {

using fakes::FakeMachine;

void KernelHalf::Close::operator()(bpf_object* o) const { delete o; }
void EventReader::Free::operator()(ring_buffer* r) const { delete r; }
void DecisionWriter::Free::operator()(user_ring_buffer* r) const { delete r; }
KernelHalf::~KernelHalf() = default;
EventReader::~EventReader() = default;
DecisionWriter::~DecisionWriter() = default;

Result<std::unique_ptr<KernelHalf>> KernelHalf::open(const Pins&, std::string&) {
  std::unique_ptr<KernelHalf> half(new KernelHalf);
  half->shared_ = &FakeMachine::here().shared;
  return half;
}

Time KernelHalf::commit() { return time_from_ns(FakeMachine::clock_ns()); }
void KernelHalf::resync() { FakeMachine::here().resync_asked = true; }
bool KernelHalf::has_task(Pid pid) { return FakeMachine::here().has_task(raw(pid)); }
std::optional<KernelFacts::CgroupFacts> KernelHalf::cgroup(CgroupId id) {
  if (!FakeMachine::here().has_cgroup(raw(id))) return {};
  return CgroupFacts{.parent = CgroupId{raw(id) == 1 ? 0u : 1u}};
}

Result<std::unique_ptr<EventReader>> EventReader::open(int, PolicyDriver& driver) {
  std::unique_ptr<EventReader> reader(new EventReader(driver));
  reader->epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  reader->doorbell_ = Fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  for (int fd : {FakeMachine::here().bell(), reader->doorbell_.get()}) {
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.fd = fd}};
    if (::epoll_ctl(reader->epoll_.get(), EPOLL_CTL_ADD, fd, &event)) return fail("epoll_ctl");
  }
  return reader;
}

std::size_t EventReader::drain() {
  allocations::count_here();
  mus_event event;
  for (drained_ = 0; drained_ < kAtOnce && FakeMachine::here().events.pop(event); ++drained_) driver_.on_record(&event, sizeof(event));
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

Result<std::unique_ptr<DecisionWriter>> DecisionWriter::open(int) { return std::unique_ptr<DecisionWriter>(new DecisionWriter); }
bool DecisionWriter::write(const mus_decision& decision) { return FakeMachine::here().decisions.push(decision); }

}  // namespace mus
