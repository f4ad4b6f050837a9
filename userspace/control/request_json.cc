// SPDX-License-Identifier: GPL-2.0-only
#include "control/request_json.h"

#include <algorithm>
#include <cstdint>

#include <rapidjson/reader.h>

#include "control/json_lines.h"

namespace mus {
namespace {

constexpr int kDeepest = 4;
constexpr rapidjson::SizeType kMostFields = 256;

using Value = RequestJson::Value;
using Document = RequestJson::Document;
using rapidjson::SizeType;

/// Stands between the reader, which calls itself for each level, and the document: stops what is no object, too deep or too large.
class Strict {
 public:
  Strict(Document& document, std::optional<JsonFault>& fault) : document_(document), fault_(fault) {}

  bool Null() { return within() && document_.Null(); }
  bool Bool(bool value) { return within() && document_.Bool(value); }
  bool Int(int value) { return within() && document_.Int(value); }
  bool Uint(unsigned value) { return within() && document_.Uint(value); }
  bool Int64(std::int64_t value) { return within() && document_.Int64(value); }
  bool Uint64(std::uint64_t value) { return within() && document_.Uint64(value); }
  bool Double(double value) { return within() && document_.Double(value); }
  bool RawNumber(const char*, SizeType, bool) { return false; }  // numbers are parsed
  bool String(const char* text, SizeType size, bool copy) { return within() && document_.String(text, size, copy); }

  bool StartObject() { return deeper(true) && document_.StartObject(); }
  bool EndObject(SizeType members) {
    --depth_;
    return document_.EndObject(members);
  }
  bool StartArray() { return deeper(false) && document_.StartArray(); }
  bool EndArray(SizeType values) {
    --depth_;
    return document_.EndArray(values);
  }
  bool Key(const char* name, SizeType size, bool copy) {
    if (depth_ == 1) field_.assign(name, size);
    return document_.Key(name, size, copy);
  }

  /// The field at the top that we are within.
  [[nodiscard]] const std::string& field() const { return field_; }

 private:
  bool refuse(std::string what) {
    fault_ = JsonFault{.what = std::move(what), .field = excerpt(field_)};
    return false;
  }
  bool within() { return depth_ > 0 || refuse("not a JSON object"); }
  bool deeper(bool object) {
    if (depth_ == 0 && !object) return refuse("not a JSON object");
    return depth_++ < kDeepest || refuse("nested too deeply");
  }

  Document& document_;
  std::optional<JsonFault>& fault_;
  std::string field_;
  int depth_ = 0;
};

std::optional<JsonFault> unfit_fields(const Value& value) {
  if (value.IsArray()) {
    for (const Value& item : value.GetArray())
      if (auto fault = unfit_fields(item)) return fault;
    return std::nullopt;
  }
  if (!value.IsObject()) return std::nullopt;
  auto begin = value.MemberBegin(), end = value.MemberEnd();
  if (value.MemberCount() > kMostFields)  // they are looked for among each other
    return JsonFault{.what = "the object has too many fields", .field = excerpt(text_of((begin + kMostFields)->name))};
  for (auto field = begin; field != end; ++field) {
    if (std::any_of(begin, field, [&](const auto& other) { return other.name == field->name; }))
      return JsonFault{.what = "the field comes twice", .field = excerpt(text_of(field->name))};
    if (auto fault = unfit_fields(field->value)) return fault;
  }
  return std::nullopt;
}

JsonFault fault_of(const rapidjson::ParseResult& result, const Strict& strict) {
  std::string place = ", at byte " + std::to_string(result.Offset() + 1);
  switch (result.Code()) {
    case rapidjson::kParseErrorNumberTooBig:
      return {.what = "the number is too large", .field = excerpt(strict.field()), .out_of_range = true};
    case rapidjson::kParseErrorDocumentRootNotSingular:
      return {.what = "something follows the object" + place};
    default:
      return {.what = "not valid JSON in UTF-8" + place};
  }
}

}  // namespace

RequestJson::RequestJson(std::string_view text) {
  // In place: a string needs no room of its own, and nobody pushes its bytes one by one.
  auto* copy = static_cast<char*>(value_pool_.Malloc(text.size() + 1));
  text.copy(copy, text.size());
  copy[text.size()] = '\0';
  rapidjson::InsituStringStream stream(copy);
  rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, Pool> reader(&stack_pool_, kStackBytes / 2);
  Strict strict(document_, fault_);
  rapidjson::ParseResult result;
  bool ascii = std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) >= 0; });  // and so valid UTF-8
  auto parse = [&](Document&) {
    result = ascii ? reader.Parse<rapidjson::kParseInsituFlag>(stream, strict)
                   : reader.Parse<rapidjson::kParseInsituFlag | rapidjson::kParseValidateEncodingFlag>(stream, strict);
    return !result.IsError();
  };
  document_.Populate(parse);
  if (fault_) return;
  if (result.IsError())
    fault_ = fault_of(result, strict);
  else if (stream.Tell() != text.size())  // a zero byte looks like the end
    fault_ = JsonFault{.what = "something follows the object, at byte " + std::to_string(stream.Tell() + 1)};
  else
    fault_ = unfit_fields(document_);
}

const Value* member(const Value& object, std::string_view name) {
  for (const auto& field : object.GetObject())
    if (text_of(field.name) == name) return &field.value;
  return nullptr;
}

}  // namespace mus
