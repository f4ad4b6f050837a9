// SPDX-License-Identifier: GPL-2.0-only
#include "control/request_json.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <rapidjson/reader.h>

#include "control/json_lines.h"

namespace mus {
namespace {

constexpr std::size_t kLongestCharacter = 4;  // bytes, in UTF-8
constexpr std::size_t kDeepest = 4;
constexpr std::size_t kUsualFields = 8;
constexpr std::size_t kMostFields = 256;  // they are looked for among each other

using rapidjson::SizeType;
using Object = RequestValue::Object;
using Array = RequestValue::Array;

/// Builds the object while the reader walks the text, and stops it at the first thing that is not allowed: the reader calls
/// itself for each level.
class Strict {
 public:
  Strict(Object& root, std::optional<JsonFault>& fault) : root_(root), fault_(fault) {}

  bool Null() { return put(nullptr); }
  bool Bool(bool value) { return put(value); }
  bool Int(int value) { return put(std::int64_t{value}); }
  bool Uint(unsigned value) { return put(std::uint64_t{value}); }
  bool Int64(std::int64_t value) { return put(value); }
  bool Uint64(std::uint64_t value) { return put(value); }
  bool Double(double value) { return put(value); }
  bool RawNumber(const char*, SizeType, bool) { return false; }  // numbers are parsed
  bool String(const char* text, SizeType size, bool) { return put(std::string_view(text, size)); }

  bool StartObject() {
    if (depth_ > 0) return room() && open(std::get<Object>(place(Object{}).value).fields);
    root_.fields.reserve(kUsualFields);
    return open(root_.fields);
  }
  bool StartArray() { return within() && room() && open(std::get<Array>(place(Array{}).value).values); }
  bool EndObject(SizeType) { return close(); }
  bool EndArray(SizeType) { return close(); }

  bool Key(const char* text, SizeType size, bool) {
    name_ = {text, size};
    if (depth_ == 1) field_ = name_;
    const auto& others = *open_[depth_ - 1];
    if (others.size() >= kMostFields) return refuse("the object has too many fields", name_);
    if (std::ranges::find(others, name_, &RequestValue::name) != others.end()) return refuse("the field comes twice", name_);
    return true;
  }

  /// The field at the top that we are within.
  [[nodiscard]] std::string_view field() const { return field_; }

 private:
  bool refuse(std::string what, std::string_view field) {
    fault_ = JsonFault{.what = std::move(what), .field = excerpt(field)};
    return false;
  }
  bool within() { return depth_ > 0 || refuse("not a JSON object", {}); }
  bool room() { return depth_ < kDeepest || refuse("nested too deeply", field_); }

  template <typename T>
  RequestValue& place(T value) {
    return open_[depth_ - 1]->emplace_back(std::exchange(name_, {}), std::move(value));
  }
  template <typename T>
  bool put(T value) {
    if (!within()) return false;
    place(value);
    return true;
  }
  // The address stays: a container that is open is the last element of its parent.
  bool open(std::vector<RequestValue>& values) {
    open_[depth_++] = &values;
    return true;
  }
  bool close() {
    --depth_;
    return true;
  }

  Object& root_;
  std::optional<JsonFault>& fault_;
  std::array<std::vector<RequestValue>*, kDeepest> open_{};
  std::size_t depth_ = 0;
  std::string_view name_;  // of the value that comes next
  std::string_view field_;
};

JsonFault fault_of(const rapidjson::ParseResult& result, std::string_view field) {
  std::string place = ", at byte " + std::to_string(result.Offset() + 1);
  switch (result.Code()) {
    case rapidjson::kParseErrorNumberTooBig:
      return {.what = "the number is too large", .field = excerpt(field), .out_of_range = true};
    case rapidjson::kParseErrorDocumentRootNotSingular:
      return {.what = "something follows the object" + place};
    default:
      return {.what = "not valid JSON in UTF-8" + place};
  }
}

}  // namespace

const RequestValue* Object::find(std::string_view key) const {
  auto it = std::ranges::find(fields, key, &RequestValue::name);
  return it == fields.end() ? nullptr : &*it;
}

// The zeros: one for the end, and a character that is cut off is read as far as its first byte says.
RequestJson::RequestJson(std::string_view text) : text_(std::make_unique_for_overwrite<char[]>(text.size() + kLongestCharacter)) {
  text.copy(text_.get(), text.size());
  std::fill_n(text_.get() + text.size(), kLongestCharacter, '\0');
  rapidjson::InsituStringStream stream(text_.get());
  Strict strict(root_, fault_);
  rapidjson::Reader reader;
  bool ascii = std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) >= 0; });  // and so valid UTF-8
  auto result = ascii ? reader.Parse<rapidjson::kParseInsituFlag>(stream, strict)
                      : reader.Parse<rapidjson::kParseInsituFlag | rapidjson::kParseValidateEncodingFlag>(stream, strict);
  if (fault_) return;
  if (result.IsError())
    fault_ = fault_of(result, strict.field());
  else if (stream.Tell() != text.size())  // a zero byte looks like the end
    fault_ = JsonFault{.what = "something follows the object, at byte " + std::to_string(stream.Tell() + 1)};
}

}  // namespace mus
