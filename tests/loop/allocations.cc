// SPDX-License-Identifier: GPL-2.0-only
#include "allocations.h"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MUS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MUS_SANITIZED 1
#endif
#endif

namespace mus::allocations {
namespace {

std::atomic<std::uint64_t> made = 0;
thread_local bool here = false;

[[maybe_unused]] void note() {
  if (here) made.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

void count_here() { here = true; }
std::uint64_t count() { return made; }

#ifdef MUS_SANITIZED
bool counted() { return false; }
#else
bool counted() { return true; }
#endif

}  // namespace mus::allocations

#ifndef MUS_SANITIZED
// glibc's own, under the names by which a program may replace the others. What is freed is not counted, and stays glibc's.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* old, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

void* malloc(std::size_t bytes) noexcept { return mus::allocations::note(), __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) noexcept { return mus::allocations::note(), __libc_calloc(count, bytes); }
void* realloc(void* old, std::size_t bytes) noexcept { return mus::allocations::note(), __libc_realloc(old, bytes); }
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  return mus::allocations::note(), __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept { return memalign(alignment, bytes); }
int posix_memalign(void** made, std::size_t alignment, std::size_t bytes) noexcept {
  mus::allocations::note();
  *made = __libc_memalign(alignment, bytes);
  return *made ? 0 : ENOMEM;
}
}
#endif
