// SPDX-License-Identifier: GPL-2.0-only
#include "control/protocol.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include <boost/container/static_vector.hpp>

#include "control/request_json.h"
#include "policies/registry.h"

namespace mus {
namespace {

constexpr double kShortestTtl = 0.001, kLongestTtl = 31'536'000;  // seconds; a year
constexpr double kShortestInterval = 0.1, kLongestInterval = 60;
constexpr std::size_t kLongestTag = 64, kLongestName = 64, kLongestPart = 255;
constexpr std::size_t kMostSettings = 64;

Refusal bad_request(std::string_view field, std::string message, std::string hint = {}) {
  return {.code = "bad_request",
          .message = std::move(message),
          .field = std::string(field),
          .hint = std::move(hint)};
}

Refusal bad_value(std::string_view field, std::string message, std::string hint = {}) {
  return {.code = "bad_value",
          .message = std::move(message),
          .field = std::string(field),
          .hint = std::move(hint)};
}

bool whole_number(const RequestValue& value) { return value.as<std::uint64_t>() || value.as<std::int64_t>(); }

double number_of(const RequestValue& number) {
  if (auto* natural = number.as<std::uint64_t>()) return static_cast<double>(*natural);
  if (auto* whole = number.as<std::int64_t>()) return static_cast<double>(*whole);
  return *number.as<double>();
}

/// Takes the fields of one request out of it, remembers the first fault, and at the end what nobody asked for.
class Fields {
 public:
  explicit Fields(const RequestValue::Object& object) : object_(object) {}

  [[nodiscard]] bool has(std::string_view name) const { return object_.find(name); }

  [[nodiscard]] const RequestValue* take(std::string_view name) {
    known_.push_back(name);
    return object_.find(name);
  }

