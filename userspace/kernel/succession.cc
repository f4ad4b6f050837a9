// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/succession.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "exit_code.h"

namespace mus {
namespace {

using std::chrono::steady_clock;

constexpr auto kHandoverPatience = std::chrono::seconds(5);  // the other looks once in 2 s, should it not be told
constexpr auto kSuccessorPatience = std::chrono::seconds(3);

}  // namespace

Result<std::unique_ptr<Succession>> Succession::begin(Wish wish) {
  std::unique_ptr<Succession> succession(new Succession(wish));
  if (auto found = succession->find(); !found) return std::unexpected(found.error());
  return succession;
}

Result<void> Succession::find() {
  auto pins = Pins::open(wish_.pin);
  if (!pins) {
    if (wish_.pin) notes_.push_back(pins.error().what + ": the kernel half is not pinned, and ends with this daemon");
    wish_.pin = false;
    return {};
  }
  pins_ = std::make_unique<Pins>(std::move(*pins));
  if (!pins_->lock()) return find_running();
  if (pins_->has("link")) find_left();
  if (!kernel_) pins_->clear();  // of a daemon that died before it had attached, or of another build
  return {};
}

Result<void> Succession::find_running() {
  if (!pins_->has("link"))
    return fail("another mus-userland runs with --no-pin, or has not attached yet",
                "stop it first: --replace can only take over what is pinned", kExitBusy);
  auto open = KernelHalf::open(*pins_, other_);
  std::string who = "another mus-userland runs already" + (other_.empty() ? "" : " (" + other_ + ")");
  if (!wish_.replace)
    return fail(who, "give --replace to take over from it without a gap, or stop it first", kExitBusy);
  if (!open) return fail(who + " and cannot be replaced: " + open.error().what, "stop it first", kExitBusy);
  kernel_ = std::move(*open);
  kind_ = Kind::kReplacing;
  return {};
}

void Succession::find_left() {
  auto open = KernelHalf::open(*pins_, other_);
  if (!open) return end_left(open.error().what);
  kernel_ = std::move(*open);
  kernel_->sign();
  kind_ = Kind::kAdopted;
}

void Succession::end_left(const std::string& why) {
  notes_.push_back("a kernel half that was left behind is not adopted but replaced: " + why);
  kernel_.reset();
  kind_ = Kind::kLoaded;
  if (Fd link = pins_->get("link")) bpf_link_detach(link.get());
  pins_->clear();
}

Result<void> Succession::prepare(const KernelInfo& kernel, const KernelSettings& settings) {
  settings_ = settings;
  if (kernel_) {
    auto good = kernel_->check(kernel, settings);
    if (good) return {};
    if (kind_ == Kind::kReplacing)
      return fail("mus-userland (" + other_ + ") cannot be replaced: " + good.error().what, "stop it first", kExitBusy);
    end_left(good.error().what);
  }
  if (auto vacant = check_vacant(); !vacant) return vacant;
  auto loaded = KernelHalf::load(kernel, settings);
  if (!loaded) return std::unexpected(loaded.error());
  kernel_ = std::move(*loaded);
  return {};
}

Result<std::string> Succession::take_over(const std::function<void(const mus_event&)>& tell) {
  if (kind_ == Kind::kLoaded) return "";
  auto adopter = Adopter::open(*kernel_);
  if (!adopter) return std::unexpected(adopter.error());
  adopter_ = std::make_unique<Adopter>(std::move(*adopter));
  std::size_t cgroups = adopter_->tell_cgroups(tell);
  if (kind_ == Kind::kReplacing)
    if (auto handed = await_handover(); !handed) return std::unexpected(handed.error());
  auto adopted = adopter_->adopt(settings_);
  if (!adopted) return std::unexpected(adopted.error());
  if (!wish_.pin) kernel_->unpin(*pins_);
  std::string text = kind_ == Kind::kReplacing ? "took over from " + (other_.empty() ? "a daemon" : other_)
                                               : std::string("adopted the kernel half that was left running");
  text += ": " + std::to_string(cgroups) + " cgroups known, " + std::to_string(adopted->events_skipped) +
          " old events skipped, " + std::to_string(adopted->decisions_discarded) + " unfinished decisions discarded";
  if (adopted->reset) text += ", a damaged ring emptied";
  return text;
}

Result<void> Succession::await_handover() {
  std::atomic_ref asked(kernel_->shared().daemon.replaced_by);
  std::int32_t own = kernel_->tgid();
  asked.store(own);
  // The kernel half knows the other by the name it has in the root PID namespace, which may be another one's in ours.
  std::int32_t other = std::atomic_ref(kernel_->shared().daemon_tgid).load();
  if (own == ::getpid() && other > 0) ::kill(other, kLookSoon);
  if (pins_->lock_within(kHandoverPatience)) return {};
  asked.compare_exchange_strong(own, 0);  // should it hand over at this very moment, it takes the kernel half back
  return fail("mus-userland (" + other_ + ") has not handed over within " + std::to_string(kHandoverPatience.count()) + " s",
              "it may be stopped or hang: end it with kill -9 and start mus-userland again; tasks are scheduled meanwhile",
              kExitBusy);
}

Result<void> Succession::settle() {
  if (kind_ == Kind::kLoaded) return kernel_->attach(wish_.pin ? pins_.get() : nullptr);
  adopter_.reset();
  std::atomic_ref(kernel_->shared().daemon.adopted).fetch_add(1);
  return {};
}

bool Succession::hand_over() {
  mus_shared& shared = kernel_->shared();
  std::atomic_ref adopted(shared.daemon.adopted);
  std::uint64_t before = adopted.load();
  // It waits for the lock: as the daemon, it runs as soon as that is free.
  std::atomic_ref(shared.daemon_tgid).store(std::atomic_ref(shared.daemon.replaced_by).load());
  kernel_->release();
  pins_->unlock();
  auto until = steady_clock::now() + kSuccessorPatience;
  while (adopted.load() == before && steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  if (adopted.load() != before || !pins_->lock()) return true;
  kernel_->hold();
  kernel_->sign();
  std::atomic_ref(shared.daemon.replaced_by).store(0);
  std::atomic_ref(shared.resync_wanted).store(1);
  return false;
}

}  // namespace mus
