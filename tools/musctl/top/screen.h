// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <mus/result.h>

#include "musctl/top/controller.h"
#include "musctl/top/view.h"

namespace mus::ctl {

/// The terminal in full-screen mode, from make() to the destructor; also given back when a fault kills musctl.
/// Shape: one at a time.
/// Errors: make(): kExitUsage: not a terminal, or one that curses does not know.
class Screen {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Screen>> make(bool colour);
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen();

  [[nodiscard]] std::size_t width() const;
  [[nodiscard]] std::size_t height() const;
  void resize();  ///< asks the terminal how large it is now
  void show(const std::vector<Line>& lines);

  /// The next key that has been pressed already; nothing if there is none.
  [[nodiscard]] std::optional<KeyPress> key();

 private:
  Screen() = default;
};

}  // namespace mus::ctl