  [[nodiscard]] std::optional<std::string> text(std::string_view name) {
    const RequestValue* value = take(name);
    if (!value) return std::nullopt;
    if (auto* text = value->as<std::string_view>()) return std::string(*text);
    blame(bad_request(name, std::string(name) + " is not a string"));
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::uint64_t> whole(std::string_view name, std::uint64_t least,
                                                   std::uint64_t most) {
    const RequestValue* value = take(name);
    if (!value) return std::nullopt;
    auto range = [&] { return "a whole number from " + std::to_string(least) + " to " + std::to_string(most); };
    if (!whole_number(*value)) {
      blame(value->as<double>()
                ? bad_value(name, std::string(name) + " is not " + range())
                : bad_request(name, std::string(name) + " is not a number", "give " + range()));
      return std::nullopt;
    }
    auto* number = value->as<std::uint64_t>();
    if (number && *number >= least && *number <= most) return *number;
    blame(bad_value(name, std::string(name) + " is not " + range()));
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::chrono::milliseconds> seconds(std::string_view name, double least,
                                                                 double most) {
    const RequestValue* value = take(name);
    if (!value) return std::nullopt;
    if (!whole_number(*value) && !value->as<double>()) {
      blame(bad_request(name, std::string(name) + " is not a number", "give seconds"));
      return std::nullopt;
    }
    double number = number_of(*value);
    if (std::isfinite(number) && number >= least && number <= most)
      return std::chrono::milliseconds(std::llround(number * 1000));
    blame(bad_value(name, std::string(name) + " is out of range",
                    "give seconds, from " + Json(least).dump() + " to " + Json(most).dump()));
    return std::nullopt;
  }

  [[nodiscard]] bool flag(std::string_view name) {
    const RequestValue* value = take(name);
    if (!value) return false;
    if (auto* flag = value->as<bool>()) return *flag;
    blame(bad_request(name, std::string(name) + " is neither true nor false"));
    return false;
  }

  template <typename T>
  [[nodiscard]] T must(std::string_view name, std::optional<T> value) {
    if (!value) blame(bad_request(name, std::string(name) + " is missing"));
    return std::move(value).value_or(T{});
  }

  void blame(Refusal fault) {
    if (!fault_) fault_ = std::move(fault);
  }

  /// The first fault; else the first field that the command does not have.
  [[nodiscard]] std::optional<Refusal> fault() const {
    for (const RequestValue& field : object_.fields) {
      std::string_view name = field.name;
      if (std::ranges::find(known_, name) != known_.end()) continue;
      auto near = name.size() > kLongestName ? std::string_view{} : nearest_name(name, std::span(known_.data(), known_.size()));
      return bad_request(excerpt(name), "this command has no field '" + excerpt(name) + "'",
                         near.empty() ? "" : "did you mean '" + std::string(near) + "'?");
    }
    return fault_;
  }

 private:
  const RequestValue::Object& object_;
  boost::container::static_vector<std::string_view, 8> known_{"cmd", "tag"};  // each command has a few
  std::optional<Refusal> fault_;
};

CgroupName cgroup_name(Fields& fields) {
  static constexpr std::array<std::string_view, 3> kWays{"cgroup", "cgroup_id", "pid"};
  const char* hint = "name the cgroup by one of: cgroup (its path), cgroup_id, pid (of a process in it)";
  std::string_view second;
  int given = 0;
  for (std::string_view way : kWays)
    if (fields.has(way) && ++given == 2) second = way;
  if (given == 0) fields.blame(bad_request("cgroup", "cgroup is missing", hint));
  if (given > 1) fields.blame(bad_request(second, "the cgroup is named more than once", hint));

  auto path = fields.text("cgroup");
  auto id = fields.whole("cgroup_id", 1, UINT64_MAX);
  auto pid = fields.whole("pid", 1, INT32_MAX);
  if (id) return CgroupId{*id};
  if (pid) return Pid{static_cast<std::int32_t>(*pid)};
  auto checked = check_cgroup_path(path.value_or("/"));
  if (checked) return *checked;
  fields.blame(checked.error());
  return std::string("/");
}

Ask hello(Fields&) {
  return ask::Hello{};
}

Ask weight_set(Fields& fields) {
  ask::WeightSet set{.cgroup = cgroup_name(fields)};
  set.weight =
      static_cast<std::uint32_t>(fields.must("weight", fields.whole("weight", Weight::kMin, Weight::kMax)));
  set.ttl = fields.seconds("ttl", kShortestTtl, kLongestTtl);
  return set;
}

Ask weight_get(Fields& fields) {
  return ask::WeightGet{cgroup_name(fields)};
}
Ask weight_list(Fields& fields) {
  return ask::WeightList{fields.flag("all")};
}
Ask weight_unset(Fields& fields) {
  return ask::WeightUnset{cgroup_name(fields)};
}
Ask policy_list(Fields&) {
  return ask::PolicyList{};
}
Ask policy_show(Fields& fields) {
  return ask::PolicyShow{fields.text("policy")};
}

std::string number_text(const RequestValue& whole) {
  auto* natural = whole.as<std::uint64_t>();
  return natural ? std::to_string(*natural) : std::to_string(*whole.as<std::int64_t>());
}

/// {"slice-us":2000} or ["slice-us=2000"].
std::vector<std::string> settings(Fields& fields) {
  std::vector<std::string> texts;
  const RequestValue* set = fields.take("set");
  if (!set) return texts;
  const std::string hint = R"(give an object of whole numbers, such as {"slice-us":2000})";
  auto* object = set->as<RequestValue::Object>();
  auto* array = set->as<RequestValue::Array>();
  if (!object && !array) {
    fields.blame(bad_request("set", "set is not an object", hint));
    return texts;
  }
  const auto& options = object ? object->fields : array->values;
  if (options.size() > kMostSettings) fields.blame(bad_request("set", "set has too many options", hint));
  for (const RequestValue& option : options) {
    auto* pair = array ? option.as<std::string_view>() : nullptr;
    bool number = object && whole_number(option) && option.name.size() <= kLongestName;
    if (!pair && !number) fields.blame(bad_request("set", "an option in set is not a whole number", hint));
    if (pair) texts.push_back(excerpt(*pair, 128));
    if (number) texts.push_back(std::string(option.name) + "=" + number_text(option));
  }
  return texts;
}

Ask policy_use(Fields& fields) {
  ask::PolicyUse use{.policy = fields.must("policy", fields.text("policy")), .settings = {}};
  use.settings = settings(fields);
  return use;
}

Ask status(Fields&) {
  return ask::Status{};
}
Ask stats(Fields&) {
  return ask::Stats{};
}

Ask subscribe(Fields& fields) {
  auto interval = fields.seconds("interval", kShortestInterval, kLongestInterval);
  return ask::Subscribe{interval.value_or(std::chrono::milliseconds(1000))};
}

Ask unsubscribe(Fields&) {
  return ask::Unsubscribe{};
}

struct CommandEntry {
  std::string_view name;
  Ask (*read)(Fields&);
};

constexpr std::array kCommands{
    CommandEntry{"hello", hello},
    CommandEntry{"weight.set", weight_set},
    CommandEntry{"weight.get", weight_get},
    CommandEntry{"weight.list", weight_list},
    CommandEntry{"weight.unset", weight_unset},
    CommandEntry{"policy.list", policy_list},
    CommandEntry{"policy.show", policy_show},
    CommandEntry{"policy.use", policy_use},
    CommandEntry{"status", status},
    CommandEntry{"stats", stats},
    CommandEntry{"subscribe", subscribe},
    CommandEntry{"unsubscribe", unsubscribe},
};

Refusal unknown_command(std::string_view name) {
  std::vector<std::string_view> names;
  for (const CommandEntry& entry : kCommands)
    names.push_back(entry.name);
  auto near = name.size() > kLongestName ? std::string_view{} : nearest_name(name, names);
  std::string hint =
      near.empty() ? "see docs/control_protocol.md" : "did you mean '" + std::string(near) + "'?";
  return {.code = "unknown_command",
          .message = "no command is called '" + excerpt(name) + "'",
          .field = "cmd",
          .hint = hint};
}

/// Fills `tag`; the fault if it is none.
std::optional<Refusal> read_tag(const RequestValue::Object& object, Tag& tag) {
  const RequestValue* given = object.find("tag");
  if (!given) return std::nullopt;
  auto* text = given->as<std::string_view>();
  if (auto* natural = given->as<std::uint64_t>()) {
    tag = *natural;
  } else if (auto* whole = given->as<std::int64_t>()) {
    tag = *whole;
  } else if (text && text->size() <= kLongestTag) {
    tag = *text;
  } else {
    return text ? bad_value("tag", "tag is longer than 64 bytes")
                           : bad_request("tag", "tag is neither a string nor a whole number");
  }
  return std::nullopt;
}

}  // namespace

std::expected<std::string, Refusal> check_cgroup_path(std::string_view path) {
  auto refuse = [](std::string message, std::string hint) {
    return std::unexpected(bad_value("cgroup", std::move(message), std::move(hint)));
  };
  if (!path.starts_with('/'))
    return refuse("the path does not begin with /", "give it from the root of cgroup v2, such as /redis");
  if (path.size() >= kLongestPath) return refuse("the path is too long", "give at most 4095 bytes");
  if (path.find('\0') != std::string_view::npos) return refuse("the path has a zero byte in it", {});
  std::string clean;
  for (std::size_t at = 1; at < path.size();) {
    std::size_t end = std::min(path.find('/', at), path.size());
    std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty()) return refuse("the path has // in it", "write each / once");
    if (part == "." || part == "..")
      return refuse("the path has . or .. in it", "write the path without them");
    if (part.size() > kLongestPart)
      return refuse("a name in the path is too long", "names have at most 255 bytes");
    clean.append("/").append(part);
  }
  return clean.empty() ? "/" : clean;
}

Request parse_request(std::string_view line) {
  Request request{.tag = nullptr, .ask = ask::Hello{}};
  RequestJson json(line);
  if (json.fault()) {
    const JsonFault& fault = *json.fault();
    bool whole = !fault.field.empty();  // it is JSON; the fault is in what it says
    request.ask = std::unexpected(
        Refusal{.code = fault.out_of_range ? "bad_value"
                        : whole            ? "bad_request"
                                           : "bad_json",
                .message = fault.what,
                .field = fault.field,
                .hint = whole ? "" : R"(send one JSON object a line, such as {"cmd":"status"})"});
    return request;
  }
  if (auto fault = read_tag(json.object(), request.tag)) {
    request.ask = std::unexpected(*fault);
    return request;
  }
  const RequestValue* command = json.object().find("cmd");
  auto* name = command ? command->as<std::string_view>() : nullptr;
  if (!name) {
    request.ask = std::unexpected(
        bad_request("cmd", command ? "cmd is not a string" : "cmd is missing",
                    R"(such as {"cmd":"status"})"));
    return request;
  }
  auto entry = std::ranges::find(kCommands, *name, &CommandEntry::name);
  if (entry == kCommands.end()) {
    request.ask = std::unexpected(unknown_command(*name));
    return request;
  }
  Fields fields(json.object());
  Ask ask = entry->read(fields);
  if (auto fault = fields.fault()) {
    request.ask = std::unexpected(*fault);
  } else {
    request.ask = std::move(ask);
  }
  return request;
}

namespace {

std::string ok_text(const Tag& tag, std::string_view members) {
  std::string line = R"({"ok":true)";
  line.reserve(line.size() + members.size() + 64);
  if (!tag.is_null())
    line += R"(,"tag":)" + (tag.is_number_unsigned() ? std::to_string(tag.get<std::uint64_t>())
                                                     : tag.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!members.empty()) line.append(1, ',').append(members);
  return line += "}\n";
}

}  // namespace

std::string ok_line(const Tag& tag, const Json& fields) {
  if (fields.empty()) return ok_text(tag, {});
  std::string object = fields.dump(-1, ' ', false, Json::error_handler_t::replace);
  return ok_text(tag, std::string_view(object).substr(1, object.size() - 2));
}

std::string ok_line(const Tag& tag, const Members& fields) { return ok_text(tag, fields.text()); }

std::string error_line(const Tag& tag, const Refusal& refusal) {
  Json error{{"code", refusal.code}, {"message", refusal.message}};
  if (!refusal.field.empty()) error["field"] = refusal.field;
  if (!refusal.hint.empty()) error["hint"] = refusal.hint;
  Json answer{{"ok", false}};
  if (!tag.is_null()) answer["tag"] = tag;
  answer["error"] = std::move(error);
  return to_line(answer);
}

}  // namespace mus
