// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

namespace mus {

/// Owns a shared memory mapping of a BPF map.
class Mapping {
 public:
  Mapping() = default;
  /// Empty when `fd` cannot be mapped.
  [[nodiscard]] static Mapping open(int fd, std::size_t bytes, off_t from = 0, bool writable = true) {
    void* at = ::mmap(nullptr, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, from);
    return at == MAP_FAILED ? Mapping() : Mapping(at, bytes);
  }
  Mapping(Mapping&& other) noexcept : at_(std::exchange(other.at_, nullptr)), bytes_(other.bytes_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(at_, other.at_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping() {
    if (at_) ::munmap(at_, bytes_);
  }
  [[nodiscard]] explicit operator bool() const { return at_ != nullptr; }
  template <typename T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(at_);
  }

 private:
  Mapping(void* at, std::size_t bytes) : at_(at), bytes_(bytes) {}
  void* at_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace mus
