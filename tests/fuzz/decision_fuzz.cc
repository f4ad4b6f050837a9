// SPDX-License-Identifier: GPL-2.0-only
// libFuzzer: a policy that decides anything, and decision records that no driver made. What is nonsense is refused, by the driver
// or by the kernel half, and whatever is not, no task is lost by it.
// Build: cmake --preset fuzz && cmake --build --preset fuzz; run: build/fuzz/tests-bin/decision_fuzz -max_total_time=60
#include <array>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "bytes.h"
#include "fake_kernel.h"
#include "policies/fifo.h"

namespace {

using mus::fuzz::Bytes;
using mus::fuzz::require;
using namespace std::chrono_literals;

/// Decides what the bytes say, on tasks that wait and on others that it has heard of, those that are gone included.
class AnyPolicy final : public mus::Policy {
 public:
  explicit AnyPolicy(Bytes& bytes) : bytes_(bytes) {}
  [[nodiscard]] std::string_view name() const override { return "any"; }
  [[nodiscard]] std::uint32_t wanted_events() const override { return ~0u; }
  void task_runnable(mus::Task& task, bool, mus::Time) override {
    throw_perhaps();
    if (heard_of_.size() < 64) heard_of_.push_back(&task);
  }
  void task_stopped(mus::Task&, mus::Time) override { throw_perhaps(); }

  [[nodiscard]] bool decide(const mus::Room& room, mus::Decision& d, mus::Time) override {
    throw_perhaps();
    if (bytes_.empty() || heard_of_.empty() || bytes_.below(8) == 0) return false;
    if (bytes_.below(16)) d.task = heard_of_[bytes_.below(static_cast<unsigned>(heard_of_.size()))];
    if (bytes_.below(3) == 0) d.cpu = mus::Cpu{bytes_.number<std::int32_t>(static_cast<unsigned>(room.cpus.size()) + 1)};
    d.slice = bytes_.below(8) ? mus::Duration{1ms * bytes_.below(20)} : mus::Duration{bytes_.next<std::int64_t>()};
    d.early = bytes_.below(4) ? mus::Duration{1ms * bytes_.below(20)} : mus::Duration{bytes_.next<std::int64_t>()};
    d.urgent = bytes_.below(4) == 0;
    return true;
  }
  [[nodiscard]] bool decide_pinned(const mus::Room& room, mus::Decision& d, mus::Time now) override { return decide(room, d, now); }
  [[nodiscard]] mus::StandingOrder standing_order(mus::Task&, mus::Time) override {
    auto time = [this] {
      return bytes_.below(8) ? mus::Duration{100us * bytes_.below(100)} : mus::Duration{bytes_.next<std::int64_t>()};
    };
    double rate = bytes_.below(8) ? bytes_.below(20) / 8.0 : bytes_.next<double>();
    return {.slice = time(), .min_run = time(), .budget = time(), .valid_for = time(), .rate = rate};
  }

 private:
  void throw_perhaps() {
    if (bytes_.next<std::uint8_t>() == 0xff) throw std::runtime_error("anything");
  }
  Bytes& bytes_;
  std::vector<mus::Task*> heard_of_;  // the table keeps their memory
};

class Bench {
 public:
  explicit Bench(Bytes& bytes)
      : bytes_(bytes), spec_{.cpus = 1 + bytes.below(4), .seed = bytes.next<std::uint8_t>()}, any_(bytes), fifo_({}) {
    spec_.decision_room = bytes.below(2) ? 512 : 2;
    spec_.expect_busy = false;
    spec_.not_yet_chance = bytes.below(4) ? 0 : 0.3;
    driver_ = std::make_unique<mus::PolicyDriver>(any_, mus::PolicyConfig{.online = spec_.cpus}, mus::PolicyDriver::Ahead{},
                                                  mus::PolicyDriver::Sizes{.tasks = 16, .cgroups = 4, .cpus = 8});
    kernel_ = std::make_unique<mus::fakes::FakeKernel>(*driver_, spec_);
    for (unsigned i = 0, count = 1 + bytes.below(12); i < count; ++i) {
      mus::fakes::TaskSpec task;
      if (bytes.below(2)) task.work = 100us * (1 + bytes.below(100)), task.sleep = 100us * (1 + bytes.below(100));
      if (bytes.below(3) == 0) task.allowed = 1ull << bytes.below(spec_.cpus);
      pids_.push_back(kernel_->spawn(task));
      ++spawned_;
    }
  }

