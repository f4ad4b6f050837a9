// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/kernel_btf.h"

#include <bpf/btf.h>

#include "exit_code.h"

namespace mus {
namespace {

/// Calls f(name, value) for each enumerator until it returns true.
template <typename F>
void for_each_enumerator(const btf* b, const btf_type* t, const btf_type* t32, F&& f) {
  if (t) {
    const struct btf_enum64* e = btf_enum64(t);
    for (std::uint16_t i = 0; i < btf_vlen(t); ++i)
      if (f(btf__name_by_offset(b, e[i].name_off), std::uint64_t{btf_enum64_value(&e[i])})) return;
  } else if (t32) {
    const struct btf_enum* e = btf_enum(t32);
    for (std::uint16_t i = 0; i < btf_vlen(t32); ++i)
      if (f(btf__name_by_offset(b, e[i].name_off), static_cast<std::uint64_t>(e[i].val))) return;
  }
}

const btf_type* skip_modifiers(const btf* b, std::uint32_t id) {
  const btf_type* t = btf__type_by_id(b, id);
  while (t && (btf_is_mod(t) || btf_is_typedef(t))) t = btf__type_by_id(b, t->type);
  return t;
}

}  // namespace

// Kernels have some 150,000 types: they are gone through once, and what may be asked for is noted.
KernelBtf::KernelBtf(btf* b) : btf_(b) {
  for (std::uint32_t id = 1; id < btf__type_cnt(b); ++id) {
    const btf_type* t = btf__type_by_id(b, id);
    std::string_view name = btf__name_by_offset(b, t->name_off);
    if (name.starts_with("scx_") || name.starts_with("bpf_") || name == "sched_ext_ops")
      ids_.try_emplace({name, btf_kind(t)}, id);
  }
}

const btf_type* KernelBtf::find(std::string_view name, std::uint32_t kind) const {
  auto it = ids_.find({name, kind});
  return it == ids_.end() ? nullptr : btf__type_by_id(btf_.get(), it->second);
}

void KernelBtf::Free::operator()(btf* b) const { btf__free(b); }

Result<KernelBtf> KernelBtf::load() {
  btf* b = btf__load_vmlinux_btf();
  if (!b)
    return fail("this kernel has no type information (/sys/kernel/btf/vmlinux)",
                "install a kernel built with CONFIG_DEBUG_INFO_BTF, such as Debian's linux-image-6.18", kExitKernel);
  return KernelBtf(b);
}

Result<KernelBtf> KernelBtf::load_file(const std::string& path) {
  btf* b = btf__parse(path.c_str(), nullptr);
  if (!b) return fail(path + ": not BTF", "give the raw BTF of a kernel", kExitKernel);
  return KernelBtf(b);
}

std::optional<std::uint64_t> KernelBtf::enum_value(std::string_view type, std::string_view name) const {
  std::optional<std::uint64_t> found;
  for_each_enumerator(btf_.get(), find(type, BTF_KIND_ENUM64), find(type, BTF_KIND_ENUM), [&](std::string_view n, std::uint64_t value) {
    if (n == name) found = value;
    return found.has_value();
  });
  return found;
}

std::string KernelBtf::enum_name(std::string_view type, std::uint64_t value) const {
  std::string found;
  for_each_enumerator(btf_.get(), find(type, BTF_KIND_ENUM64), find(type, BTF_KIND_ENUM), [&](std::string_view n, std::uint64_t v) {
    if (v == value) found = n;
    return !found.empty();
  });
  return found;
}

bool KernelBtf::has_member(std::string_view type, std::string_view member) const {
  const btf_type* t = find(type, BTF_KIND_STRUCT);
  if (!t) return false;
  const btf_member* m = btf_members(t);
  for (std::uint16_t i = 0; i < btf_vlen(t); ++i)
    if (btf__name_by_offset(btf_.get(), m[i].name_off) == member) return true;
  return false;
}

bool KernelBtf::has_function(std::string_view name) const { return find(name, BTF_KIND_FUNC) != nullptr; }

bool KernelBtf::is_broken_kfunc(std::string_view name) const {
  const btf_type* func = find(name, BTF_KIND_FUNC);
  if (!func || has_function(std::string(name) + "_impl")) return false;
  const btf_type* proto = btf__type_by_id(btf_.get(), func->type);
  if (!proto || !btf_is_func_proto(proto) || btf_vlen(proto) == 0) return false;
  const btf_param& last = btf_params(proto)[btf_vlen(proto) - 1];
  const btf_type* type = skip_modifiers(btf_.get(), last.type);
  if (!type || !btf_is_ptr(type)) return false;
  const btf_type* pointee = skip_modifiers(btf_.get(), type->type);
  return pointee && std::string_view(btf__name_by_offset(btf_.get(), pointee->name_off)) == "bpf_prog_aux";
}

}  // namespace mus
