// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <boost/intrusive/list_hook.hpp>
#include <boost/intrusive/unordered_set_hook.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <mus/abi.h>
#include <mus/units.h>

namespace mus {

/// Room that the framework keeps in each task and cgroup for what a policy wants to remember of it.
/// Shape:   one object of at most Bytes; made by emplace(), ended by reset(). Never moved.
/// Owner:   the framework; the policy may keep pointers to it while the task or cgroup lives.
/// Cost:    no allocation.
template <std::size_t Bytes>
class PolicyArea {
 public:
  template <typename T, typename... Args>
  T& emplace(Args&&... args) {
    static_assert(sizeof(T) <= Bytes && alignof(T) <= 16, "the policy's data is larger than its area");
    reset();
    T* made = ::new (static_cast<void*>(bytes_.data())) T(std::forward<Args>(args)...);
    destroy_ = [](void* p) { std::destroy_at(static_cast<T*>(p)); };
    return *made;
  }
  template <typename T>
  [[nodiscard]] T& get() {
    return *std::launder(reinterpret_cast<T*>(bytes_.data()));
  }
  [[nodiscard]] bool empty() const { return destroy_ == nullptr; }
  void reset() {
    if (auto* destroy = std::exchange(destroy_, nullptr)) destroy(bytes_.data());
  }

  PolicyArea() = default;
  PolicyArea(const PolicyArea&) = delete;
  PolicyArea& operator=(const PolicyArea&) = delete;
  ~PolicyArea() { reset(); }

 private:
  alignas(16) std::array<std::byte, Bytes> bytes_;
  void (*destroy_)(void*) = nullptr;
};

enum class Affinity : std::uint8_t {
  kAll = MUS_AFFINITY_ALL,
  kSome = MUS_AFFINITY_SOME,
  kOne = MUS_AFFINITY_ONE,
};

class Cgroup;

/// A task that the kernel half has told of. What a policy may read is set by the framework before it calls.
/// Threads: scheduler thread only.
struct Task : boost::intrusive::unordered_set_base_hook<>, boost::intrusive::list_base_hook<> {
  /// Where the task is, as userspace knows it. Legal transitions:
  ///   kAway -> kWaiting   a RUNNABLE event: the policy has it
  ///   kWaiting -> kDecided  the policy has decided on it
  ///   kWaiting, kDecided -> kAway   it sleeps or has exited
  ///   kDecided -> kWaiting  its slice ended, or has begun (`running`), or the decision was refused
  enum class State : std::uint8_t { kAway, kWaiting, kDecided };

  Pid pid{};
  Pid tgid{};
  std::uint64_t generation = 0;  ///< of the RUNNABLE event that a decision answers
  Cgroup* cgroup = nullptr;      ///< never null while a policy sees the task
  Weight weight;                 ///< from nice
  State state = State::kAway;
  Affinity affinity = Affinity::kAll;
  bool kernel_thread = false;
  bool running = false;  ///< as of its last event, it runs: what is decided is its next slice
  std::optional<Cpu> goes_on{};  ///< decided while it runs: the CPU that was named
  bool goes_first = false;       ///< the same: before what had been decided earlier
  Cpu last_cpu{};     ///< where it ran last
  Cpu allowed_cpu{};  ///< Affinity::kOne: the only one it may run on
  Time woke_at{};
  Time slept_at{};
  Duration burst{};         ///< run time since it last woke
  Duration expected_run{};  ///< moving average of its bursts: how long it runs before it sleeps
  PolicyArea<208> policy;   ///< the policy's own
};

}  // namespace mus