  void step() {
    switch (bytes_.below(8)) {
      case 0: case 1: case 2: return forge();
      case 3: {
        int pid = pids_[bytes_.below(static_cast<unsigned>(pids_.size()))];
        if (bytes_.below(4)) return kernel_->set_allowed(pid, bytes_.next<std::uint8_t>());
        killed_ += kernel_->alive(pid);
        return kernel_->kill(pid);
      }
      default: kernel_->run_for(100us * bytes_.below(200));
    }
    if (driver_->policy_failed()) driver_->use(fifo_);  // as the loop does
  }

  // A good policy comes. What was put last by its order may wait until the others are gone, but each has its turn.
  void check() {
    driver_->use(fifo_);
    std::erase_if(pids_, [&](int pid) { return !kernel_->alive(pid); });
    require(killed_ + pids_.size() == spawned_);
    kernel_->want_resync();
    while (!pids_.empty()) {
      std::vector<mus::Duration> before;
      for (int pid : pids_) before.push_back(kernel_->run_time(pid));
      kernel_->run_for(200ms);
      std::vector<int> left;
      for (std::size_t i = 0; i < pids_.size(); ++i) {
        require(kernel_->alive(pids_[i]));
        if (kernel_->run_time(pids_[i]) == before[i])
          left.push_back(pids_[i]);
        else
          kernel_->kill(pids_[i]);
      }
      require(left.size() < pids_.size());
      pids_ = left;
    }
    for (const std::string& what : kernel_->violations()) std::fprintf(stderr, "%s\n", what.c_str());
    require(kernel_->violations().empty());
  }

 private:
  /// A record goes into the ring that the driver did not make: it is refused for one reason, or it is obeyed.
  void forge() {
    std::array<std::byte, 2 * sizeof(mus_decision)> record{};
    std::size_t size = bytes_.below(8) ? sizeof(mus_decision) : bytes_.below(record.size());
    mus_decision d{.pid = pids_[bytes_.below(static_cast<unsigned>(pids_.size()))],
                   .flags = bytes_.number<std::uint32_t>(8),
                   .generation = bytes_.number<std::uint64_t>(16),
                   .target = bytes_.number<std::int32_t>(6) - 1,
                   .slice_ns = bytes_.below(4) ? 1'000'000 : bytes_.next<std::uint64_t>(),
                   .order = bytes_.number<std::uint64_t>(20)};
    if (bytes_.below(4) == 0) bytes_.take(&d, sizeof(d));
    std::memcpy(record.data(), &d, sizeof(d));
    const mus_counters was = kernel_->counters();
    kernel_->apply_record({record.data(), size});
    const mus_counters& is = kernel_->counters();
    auto refusals = [](const mus_counters& c) { return std::accumulate(c.refused, c.refused + MUS_REFUSALS, 0ull); };
    auto refused = refusals(is) - refusals(was);
    require(refused + (is.decisions - was.decisions) <= 1);
    require((is.refused[MUS_REFUSED_BAD_RECORD] != was.refused[MUS_REFUSED_BAD_RECORD]) == (size != sizeof(d)));
    require(refused || size == sizeof(d));
    require(refused || !(d.flags & MUS_DECIDE_MOVE) || is.decisions == was.decisions + 1);
    if (d.reserved || d.slice_ns > MUS_SLICE_MAX_NS) require(refused || (!d.reserved && !(d.flags & MUS_DECIDE_MOVE)));
  }

  Bytes& bytes_;
  mus::fakes::KernelSpec spec_;
  AnyPolicy any_;
  mus::FifoPolicy fifo_;
  std::unique_ptr<mus::PolicyDriver> driver_;
  std::unique_ptr<mus::fakes::FakeKernel> kernel_;
  std::vector<int> pids_;
  std::size_t spawned_ = 0, killed_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);  // libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  Bench bench(bytes);
  while (!bytes.empty()) bench.step();
  bench.check();
  return 0;
}
