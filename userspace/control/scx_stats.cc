// SPDX-License-Identifier: GPL-2.0-only
#include "control/scx_stats.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>

#include "control/request_json.h"

namespace mus {
namespace {

// What a cgroup is outlasts what it does. Neither an id nor a text is a metric.
enum class About : std::uint8_t { kActivity, kState, kIdentity };

struct Field {
  const char* name;
  const char* datum;  // "u64", "float" or "string"
  const char* from;   // JSON pointer into what `stats` answers
  const char* desc;
  About about = About::kActivity;

  [[nodiscard]] bool is_metric() const {
    return about != About::kIdentity && datum != std::string_view("string");
  }
};

constexpr std::array kTop{
    Field{"mode", "string", "/mode", "userland, fallback or detached"},
    Field{"policy", "string", "/policy", "name of the policy"},
    Field{"interval_s", "float", "/interval_s", "seconds that the figures are about"},
    Field{"cpus", "u64", "/cpus", "CPUs on line"},
    Field{"tasks", "u64", "/tasks", "tasks known to userspace"},
    Field{"held", "u64", "/held", "tasks that wait for a decision"},
    Field{"queued", "u64", "/queued", "tasks that are decided and wait for a CPU"},
    Field{"decisions_per_s", "float", "/rates/decisions", "decisions that moved a task, a second"},
    Field{"runs_decided_per_s", "float", "/rates/decided", "runs by a decision made for them, a second"},
    Field{"runs_standing_per_s", "float", "/rates/standing", "runs by a standing order, a second"},
    Field{"runs_resumed_per_s", "float", "/rates/resumed",
          "runs that went on after an interruption, a second"},
    Field{"runs_idle_per_s", "float", "/rates/idle", "runs on a CPU that was idle, a second"},
    Field{"runs_held_per_s", "float", "/rates/held", "runs because the hold bound passed, a second"},
    Field{"runs_fallback_per_s", "float", "/rates/fallback", "runs while userspace was stalled, a second"},
    Field{"runs_kernel_per_s", "float", "/rates/kernel", "runs of kernel threads, a second"},
    Field{"events_per_s", "float", "/rates/events", "events written for userspace, a second"},
    Field{"wakes_per_s", "float", "/rates/wakes", "times that userspace was woken, a second"},
    Field{"refused_per_s", "float", "/rates/refused", "decisions that were refused, a second"},
    Field{"daemon_cpu_percent", "float", "/daemon_cpu_percent", "CPU time of the daemon, percent of one CPU"},
    Field{"userland_percent", "float", "/userland_percent", "contended runs that userspace decided, percent"},
};

constexpr std::array kCgroup{
    Field{"id", "u64", "/cgroup_id", "the kernel's id of the cgroup", About::kIdentity},
    Field{"depth", "u64", "/depth", "0: the root", About::kIdentity},
    Field{"weight", "u64", "/weight", "weight that counts, 1..10000", About::kState},
    Field{"source", "string", "/source", "where the weight comes from: mus, cpu.weight, idle or default",
          About::kState},
    Field{"promised", "float", "/promised",
          "fraction of the machine that it is entitled to; -1: the policy does not say"},
    Field{"share", "float", "/share", "fraction of the machine that it had"},
    Field{"lag_ms", "float", "/lag_ms", "CPU time that it is owed within its parent, milliseconds"},
    Field{"runnable", "u64", "/runnable", "tasks in it and below that run or want to"},
    Field{"cpu_ms", "float", "/cpu_ms", "CPU time that it and all below had, milliseconds"},
    Field{"wait_p50_ms", "float", "/wait_p50_ms", "median wait for a CPU, milliseconds; 0: none ran"},
    Field{"wait_p99_ms", "float", "/wait_p99_ms",
          "99 % waited no longer for a CPU, milliseconds; 0: none ran"},
};

template <std::size_t N>
Json pick(const std::array<Field, N>& fields, const Json& from) {
  Json picked;
  for (const Field& field : fields) {
    const Json& value = from.at(Json::json_pointer(field.from));
    // Readers want a number in any case.
    picked[field.name] =
        !value.is_null() ? value : Json(field.name == std::string_view("promised") ? -1.0 : 0.0);
  }
  return picked;
}

template <std::size_t N>
Json describe(const std::array<Field, N>& fields) {
  Json described;
  for (const Field& field : fields) {
    Json& one = described[field.name] = {{"datum", field.datum}, {"desc", field.desc}};
    if (!field.is_metric()) one["user"] = {{"_om_skip", "true"}};
  }
  return described;
}

// What stays of a cgroup's figures when it has ended or gone to sleep.
Json lasting(const Json& figures) {
  Json kept;
  for (const Field& field : kCgroup)
    if (field.about != About::kActivity) kept[field.name] = figures.at(field.name);
  return kept;
}

// The figures of a cgroup that does nothing.
Json quiet(const Json& kept) {
  Json figures;
  for (const Field& field : kCgroup)
    figures[field.name] = field.about != About::kActivity          ? kept.at(field.name)
                          : field.datum == std::string_view("u64") ? Json(0u)
                                                                   : Json(0.0);
  return figures;
}

std::string response(int error, Json resp) {
  return to_line({{"errno", error}, {"args", {{"resp", std::move(resp)}}}});
}

}  // namespace

Json ScxStats::top(const Json& stats) {
  Json top = pick(kTop, stats);
  Json cgroups = Json::object();
  for (const Json& group : stats.at("cgroups"))
    cgroups[group.at("cgroup").get<std::string>()] = pick(kCgroup, group);
  top["cgroups"] = std::move(cgroups);
  return top;
}

Json ScxStats::meta() {
  Json top_fields = describe(kTop);
  top_fields["cgroups"] = {
      {"dict", {{"key", "string"}, {"datum", {{"struct", "CgroupStats"}}}}},
      {"desc", "cgroups that ran or wanted to, by path; once more, with zeros, when they no longer do"}};
  return {{"MusStats",
           {{"name", "MusStats"},
            {"top", "true"},
            {"desc", "mus: a policy in userspace"},
            {"user", {{"_om_prefix", "mus_"}}},
            {"fields", std::move(top_fields)}}},
          {"CgroupStats",
           {{"name", "CgroupStats"},
            {"desc", "one cgroup"},
            {"user", {{"_om_prefix", "mus_cgroup_"}, {"_om_label", "cgroup"}}},
            {"fields", describe(kCgroup)}}}};
}

std::string ScxStats::answer(ClientId client, std::string_view line) {
  RequestJson request(line);
  auto refuse = [](const std::string& why) { return response(EINVAL, why); };
  if (request.fault()) return refuse(request.fault()->what);
  const RequestValue *req = request.object().find("req"), *args = request.object().find("args");
  auto* name = req ? req->as<std::string_view>() : nullptr;
  if (!name) return refuse("req is missing");
  std::string_view target = "top";
  if (args && !args->as<std::nullptr_t>()) {
    auto* object = args->as<RequestValue::Object>();
    if (!object) return refuse("args is not an object");
    if (const RequestValue* given = object->find("target")) {
      auto* text = given->as<std::string_view>();
      target = text ? *text : "";
    }
  }
  if (*name == "stats_meta") return response(0, meta());
  if (*name != "stats") return refuse("unknown command " + excerpt(*name));
  if (target != "top") return refuse("unknown stat target " + excerpt(target));
  Json figures = top(stats_.current(std::chrono::steady_clock::now()));
  tell_who_is_quiet(client, figures["cgroups"]);
  return response(0, std::move(figures));
}

Service::Next ScxStats::on_line(RequestId request, std::string_view line) {
  outlet_.answer(request, answer(request.client, line));
  return Next::kAtOnce;
}

void ScxStats::tell_who_is_quiet(ClientId client, Json& cgroups) {
  std::map<std::string, Json> now;
  for (const auto& [path, figures] : cgroups.items())
    now.emplace(path, lasting(figures));
  for (const auto& [path, kept] : told_[client])
    if (!now.contains(path)) cgroups[path] = quiet(kept);
  told_[client] = std::move(now);
}

std::string ScxStats::farewell(Reason reason) {
  switch (reason) {
    case Reason::kTooManyClients:
      return response(EBUSY, "too many clients are connected");
    case Reason::kNotPermitted:
      return response(EACCES, "only root and the members of --socket-group may connect");
    case Reason::kLineTooLong:
      return response(EMSGSIZE, "the request is too long");
  }
  return {};
}

}  // namespace mus
