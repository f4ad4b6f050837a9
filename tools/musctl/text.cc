// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cwchar>

namespace mus::ctl {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

/// The first character of `text`, which is not empty.
Character decode(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1, true};
  std::size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length) return {};
  char32_t code = byte(0) & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<char32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, length, true};
}

bool is_control(char32_t code) {
  // C0, DEL, C1, and what turns the direction of text around.
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
         (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

std::size_t width_of(const Character& c) {
  if (!c.valid) return 1;
  // In a locale without UTF-8, wcwidth() knows nothing beyond ASCII.
  int width = c.code < 0x80 ? 1 : ::wcwidth(static_cast<wchar_t>(c.code));
  return width < 0 ? 1 : static_cast<std::size_t>(width);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    Character c = decode(text);
    if (!c.valid || is_control(c.code))
      out += '?';
    else
      out += text.substr(0, c.bytes);
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::size_t columns(std::string_view text) {
  std::size_t width = 0;
  for (; !text.empty(); text.remove_prefix(decode(text).bytes))
    width += width_of(decode(text));
  return width;
}

std::string shorten(std::string_view text, std::size_t width) {
  if (columns(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::vector<std::pair<std::string_view, std::size_t>> characters;
  for (; !text.empty(); text.remove_prefix(characters.back().first.size())) {
    Character c = decode(text);
    characters.emplace_back(text.substr(0, c.bytes), width_of(c));
  }
  // The end says most about a path: of what is left it gets the larger half.
  std::size_t room = width - 1, front = room / 2, back = room - front;
  std::string head, tail;
  for (const auto& [bytes, wide] : characters) {
    if (wide > front) break;
    head += bytes;
    front -= wide;
  }
  for (std::size_t i = characters.size(); i-- > 0;) {
    if (characters[i].second > back) break;
    tail.insert(0, characters[i].first);
    back -= characters[i].second;
  }
  return head + "~" + tail;
}

std::string clip(std::string_view text, std::size_t width) {
  std::string out;
  while (!text.empty()) {
    Character c = decode(text);
    if (width_of(c) > width) break;
    width -= width_of(c);
    out += text.substr(0, c.bytes);
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::string pad(std::string_view text, std::size_t width, bool to_the_right) {
  std::size_t taken = columns(text);
  std::string blanks(width > taken ? width - taken : 0, ' ');
  return to_the_right ? blanks + std::string(text) : std::string(text) + blanks;
}

std::string fixed(double value, int decimals) {
  std::array<char, 400> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  // "-0.0" says nothing that "0.0" does not.
  if (buffer[0] == '-' && std::string_view(buffer.data()).find_first_not_of("-0.") == std::string_view::npos)
    return buffer.data() + 1;
  return buffer.data();
}

std::string percent(double fraction) {
  return fixed(fraction * 100, 1);
}

std::string grouped(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3;)
    text.insert(at -= 3, ",");
  return text;
}

std::string memory(double kib) {
  if (kib < 1024) return fixed(kib, 0) + " KiB";
  if (kib < 1024 * 1024) return fixed(kib / 1024, 1) + " MiB";
  return fixed(kib / 1024 / 1024, 1) + " GiB";
}

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_)
    widths.push_back(ctl::columns(column.title));
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], ctl::columns(row[i]));
  auto line = [&](auto&& cell_of) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i)
      text += (i ? "  " : "") + pad(cell_of(i), widths[i], columns_[i].align == Align::kRight);
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  };
  line([&](std::size_t i) { return columns_[i].title; });
  for (const auto& row : rows_)
    line([&](std::size_t i) { return i < row.size() ? row[i] : std::string(); });
}

}  // namespace mus::ctl
