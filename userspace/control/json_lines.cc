// SPDX-License-Identifier: GPL-2.0-only
#include "control/json_lines.h"

#include <algorithm>
#include <vector>

namespace mus {
namespace {

constexpr std::size_t kDeepest = 4;
constexpr int kNumberOverflow = 406;  // nlohmann's id of "number overflow parsing"

/// Builds the value while the parser walks the text, and stops it at the first thing that is not allowed.
class StrictBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON has none
  bool start_object(std::size_t) override { return open(nlohmann::json::object()); }
  bool start_array(std::size_t) override { return open(nlohmann::json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    key_ = std::move(name);
    if (open_.size() == 1) field_ = key_;
    if (!open_.back()->contains(key_)) return true;
    fault = JsonFault{.what = "the field comes twice", .field = excerpt(key_)};
    return false;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    if (error.id == kNumberOverflow) {
      fault = JsonFault{.what = "the number is too large", .field = excerpt(field_), .out_of_range = true};
    } else if (open_.empty() && !root.is_null()) {
      fault = JsonFault{.what = "something follows the object, at byte " + std::to_string(position)};
    } else {
      fault = JsonFault{.what = "not valid JSON in UTF-8, at byte " + std::to_string(position)};
    }
    return false;
  }

  nlohmann::json root;
  JsonFault fault;

 private:
  nlohmann::json* place(nlohmann::json value) {
    if (open_.back()->is_array()) return &open_.back()->emplace_back(std::move(value));
    return &((*open_.back())[key_] = std::move(value));
  }

  bool put(nlohmann::json value) {
    if (open_.empty()) return not_an_object();
    place(std::move(value));
    return true;
  }

  bool open(nlohmann::json container) {
    if (open_.empty()) {
      if (!container.is_object()) return not_an_object();
      root = std::move(container);
      open_.push_back(&root);
      return true;
    }
    if (open_.size() >= kDeepest) {
      fault = JsonFault{.what = "nested too deeply", .field = excerpt(field_)};
      return false;
    }
    // The address stays: a container that is open is the last element of its parent.
    open_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  bool not_an_object() {
    fault = JsonFault{.what = "not a JSON object"};
    return false;
  }

  std::vector<nlohmann::json*> open_;
  std::string key_;    // of the value that comes next
  std::string field_;  // the key at the top that we are within
};

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

std::expected<nlohmann::json, JsonFault> parse_object(std::string_view text) {
  StrictBuilder builder;
  try {
    if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return std::move(builder.root);
  } catch (
      const nlohmann::json::exception&) {  // none is known to come here; a client must not find the first
    builder.fault = JsonFault{.what = "not valid JSON"};
  }
  if (builder.fault.what.empty()) builder.fault.what = "not valid JSON";
  return std::unexpected(std::move(builder.fault));
}

std::string to_line(const Json& json) {
  std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  line += '\n';
  return line;
}

std::string excerpt(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  while (most && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80)
    --most;
  return std::string(text.substr(0, most)) + "...";
}

}  // namespace mus
