// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mus/result.h>

struct btf;
struct btf_type;

namespace mus {

/// The type information of a kernel: what it calls things, and which of them it has.
/// Errors:  absent or unreadable -> kExitKernel with what to install.
class KernelBtf {
 public:
  [[nodiscard]] static Result<KernelBtf> load();                         ///< of the running kernel
  [[nodiscard]] static Result<KernelBtf> load_file(const std::string& path);  ///< raw BTF, for tests and doctor

  /// Value of an enumerator; none: this kernel does not have it.
  [[nodiscard]] std::optional<std::uint64_t> enum_value(std::string_view type, std::string_view name) const;
  /// Name of the enumerator with that value; empty: none.
  [[nodiscard]] std::string enum_name(std::string_view type, std::uint64_t value) const;
  [[nodiscard]] bool has_member(std::string_view type, std::string_view member) const;
  [[nodiscard]] bool has_function(std::string_view name) const;

  /// Whether a kfunc's prototype still ends in the implicit `struct bpf_prog_aux *` with no `_impl` twin that
  /// has it: a fault of some builds, on which no program that calls it loads.
  [[nodiscard]] bool is_broken_kfunc(std::string_view name) const;

 private:
  struct Free {
    void operator()(btf* b) const;
  };
  explicit KernelBtf(btf* b);
  [[nodiscard]] const btf_type* find(std::string_view name, std::uint32_t kind) const;

  std::unique_ptr<btf, Free> btf_;
  std::map<std::pair<std::string_view, std::uint32_t>, std::uint32_t> ids_;  ///< of sched_ext's and BPF's types, by name and kind
};

}  // namespace mus
