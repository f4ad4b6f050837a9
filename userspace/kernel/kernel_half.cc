// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/kernel_half.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <thread>

#include "exit_code.h"
#include "kernel/libbpf_log.h"
#include "kernel/pinned.h"
#include "version.h"

extern "C" {
[[gnu::visibility("hidden")]] extern const unsigned char mus_bpf_object_start[];
[[gnu::visibility("hidden")]] extern const unsigned char mus_bpf_object_end[];
}

namespace mus {
namespace {

constexpr const char* kOpsMap = "mus_ops";

/// A member of the operations table in the object, found by the object's own BTF: the table's layout is
/// the program's, not the kernel's and not this file's.
template <typename T>
T* ops_member(bpf_object* object, std::string_view member) {
  const btf* types = bpf_object__btf(object);
  bpf_map* map = bpf_object__find_map_by_name(object, kOpsMap);
  std::size_t bytes = 0;
  auto* table = static_cast<char*>(map ? bpf_map__initial_value(map, &bytes) : nullptr);
  int id = btf__find_by_name_kind(types, "sched_ext_ops", BTF_KIND_STRUCT);
  if (!table || id < 0) return nullptr;
  const btf_type* type = btf__type_by_id(types, static_cast<std::uint32_t>(id));
  for (const btf_member& m : std::span(btf_members(type), btf_vlen(type)))
    if (btf__name_by_offset(types, m.name_off) == member && m.offset / 8 + sizeof(T) <= bytes)
      return reinterpret_cast<T*>(table + m.offset / 8);
  return nullptr;
}

/// What a data section of the object starts with: before it is loaded.
template <typename T>
T* initial_data(bpf_object* object, const char* name) {
  bpf_map* map = bpf_object__find_map_by_name(object, name);
  std::size_t bytes = 0;
  void* data = map ? bpf_map__initial_value(map, &bytes) : nullptr;
  return data && bytes >= sizeof(T) ? static_cast<T*>(data) : nullptr;
}

Fd copy(int fd) { return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

Fd part_of(const bpf_object* object, const Part& part) {
  if (!part.program) return copy(bpf_object__find_map_fd_by_name(object, part.name));
  bpf_program* program = bpf_object__find_program_by_name(object, part.name);
  return copy(program ? bpf_program__fd(program) : -1);
}

MapShape shape_of(const Fd& map) {
  bpf_map_info info{};
  __u32 bytes = sizeof(info);
  if (bpf_map_get_info_by_fd(map.get(), &info, &bytes)) return {};
  return {.type = info.type, .key_bytes = info.key_size, .value_bytes = info.value_size, .entries = info.max_entries};
}

/// What the read-only data of a pinned object says that it is; zeros if that cannot be read.
mus_abi_info abi_of(const Fd& map) {
  mus_abi_info abi{};
  std::vector<std::byte> value(shape_of(map).value_bytes);
  std::uint32_t key = 0;
  if (value.size() >= sizeof(abi) && bpf_map_lookup_elem(map.get(), &key, value.data()) == 0)
    std::memcpy(&abi, value.data(), sizeof(abi));
  return abi;
}

std::uint32_t config_flags(const KernelInfo& kernel, const KernelSettings& settings) {
  std::uint32_t flags = MUS_CONFIG_IDLE_DIRECT;
  if (!kernel.cgroup_callbacks) flags |= MUS_CONFIG_DFL_CGROUPS;
  if (settings.partial) flags |= MUS_CONFIG_PARTIAL;
  return flags;
}

void write_settings(mus_shared& shared, const KernelSettings& settings) {
  shared.event_mask = settings.event_mask;
  shared.low_water = settings.low_water;
  shared.slice_ns = to_ns(settings.slice);
  shared.hold_ns = to_ns(settings.hold);
  shared.stall_ns = to_ns(settings.stall);
  shared.rescue_ns = to_ns(settings.rescue);
  shared.report_ns = to_ns(settings.report);
  shared.batch_ns = to_ns(settings.batch);
  shared.orphan_ns = to_ns(settings.orphan);
}

Error internal(const std::string& what) {
  return {.what = what + " is not in the embedded BPF object", .remedy = "this build is broken: build again"};
}

}  // namespace

void KernelHalf::Close::operator()(bpf_object* o) const { bpf_object__close(o); }

KernelHalf::~KernelHalf() {
  if (held_) detach();
}

// Not every libbpf maps data sections by itself when it loads an object without a skeleton.
bool KernelHalf::map() {
  shared_page_ = Mapping::open(fds_.shared.get(), sizeof(mus_shared));
  dump_page_ = Mapping::open(fds_.exit_dump.get(), MUS_EXIT_DUMP_BYTES);
  shared_ = shared_page_.as<mus_shared>();
  if (!shared_ || !dump_page_) return false;
  tgid_ = run(fds_.hello.get(), {}).pid;
  return true;
}

Result<std::unique_ptr<KernelHalf>> KernelHalf::load(const KernelInfo& kernel, const KernelSettings& settings) {
  std::unique_ptr<KernelHalf> half(new KernelHalf);
  bpf_object_open_opts options{};
  options.sz = sizeof(options);
  options.object_name = "mus";
  auto size = static_cast<std::size_t>(mus_bpf_object_end - mus_bpf_object_start);
  half->object_.reset(bpf_object__open_mem(mus_bpf_object_start, size, &options));
  if (!half->object_) return fail("the embedded BPF object cannot be read", libbpf_log::last_lines(), kExitInternal);

  if (auto done = half->configure(kernel, settings); !done) return std::unexpected(done.error());
  if (int error = bpf_object__load(half->object_.get())) {
    std::string why = error == -EPERM ? "not permitted (is the kernel locked down, or a container's seccomp in the way?)"
                                      : libbpf_log::last_lines();
    return fail("the kernel (" + kernel.release + ") refused the BPF program: " + why,
                "run again with -v for all that the verifier says", kExitKernel);
  }
  for (const Part& part : kParts) {
    half->fds_.*part.fd = part_of(half->object_.get(), part);
    if (!(half->fds_.*part.fd)) return std::unexpected(internal(part.name));
  }
  if (!half->map()) return std::unexpected(internal("a shared page"));
  half->sign();
  half->hold();
  return half;
}

Result<std::unique_ptr<KernelHalf>> KernelHalf::open(const Pins& pins, std::string& daemon) {
  std::unique_ptr<KernelHalf> half(new KernelHalf);
  KernelFds& fds = half->fds_;
  for (const Part& part : kParts) fds.*part.fd = pins.get(part.pin);
  if (fds.abi)  // first of all: that of another version has other parts
    if (auto good = check_version(abi_of(fds.abi)); !good) return std::unexpected(good.error());
  for (const Part& part : kParts)
    if (!(fds.*part.fd)) return fail(std::string("it has no ") + part.pin, {}, kExitBusy);
  fds.link = pins.get("link");
  if (!fds.link) return fail("it has no link", {}, kExitBusy);
  PinnedFacts facts{.abi = abi_of(fds.abi),
                    .events = shape_of(fds.events),
                    .decisions = shape_of(fds.decisions),
                    .cgroups = shape_of(fds.cgroups),
                    .shared = shape_of(fds.shared),
                    .exit_dump = shape_of(fds.exit_dump)};
  if (auto good = check_pinned(facts); !good) return std::unexpected(good.error());
  if (!half->map()) return fail("its memory cannot be mapped", {}, kExitBusy);
  daemon = daemon_text(*half->shared_);
  if (auto good = check_page(*half->shared_); !good) return std::unexpected(good.error());
  half->pins_ = &pins;
  half->pinned_ = true;
  return half;
}

Result<void> KernelHalf::check(const KernelInfo& kernel, const KernelSettings& settings) const {
  return check_flags(*shared_, config_flags(kernel, settings));
}

Result<void> KernelHalf::configure(const KernelInfo& kernel, const KernelSettings& settings) {
  auto* info = initial_data<mus_abi_info>(object_.get(), ".rodata");
  auto* shared = initial_data<mus_shared>(object_.get(), ".data.shared");
  auto* flags = ops_member<std::uint64_t>(object_.get(), "flags");
  auto* dump = ops_member<std::uint32_t>(object_.get(), "exit_dump_len");
  if (!info || !shared || !flags || !dump) return std::unexpected(internal("its data or its operations table"));
  if (info->magic != MUS_ABI_MAGIC || info->version != MUS_ABI_VERSION || info->event_bytes != sizeof(mus_event) ||
      info->decision_bytes != sizeof(mus_decision) || info->shared_bytes != sizeof(mus_shared))
    return std::unexpected(internal("the expected ABI version"));

  auto flag = [&](const char* name) { return kernel.btf.enum_value("scx_ops_flags", name).value_or(0); };
  *flags = (kernel.queued_wakeup ? flag("SCX_OPS_ALLOW_QUEUED_WAKEUP") : 0) |
           flag("SCX_OPS_ENQ_EXITING") | flag("SCX_OPS_ENQ_MIGRATION_DISABLED") | (settings.partial ? flag("SCX_OPS_SWITCH_PARTIAL") : 0);
  *dump = std::min(settings.exit_dump_bytes, MUS_EXIT_DUMP_BYTES);
  if (!kernel.cgroup_callbacks) {
    for (const char* name : {"cgroup_init", "cgroup_exit", "cgroup_move", "cgroup_set_weight"}) {
      if (auto** program = ops_member<bpf_program*>(object_.get(), name); program && *program) {
        bpf_program__set_autoload(*program, false);
        *program = nullptr;
      }
    }
  }

  Topology topology = read_topology();
  if (topology.cpu_count > MUS_MAX_CPUS)
    return fail("this machine has more than " + std::to_string(MUS_MAX_CPUS) + " CPUs", "raise MUS_MAX_CPUS and build again",
                kExitKernel);
  shared->flags = config_flags(kernel, settings);
  shared->cpu_count = topology.cpu_count;
  shared->shard_count = topology.llc_count;
  write_settings(*shared, settings);
  for (std::uint32_t cpu = 0; cpu < topology.cpu_count; ++cpu) {
    shared->cpus[cpu].shard = topology.llc_of[cpu];
    shared->cpus[cpu].online = topology.online[cpu];
    shared->online_count += topology.online[cpu];
  }
  return {};
}

// The link is pinned last: without it the other pins mean nothing, and the next daemon removes them.
Result<void> KernelHalf::attach(const Pins* pins) {
  pins_ = pins;
  for (const Part& part : kParts) {
    if (!pins) break;
    if (auto put = pins->put(part.pin, fds_.*part.fd); !put) return put;
  }
  bpf_link* link = bpf_map__attach_struct_ops(bpf_object__find_map_by_name(object_.get(), kOpsMap));
  if (link) {
    fds_.link = copy(bpf_link__fd(link));
    bpf_link__destroy(link);  // its own descriptor: ours keeps it attached
    object_.reset();
    if (!pins) return {};
    pinned_ = true;
    return pins->put("link", fds_.link);
  }
  if (errno == EBUSY)
    return fail("another sched_ext scheduler was attached this moment", "stop it first", kExitBusy);
  std::string why = shared_->exit.kind ? std::string(shared_->exit.reason) + ": " + shared_->exit.message
                                       : std::string(std::strerror(errno));
  return fail("the kernel did not accept the scheduler: " + why, "run again with -v, and look at dmesg", kExitKernel);
}

void KernelHalf::detach() {
  if (pins_) pins_->clear();
  if (!fds_.link) return;
  bpf_link_detach(fds_.link.get());  // others may hold the link; a kernel that cannot do this ends it with the last
  fds_.link = Fd();
}

void KernelHalf::sign() {
  constexpr std::string_view version = MUS_VERSION_STRING;
  mus_daemon& daemon = shared_->daemon;
  std::ranges::fill(daemon.version, '\0');
  std::ranges::copy(version.substr(0, sizeof(daemon.version) - 1), daemon.version);
  std::atomic_ref(shared_->daemon_tgid).store(tgid_);
  std::atomic_ref(daemon.looks).fetch_add(1);  // the kernel half need not give up while we prepare
}

void KernelHalf::unpin(const Pins& pins) {
  pins.clear();
  pins_ = nullptr;
  pinned_ = false;
}

void KernelHalf::apply(const KernelSettings& settings) { write_settings(*shared_, settings); }

// The kernel writes the context of such a program back to where it came from.
mus_call KernelHalf::run(int program_fd, mus_call call) const {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.ctx_in = &call;
  options.ctx_size_in = sizeof(call);
  if (int error = bpf_prog_test_run_opts(program_fd, &options)) call.result = error;
  return call;
}

Time KernelHalf::commit() { return time_from_ns(run(fds_.commit.get(), {}).now_ns); }

bool KernelHalf::commit_all() {
  for (int tries = 0; tries < 1000; ++tries) {
    int result = run(fds_.commit.get(), {}).result;
    if (result != -EBUSY) return result >= 0;  // else a CPU is at it: it may have begun before our last record
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return false;
}

void KernelHalf::resync() {
  for (std::uint32_t shard = 0; shard < shared_->shard_count; ++shard) {
    mus_call call{};
    call.shard = shard;
    run(fds_.resync.get(), call);
  }
}

bool KernelHalf::has_task(Pid pid) { return run(fds_.find_task.get(), {.pid = raw(pid)}).result != -ESRCH; }

std::optional<KernelFacts::CgroupFacts> KernelHalf::cgroup(CgroupId id) {
  std::uint64_t key = raw(id);
  mus_cgroup known{};
  if (bpf_map_lookup_elem(fds_.cgroups.get(), &key, &known)) return {};
  bool weighed = !(shared_->flags & MUS_CONFIG_DFL_CGROUPS);
  return CgroupFacts{.parent = CgroupId{known.parent_id}, .weight = weighed ? known.weight : 0};
}

void KernelHalf::set_effective_weight(CgroupId id, std::uint32_t weight) {
  mus_call call{};
  call.cgroup_id = raw(id);
  call.weight = weight;
  run(fds_.set_weight.get(), call);
}

std::optional<KernelHalf::Waits> KernelHalf::waits(CgroupId id) const {
  std::uint64_t key = raw(id);
  mus_cgroup cgroup{};
  if (bpf_map_lookup_elem(fds_.cgroups.get(), &key, &cgroup)) return {};
  Waits waits;
  std::ranges::copy(cgroup.waits, waits.begin());
  return waits;
}

std::vector<KernelHalf::KnownCgroup> KernelHalf::cgroups() const {
  constexpr std::uint32_t kAtOnce = 1024;
  std::vector<KnownCgroup> known;
  std::vector<std::uint64_t> ids(kAtOnce);
  std::vector<mus_cgroup> values(kAtOnce);
  std::uint64_t at = 0, next = 0;  // where the kernel goes on
  for (bool first = true, more = true; more; first = false, at = next) {
    std::uint32_t count = kAtOnce;
    more = bpf_map_lookup_batch(fds_.cgroups.get(), first ? nullptr : &at, &next, ids.data(), values.data(), &count,
                                nullptr) == 0;
    if (!more && errno != ENOENT) break;  // ENOENT: these are the last
    for (std::uint32_t i = 0; i < std::min(count, kAtOnce); ++i) known.push_back({CgroupId{ids[i]}, values[i]});
  }
  return known;
}

std::vector<KernelHalf::ProgramSize> KernelHalf::program_sizes() const {
  std::vector<ProgramSize> sizes;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_.get()) {
    bpf_prog_info info{};
    __u32 bytes = sizeof(info);
    if (bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &bytes)) continue;
    sizes.push_back({bpf_program__name(program), info.xlated_prog_len / 8, info.verified_insns});
  }
  return sizes;
}

std::string KernelHalf::exit_dump() const {
  return {dump_page_.as<char>(), std::min(shared_->exit.dump_bytes, MUS_EXIT_DUMP_BYTES)};
}

}  // namespace mus
