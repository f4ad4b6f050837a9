// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace mus::ctl {

// Text for people. Names of cgroups come from whoever may make one: control characters in them are replaced.

/// `text` fit for a terminal: control characters and bytes that are not UTF-8 become '?'.
[[nodiscard]] std::string printable(std::string_view text);

/// Columns that `text` takes in a terminal.
[[nodiscard]] std::size_t columns(std::string_view text);

/// `text` in at most `width` columns; what does not fit is taken from the middle ("/system…service").
[[nodiscard]] std::string shorten(std::string_view text, std::size_t width);

/// What of `text` fits into `width` columns, from its front.
[[nodiscard]] std::string clip(std::string_view text, std::size_t width);

/// Padded with blanks to `width` columns.
[[nodiscard]] std::string pad(std::string_view text, std::size_t width, bool to_the_right = false);

[[nodiscard]] std::string fixed(double value, int decimals);
[[nodiscard]] std::string percent(double fraction);      ///< 0.79 -> "79.0"
[[nodiscard]] std::string grouped(std::uint64_t value);  ///< 1234567 -> "1,234,567"
[[nodiscard]] std::string memory(double kib);            ///< 30211 -> "29.5 MiB"

/// Columns of text, aligned: numbers to the right.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void print(std::ostream& out) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace mus::ctl
