// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/words.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>

#include "musctl/exit_code.h"

namespace mus::ctl {
namespace {

struct Unit {
  std::string_view name;
  double ms;
};
// From large to small; "ms" before "m" since names are matched from the front.
constexpr std::array kUnits{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"ms", 1}, Unit{"m", 60'000},
                            Unit{"s", 1000}};

constexpr double kLongestMs = 31'536'000'000.0;  // what the protocol allows

/// The decimal number at the front of `text`, which is taken off.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(value) || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

template <typename Integer>
std::optional<Integer> whole_number(std::string_view text) {
  Integer value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// 1.50 -> "1.5", 2.0 -> "2"
std::string short_number(double value, int decimals) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  std::string text = buffer.data();
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const std::string remedy = "write a duration like 500ms, 30s, 5m, 2h or 1h30m, at most 365d";
  auto wrong = [&](const char* why) {
    return fail("'" + std::string(text) + "' " + why, remedy, kExitUsage);
  };
  double total_ms = 0, smallest_ms = 1e300;
  std::string_view rest = text;
  if (rest.empty()) return wrong("is not a duration");
  while (!rest.empty()) {
    auto value = take_number(rest);
    if (!value) return wrong("is not a duration");
    auto unit = std::ranges::find_if(kUnits, [&](const Unit& u) { return rest.starts_with(u.name); });
    if (unit == kUnits.end()) return wrong(rest.empty() ? "has no unit" : "is not a duration");
    if (unit->ms >= smallest_ms) return wrong("is not a duration");
    smallest_ms = unit->ms;
    total_ms += *value * unit->ms;
    rest.remove_prefix(unit->name.size());
  }
  total_ms = std::round(total_ms);
  if (total_ms < 1) return wrong("is too short");
  if (total_ms > kLongestMs) return wrong("is too long");
  return std::chrono::milliseconds(static_cast<std::int64_t>(total_ms));
}

std::string duration_text(double seconds) {
  if (!(seconds > 0)) return "0s";
  if (seconds < 1) return short_number(std::max(1.0, seconds * 1000), 0) + "ms";
  if (seconds < 60) return short_number(std::floor(seconds * 10) / 10, 1) + "s";
  auto whole = static_cast<std::int64_t>(seconds);
  auto pair = [](std::int64_t large, const char* a, std::int64_t small, const char* b) {
    return std::to_string(large) + a + (small ? std::to_string(small) + b : "");
  };
  if (whole < 3600) return pair(whole / 60, "m", whole % 60, "s");
  if (whole < 86400) return pair(whole / 3600, "h", whole % 3600 / 60, "m");
  return pair(whole / 86400, "d", whole % 86400 / 3600, "h");
}

Result<Json> parse_cgroup(const std::string& text) {
  const std::string remedy =
      "name it by its path from the root of cgroup v2, like /redis, or as id:NUMBER or pid:NUMBER";
  for (auto [prefix, field] : {std::pair("id:", "cgroup_id"), std::pair("pid:", "pid")}) {
    if (!text.starts_with(prefix)) continue;
    std::string_view digits = std::string_view(text).substr(std::string_view(prefix).size());
    auto value = whole_number<std::uint64_t>(digits);
    if (!value || *value == 0)
      return fail("'" + text + "': '" + std::string(digits) + "' is not a number", remedy, kExitUsage);
    return Json{{field, *value}};
  }
  if (text.empty()) return fail("the cgroup's name is empty", remedy, kExitUsage);
  if (text.front() != '/')
    return fail("'" + text + "' is not a cgroup's path",
                "did you mean /" + text + "? (id:NUMBER and pid:NUMBER do too)", kExitUsage);
  std::string path = text;
  for (std::string_view mount : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
    if (path != mount && !path.starts_with(std::string(mount) + "/")) continue;
    path.erase(0, mount.size());
    break;
  }
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  if (path.empty()) path = "/";
  if ((path + "/").find("/../") != std::string::npos)
    return fail("'" + text + "': .. is not allowed in a cgroup's path", remedy, kExitUsage);
  // The wire is UTF-8; a cgroup's name need not be.
  Json field{{"cgroup", path}};
  try {
    static_cast<void>(field.dump());
  } catch (const Json::exception&) {
    return fail("this path is not valid UTF-8", "name the cgroup by id: (ls -di gives it)", kExitUsage);
  }
  return field;
}

std::pair<std::uint32_t, bool> WeightChange::apply(std::uint32_t present) const {
  double wanted = amount;
  if (relative) {
    wanted = std::round(present * amount);
    if (amount > 1) wanted = std::max(wanted, present + 1.0);
    if (amount < 1) wanted = std::min(wanted, present - 1.0);
  }
  double weight = std::clamp<double>(wanted, kWeightMin, kWeightMax);
  return {static_cast<std::uint32_t>(weight), weight != wanted};
}

Result<WeightChange> parse_weight(std::string_view text) {
  auto wrong = [&](const char* why) {
    return fail("'" + std::string(text) + "' " + why,
                "give 1 to 10000 (100 is ordinary), or a change like +50%, -25% or x2", kExitUsage);
  };
  if (text.empty()) return wrong("is not a weight");
  std::string_view rest = text;
  if (rest.starts_with('x')) {
    rest.remove_prefix(1);
    auto factor = rest.empty() ? std::nullopt : take_number(rest);
    if (!factor || !rest.empty() || *factor <= 0) return wrong("is not a factor");
    return WeightChange{.relative = true, .amount = *factor};
  }
  if (rest.front() == '+' || rest.front() == '-') {
    bool down = rest.front() == '-';
    rest.remove_prefix(1);
    auto percent = rest.empty() ? std::nullopt : take_number(rest);
    if (!percent || rest != "%") return wrong("is not a change in percent");
    if (down && *percent >= 100) return wrong("would leave nothing");
    return WeightChange{.relative = true, .amount = 1 + (down ? -*percent : *percent) / 100};
  }
  auto weight = whole_number<std::uint32_t>(rest);
  if (!weight) return wrong("is not a weight");
  if (*weight < kWeightMin || *weight > kWeightMax) return wrong("is out of range");
  return WeightChange{.relative = false, .amount = static_cast<double>(*weight)};
}

Result<std::pair<std::string, Json>> parse_setting(const std::string& text) {
  auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    return fail("--set " + text + ": not KEY=VALUE",
                "like --set slice-us=2000; musctl policy show NAME lists the options", kExitUsage);
  std::string value = text.substr(equals + 1);
  if (auto integer = whole_number<std::int64_t>(value))
    return std::pair(text.substr(0, equals), Json(*integer));
  return std::pair(text.substr(0, equals), Json(value));
}

}  // namespace mus::ctl
