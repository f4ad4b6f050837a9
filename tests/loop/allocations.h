// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>

/// Counts what a thread takes from the heap. This program has a malloc of its own for that, which C++'s `new` goes through too.
namespace mus::allocations {

/// False: a sanitizer has the heap, and nothing is counted.
[[nodiscard]] bool counted();
/// From here on those of this thread count.
void count_here();
/// How many there were, of all threads that count.
[[nodiscard]] std::uint64_t count();

}  // namespace mus::allocations
