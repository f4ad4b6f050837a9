// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace mus {

/// Levenshtein distance, in bytes.
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({change, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

/// Of `names`, the one that `wrong` was probably meant to be; empty: none is near.
/// A header alone, so that the daemon and musctl share it without sharing a library.
[[nodiscard]] inline std::string_view nearest_name(std::string_view wrong,
                                                   std::span<const std::string_view> names) {
  auto distance = [&](std::string_view name) { return edit_distance(wrong, name); };
  auto near = std::ranges::min_element(names, {}, distance);
  if (near == names.end() || distance(*near) > std::max<std::size_t>(2, near->size() / 2)) return {};
  return *near;
}

}  // namespace mus
