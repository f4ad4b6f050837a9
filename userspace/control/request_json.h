// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace mus {

/// Why a text is not a JSON object that a request may be.
struct JsonFault {
  std::string what;
  std::string field;          ///< where, if that is known
  bool out_of_range = false;  ///< valid JSON, but a number that no type holds
};

/// A value of a request; a field of an object has a name. Whole numbers that are not negative are unsigned.
struct RequestValue {
  struct Object {
    std::vector<RequestValue> fields;
    /// Null: there is no such field.
    [[nodiscard]] const RequestValue* find(std::string_view key) const;
  };
  struct Array {
    std::vector<RequestValue> values;
  };

  std::string_view name;
  std::variant<std::nullptr_t, bool, std::uint64_t, std::int64_t, double, std::string_view, Object, Array> value;

  /// Null: it is something else.
  template <typename T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&value);
  }
};

/// A request's text, parsed. Stricter than JSON: one object, a field may not come twice, no object has more than 256,
/// nothing is nested deeper than four, strings are valid UTF-8, nothing follows the object.
/// Requests come a thousand times a second: RapidJSON's reader needs a third of the instructions of nlohmann's library, which
/// writes the answers.
/// Owner:   what it gives points into it.
/// Threads: one.
/// Cost:    linear, but for the search for fields that come twice.
class RequestJson {
 public:
  explicit RequestJson(std::string_view text);
  RequestJson(const RequestJson&) = delete;
  RequestJson& operator=(const RequestJson&) = delete;

  /// None: it is an object.
  [[nodiscard]] const std::optional<JsonFault>& fault() const { return fault_; }
  [[nodiscard]] const RequestValue::Object& object() const { return root_; }

 private:
  std::unique_ptr<char[]> text_;  // a copy: strings are decoded in place
  RequestValue::Object root_;
  std::optional<JsonFault> fault_;
};

}  // namespace mus
