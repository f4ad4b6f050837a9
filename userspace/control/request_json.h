// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <rapidjson/document.h>

namespace mus {

/// Why a text is not a JSON object that a request may be.
struct JsonFault {
  std::string what;
  std::string field;          ///< where, if that is known
  bool out_of_range = false;  ///< valid JSON, but a number that no type holds
};

/// A request's text, parsed. Stricter than JSON: one object, a field may not come twice, no object has more than 256,
/// nothing is nested deeper than four, strings are valid UTF-8, nothing follows the object.
/// Requests come a thousand times a second: RapidJSON parses into the buffers here in a third of the instructions that nlohmann's
/// library, which writes the answers, needs.
/// Threads: one.
/// Cost:    linear, but for the search for fields that come twice; allocates for what has more than some 40 values.
class RequestJson {
 public:
  using Pool = rapidjson::MemoryPoolAllocator<>;
  using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool, Pool>;
  using Value = Document::ValueType;

  explicit RequestJson(std::string_view text);
  RequestJson(const RequestJson&) = delete;
  RequestJson& operator=(const RequestJson&) = delete;

  /// None: it is an object.
  [[nodiscard]] const std::optional<JsonFault>& fault() const { return fault_; }
  /// While there is no fault.
  [[nodiscard]] const Value& object() const { return document_; }

 private:
  static constexpr std::size_t kStackBytes = 1024;

  std::array<char, 2048> values_;
  std::array<char, 2 * kStackBytes> stack_;
  Pool value_pool_{values_.data(), values_.size()};
  Pool stack_pool_{stack_.data(), stack_.size()};
  Document document_{&value_pool_, kStackBytes / 2, &stack_pool_};
  std::optional<JsonFault> fault_;
};

[[nodiscard]] inline std::string_view text_of(const RequestJson::Value& string) {
  return {string.GetString(), string.GetStringLength()};
}
/// Null: `object` has no such field.
[[nodiscard]] const RequestJson::Value* member(const RequestJson::Value& object, std::string_view name);

}  // namespace mus
