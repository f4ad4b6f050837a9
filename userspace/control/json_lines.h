// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace mus {

/// Objects keep their fields in the order in which they came or were written, in a vector: a request or an answer has few.
using Json = nlohmann::ordered_json;

/// Cuts what arrives from a socket into lines.
/// Shape:   holds at most `most` bytes; a line that does not fit makes it too_long() for good.
/// Threads: one.
class LineBuffer {
 public:
  explicit LineBuffer(std::size_t most) : most_(most) {}

  /// Bytes that may be added now; 0: take lines first.
  [[nodiscard]] std::size_t room() const { return most_ - (bytes_.size() - begin_); }
  void add(std::string_view bytes);

  /// The next whole line without its end; valid until the next call of anything here.
  [[nodiscard]] std::optional<std::string_view> next();
  [[nodiscard]] bool has_line();
  /// It is full and there is no end of line in it.
  [[nodiscard]] bool too_long() { return room() == 0 && !has_line(); }

 private:
  std::string bytes_;
  std::size_t begin_ = 0;    // what is before it has been taken
  std::size_t scanned_ = 0;  // no end of line between begin_ and here
  std::size_t most_;
};

/// One line, its end included. Invalid UTF-8 (a cgroup's name may be anything) is replaced.
[[nodiscard]] std::string to_line(const Json& json);

/// The members of an object as text, for the answers that are made a thousand times a second: a third of what it costs to
/// build a Json first. No name may come twice. Invalid UTF-8 is replaced.
class Members {
 public:
  Members& add(std::string_view name, std::string_view value);
  Members& add(std::string_view name, std::uint64_t value);
  Members& add_text(std::string_view name, std::string_view json);  ///< a value that is JSON already
  [[nodiscard]] const std::string& text() const { return text_; }  ///< without the braces

 private:
  void begin(std::string_view name);
  std::string text_;
};

/// At most `most` bytes of what a client sent, for a message: cut between characters, "..." after it.
[[nodiscard]] std::string excerpt(std::string_view text, std::size_t most = 64);

}  // namespace mus
