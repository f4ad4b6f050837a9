// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>
#include <vector>

#include "musctl/top/model.h"

namespace mus::ctl {

enum class Style : std::uint8_t { kPlain, kBold, kDim, kGood, kWarn, kBad, kHeader, kSelected };

struct Span {
  std::string text;
  Style style = Style::kPlain;
};
using Line = std::vector<Span>;

/// What the screen shows beside the model.
struct ViewState {
  std::string kernel;   ///< release; empty while it is not known
  std::string message;  ///< one line about what has just happened
  Style message_style = Style::kPlain;
  std::string prompt;  ///< a question with what has been typed; replaces the line of keys
  bool connected = true;
  bool paused = false;
  bool help = false;
};

/// The screen as lines, none wider than `width`, at most `height` of them. Knows nothing of curses.
/// `first_row` is where the list begins; it is moved so that the selected row is seen.
[[nodiscard]] std::vector<Line> render(const TopModel& model, const ViewState& state, std::size_t width,
                                       std::size_t height, std::size_t& first_row);

/// Mode, policy, kernel, rates: the lines at the top.
[[nodiscard]] std::vector<Line> head_lines(const TopModel& model, const ViewState& state);

/// The columns' titles and all rows, each as wide as it needs to be: for `stats` and `top --once`.
[[nodiscard]] std::vector<std::string> table_lines(const TopModel& model);

/// How the cgroup of a row is named on the screen: indented, with + or - where it can be unfolded or folded.
[[nodiscard]] std::string row_name(const TopModel::Row& row, std::size_t width);

}  // namespace mus::ctl
