// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <mus/units.h>

#include "control/json_lines.h"

namespace mus {

/// What goes between a client and the daemon: docs/control_protocol.md. Pure: bytes to requests, answers to
/// bytes, no input or output.

inline constexpr int kProtocolVersion = 1;
inline constexpr std::size_t kLongestLine = 64 << 10;  ///< bytes, its end included
inline constexpr std::size_t kLongestPath = 4096;      ///< of a cgroup, bytes

/// How a request names a cgroup: by path, by id, or by a process in it. Checked for form, not for being there.
using CgroupName = std::variant<std::string, CgroupId, Pid>;

namespace ask {
struct Hello {};
struct WeightSet {
  CgroupName cgroup;
  std::uint32_t weight = 0;
  std::optional<std::chrono::milliseconds> ttl;
};
struct WeightGet {
  CgroupName cgroup;
};
struct WeightList {
  bool all = false;
};
struct WeightUnset {
  CgroupName cgroup;
};
struct PolicyList {};
struct PolicyShow {
  std::optional<std::string> policy;  ///< none: the active one
};
struct PolicyUse {
  std::string policy;
  std::vector<std::string> settings;  ///< "name=value", as --set has them
};
struct Status {};
struct Stats {};
struct Subscribe {
  std::chrono::milliseconds interval{1000};
};
struct Unsubscribe {};
}  // namespace ask

using Ask = std::variant<ask::Hello, ask::WeightSet, ask::WeightGet, ask::WeightList, ask::WeightUnset,
                         ask::PolicyList, ask::PolicyShow, ask::PolicyUse, ask::Status, ask::Stats,
                         ask::Subscribe, ask::Unsubscribe>;

/// What the client wants to have back with the answer: nothing (null), a string or a whole number.
using Tag = Json;

/// Why a request was not carried out: the "error" of an answer.
struct Refusal {
  std::string_view code;  ///< of the table in docs/control_protocol.md; static storage
  std::string message;
  std::string field;  ///< empty: not about one field
  std::string hint;   ///< what to do; may be empty
};

/// A line, understood or not; its tag in both cases, if it got as far.
struct Request {
  Tag tag;
  std::expected<Ask, Refusal> ask;
};

/// Never throws, whatever the bytes. Cost: linear in the line.
[[nodiscard]] Request parse_request(std::string_view line);

/// `path` in the one form that mus uses ("/a/b"). Errors: relative, `.` or `..`, a part that is empty or too long.
[[nodiscard]] std::expected<std::string, Refusal> check_cgroup_path(std::string_view path);

/// {"ok":true, ...}, with the tag.
[[nodiscard]] std::string ok_line(const Tag& tag, const Json& fields = Json::object());
[[nodiscard]] std::string ok_line(const Tag& tag, const Members& fields);
/// {"ok":false,"error":{...}}, with the tag.
[[nodiscard]] std::string error_line(const Tag& tag, const Refusal& refusal);

}  // namespace mus
