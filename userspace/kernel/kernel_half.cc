// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/kernel_half.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "exit_code.h"
#include "kernel/libbpf_log.h"

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

int program_fd(const bpf_object* object, const char* name) {
  bpf_program* program = bpf_object__find_program_by_name(object, name);
  return program ? bpf_program__fd(program) : -1;
}

Error internal(const std::string& what) {
  return {.what = what + " is not in the embedded BPF object", .remedy = "this build is broken: build again"};
}

}  // namespace

void KernelHalf::Close::operator()(bpf_object* o) const { bpf_object__close(o); }
void KernelHalf::Close::operator()(bpf_link* l) const { bpf_link__destroy(l); }

KernelHalf::~KernelHalf() { detach(); }

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
  // Not every libbpf maps data sections by itself when it loads an object without a skeleton.
  half->shared_page_ = Mapping::open(bpf_object__find_map_fd_by_name(half->object_.get(), ".data.shared"), sizeof(mus_shared));
  half->dump_page_ = Mapping::open(bpf_object__find_map_fd_by_name(half->object_.get(), ".data.exit_dump"), MUS_EXIT_DUMP_BYTES);
  half->shared_ = half->shared_page_.as<mus_shared>();
  half->cgroups_fd_ = bpf_object__find_map_fd_by_name(half->object_.get(), "cgroups");
  half->commit_fd_ = program_fd(half->object_.get(), "mus_commit");
  half->resync_fd_ = program_fd(half->object_.get(), "mus_resync");
  half->weight_fd_ = program_fd(half->object_.get(), "mus_set_effective_weight");
  int hello_fd = program_fd(half->object_.get(), "mus_hello");
  if (!half->shared_ || !half->dump_page_ || half->commit_fd_ < 0 || half->resync_fd_ < 0 || half->weight_fd_ < 0 || hello_fd < 0)
    return std::unexpected(internal("a program or its shared page"));
  // In a PID namespace getpid() is not what the kernel half sees: ask it.
  half->shared_->daemon_tgid = half->run(hello_fd, {}).pid;
  return half;
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
  shared->flags = MUS_CONFIG_IDLE_DIRECT |
                  (kernel.cgroup_callbacks ? 0u : static_cast<std::uint32_t>(MUS_CONFIG_DFL_CGROUPS));
  shared->event_mask = settings.event_mask;
  shared->cpu_count = topology.cpu_count;
  shared->shard_count = topology.llc_count;
  shared->low_water = settings.low_water;
  shared->slice_ns = to_ns(settings.slice);
  shared->hold_ns = to_ns(settings.hold);
  shared->stall_ns = to_ns(settings.stall);
  shared->rescue_ns = to_ns(settings.rescue);
  shared->report_ns = to_ns(settings.report);
  shared->batch_ns = to_ns(settings.batch);
  for (std::uint32_t cpu = 0; cpu < topology.cpu_count; ++cpu) {
    shared->cpus[cpu].shard = topology.llc_of[cpu];
    shared->cpus[cpu].online = topology.online[cpu];
    shared->online_count += topology.online[cpu];
  }
  return {};
}

Result<void> KernelHalf::attach() {
  bpf_map* ops = bpf_object__find_map_by_name(object_.get(), kOpsMap);
  link_.reset(bpf_map__attach_struct_ops(ops));
  if (link_) return {};
  if (errno == EBUSY)
    return fail("another sched_ext scheduler was attached this moment", "stop it first", kExitBusy);
  std::string why = shared_->exit.kind ? std::string(shared_->exit.reason) + ": " + shared_->exit.message
                                       : std::string(std::strerror(errno));
  return fail("the kernel did not accept the scheduler: " + why, "run again with -v, and look at dmesg", kExitKernel);
}

void KernelHalf::detach() { link_.reset(); }

int KernelHalf::events_fd() const { return bpf_object__find_map_fd_by_name(object_.get(), "events"); }
int KernelHalf::decisions_fd() const { return bpf_object__find_map_fd_by_name(object_.get(), "decisions"); }

// The kernel writes the context of such a program back to where it came from.
mus_call KernelHalf::run(int program_fd, mus_call call) const {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.ctx_in = &call;
  options.ctx_size_in = sizeof(call);
  if (int error = bpf_prog_test_run_opts(program_fd, &options)) call.result = error;
  return call;
}

Time KernelHalf::commit() { return time_from_ns(run(commit_fd_, {}).now_ns); }

void KernelHalf::resync() {
  for (std::uint32_t shard = 0; shard < shared_->shard_count; ++shard) {
    mus_call call{};
    call.shard = shard;
    run(resync_fd_, call);
  }
}

void KernelHalf::set_effective_weight(CgroupId id, std::uint32_t weight) {
  mus_call call{};
  call.cgroup_id = raw(id);
  call.weight = weight;
  run(weight_fd_, call);
}

std::optional<KernelHalf::Waits> KernelHalf::waits(CgroupId id) const {
  std::uint64_t key = raw(id);
  mus_cgroup cgroup{};
  if (bpf_map_lookup_elem(cgroups_fd_, &key, &cgroup)) return {};
  Waits waits;
  std::ranges::copy(cgroup.waits, waits.begin());
  return waits;
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
