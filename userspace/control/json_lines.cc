// SPDX-License-Identifier: GPL-2.0-only
#include "control/json_lines.h"

#include <algorithm>
#include <vector>

namespace mus {
namespace {

constexpr std::size_t kDeepest = 4;
constexpr std::size_t kUsual = 8;        // fields of a request
constexpr std::size_t kMostFields = 256;
constexpr std::size_t kUsualText = 256;  // bytes of an answer
constexpr int kNumberOverflow = 406;  // nlohmann's id of "number overflow parsing"

/// Builds the value while the parser walks the text, and stops it at the first thing that is not allowed.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON has none
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    key_ = std::move(name);
    if (open_.size() == 1) field_ = key_;
    bool room = open_.back()->size() < kMostFields;  // it is looked for among them
    if (room && !open_.back()->contains(key_)) return true;
    fault = JsonFault{.what = room ? "the field comes twice" : "the object has too many fields", .field = excerpt(key_)};
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

  Json root;
  JsonFault fault;

 private:
  Json* place(Json value) {
    if (open_.back()->is_array()) return &open_.back()->emplace_back(std::move(value));
    // key() has looked for it already; operator[] would once more.
    auto& members = open_.back()->get_ref<Json::object_t&>();
    using Vector = Json::object_t::Container;
    return &static_cast<Vector&>(members).emplace_back(std::move(key_), std::move(value)).second;
  }

  bool put(Json value) {
    if (open_.empty()) return not_an_object();
    place(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (open_.empty()) {
      if (!container.is_object()) return not_an_object();
      root = std::move(container);
      root.get_ref<Json::object_t&>().reserve(kUsual);
      open_.reserve(kDeepest);
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

  std::vector<Json*> open_;
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

std::expected<Json, JsonFault> parse_object(std::string_view text) {
  StrictBuilder builder;
  try {
    if (Json::sax_parse(text.begin(), text.end(), &builder)) return std::move(builder.root);
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
