// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace mus::ctl {

using Json = nlohmann::json;

// Reading what a daemon of another version sent: a field that is absent, null or of another type is absent.

inline const Json* find_field(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  auto it = object.find(name);
  return it == object.end() ? nullptr : &*it;
}

[[nodiscard]] inline std::optional<double> number(const Json& object, const char* name) {
  const Json* field = find_field(object, name);
  return field && field->is_number() ? std::optional(field->get<double>()) : std::nullopt;
}

[[nodiscard]] inline double number_or(const Json& object, const char* name, double otherwise) {
  return number(object, name).value_or(otherwise);
}

/// Ids and counts, which a double would round.
[[nodiscard]] inline std::uint64_t count(const Json& object, const char* name) {
  const Json* field = find_field(object, name);
  if (!field || !field->is_number()) return 0;
  if (field->is_number_unsigned()) return field->get<std::uint64_t>();
  double value = field->get<double>();
  return value > 0 && value < 1.8e19 ? static_cast<std::uint64_t>(value) : 0;
}

[[nodiscard]] inline std::string string(const Json& object, const char* name, std::string otherwise = {}) {
  const Json* field = find_field(object, name);
  return field && field->is_string() ? field->get<std::string>() : std::move(otherwise);
}

[[nodiscard]] inline bool is_true(const Json& object, const char* name) {
  const Json* field = find_field(object, name);
  return field && field->is_boolean() && field->get<bool>();
}

/// An array or object inside; an empty one if there is none.
[[nodiscard]] inline const Json& inside(const Json& object, const char* name) {
  static const Json kNone = Json::object();
  const Json* field = find_field(object, name);
  return field && field->is_structured() ? *field : kNone;
}

}  // namespace mus::ctl
