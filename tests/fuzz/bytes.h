// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <source_location>

namespace mus::fuzz {

/// Ends the run, as libFuzzer wants it, if what must hold does not.
inline void require(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: what is required does not hold\n", where.file_name(), where.line());
  std::abort();
}

/// What libFuzzer gives, from front to back; when it is used up, zeros.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  void take(void* to, std::size_t bytes) {
    bytes = std::min(bytes, size_);
    if (bytes) std::memcpy(to, data_, bytes);
    data_ += bytes, size_ -= bytes;
  }
  /// What is left of `value` when the bytes end stays.
  template <typename T>
  void fill(T& value) {
    take(&value, sizeof(value));
  }
  template <typename T>
  [[nodiscard]] T next() {
    T value{};
    fill(value);
    return value;
  }
  [[nodiscard]] unsigned below(unsigned n) { return next<std::uint8_t>() % n; }
  /// A small number mostly, else one from anywhere in its type: what is in range and what is not are both met.
  template <typename T>
  [[nodiscard]] T number(unsigned usual) {
    auto byte = next<std::uint8_t>();
    return byte < 0xf0 ? static_cast<T>(byte % usual) : next<T>();
  }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const char* text() const { return reinterpret_cast<const char*>(data_); }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

}  // namespace mus::fuzz
