// SPDX-License-Identifier: GPL-2.0-only
#include "control/json_lines.h"

#include <algorithm>

namespace mus {
namespace {

constexpr std::size_t kUsualText = 256;  // bytes of an answer

}  // namespace

void LineBuffer::add(std::string_view bytes) {
  if (begin_ == bytes_.size()) {
    bytes_.clear();
    begin_ = scanned_ = 0;
  } else if (begin_ > most_ / 2) {
    bytes_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
  }
  bytes_.append(bytes.substr(0, room()));
}

bool LineBuffer::has_line() {
  auto end = bytes_.find('\n', scanned_);
  scanned_ = end == std::string::npos ? bytes_.size() : end;
  return end != std::string::npos;
}

std::optional<std::string_view> LineBuffer::next() {
  if (!has_line()) {
    if (begin_ == bytes_.size() && bytes_.capacity() > 4096) {  // an idle client costs nothing
      bytes_ = {};
      begin_ = scanned_ = 0;
    }
    return std::nullopt;
  }
  std::string_view line = std::string_view(bytes_).substr(begin_, scanned_ - begin_);
  begin_ = ++scanned_;
  return line;
}

std::string to_line(const Json& json) {
  std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  line += '\n';
  return line;
}

namespace {

// As it is between quotation marks: what nearly every name is.
bool plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

}  // namespace

void Members::begin(std::string_view name) {
  if (text_.empty())
    text_.reserve(kUsualText);
  else
    text_ += ',';
  text_.append(1, '"').append(name).append("\":");
}

Members& Members::add(std::string_view name, std::string_view value) {
  if (!plain(value)) return add_text(name, Json(value).dump(-1, ' ', false, Json::error_handler_t::replace));
  begin(name);
  text_.append(1, '"').append(value).append(1, '"');
  return *this;
}

Members& Members::add(std::string_view name, std::uint64_t value) { return add_text(name, std::to_string(value)); }

Members& Members::add_text(std::string_view name, std::string_view json) {
  begin(name);
  text_ += json;
  return *this;
}

std::string excerpt(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  while (most && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80)
    --most;
  return std::string(text.substr(0, most)) + "...";
}

}  // namespace mus
