// SPDX-License-Identifier: GPL-2.0-only
#include "seed.h"

#include <cstdlib>
#include <string>

namespace mus::fakes {

std::vector<std::uint64_t> seeds(std::size_t count) {
  if (const char* given = std::getenv("MUS_TEST_SEED")) return {std::stoull(given)};
  std::vector<std::uint64_t> made;
  for (std::size_t i = 1; i <= count; ++i) made.push_back(i * 0x9e3779b97f4a7c15u);
  return made;
}

}  // namespace mus::fakes
