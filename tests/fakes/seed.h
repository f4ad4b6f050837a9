// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <vector>

namespace mus::fakes {

/// Seeds of a random test: `count` fixed ones, so that a run can be repeated; or $MUS_TEST_SEED alone.
/// Use with SCOPED_TRACE, so that a failure names its seed.
[[nodiscard]] std::vector<std::uint64_t> seeds(std::size_t count);

}  // namespace mus::fakes
