// SPDX-License-Identifier: GPL-2.0-only
#include "control/commands.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include <mus/policy.h>

namespace mus {
namespace {

constexpr auto kGiveUp = std::chrono::seconds(5);  // the scheduler thread looks every second at least

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};

double tenths(double value) {
  return std::round(value * 1000) / 1000;
}

}  // namespace

Commands::Commands(DaemonFacts facts, Port& port, CgroupFs* fs, WeightStore& store, PolicyShelf& shelf,
                   Outlet& outlet)
    : facts_(std::move(facts)),
      port_(port),
      shelf_(shelf),
      outlet_(outlet),
      poster_(port),
      weights_(port, poster_, fs, store),
      policies_(port, poster_, shelf, facts_.config, facts_.policy, facts_.settings),
      stats_(port, weights_, outlet, facts_.cpus, facts_.policy) {}

std::string Commands::farewell(Reason reason) {
  switch (reason) {
    case Reason::kTooManyClients:
      return error_line(nullptr, {.code = "too_many_clients",
                                  .message = "too many clients are connected",
                                  .field = {},
                                  .hint = "close some, or try again"});
    case Reason::kNotPermitted:
      return error_line(nullptr, {.code = "not_permitted",
                                  .message = "only root and the members of --socket-group may connect",
                                  .field = {},
                                  .hint = {}});
    case Reason::kLineTooLong:
      return error_line(nullptr, {.code = "line_too_long",
                                  .message = "a request has at most 65536 bytes, its end of line included",
                                  .field = {},
                                  .hint = {}});
  }
  return {};
}

void Commands::on_closed(ClientId client) {
  stats_.forget(client);
  // Its commands are under way and are carried out; there is nobody to answer.
}

Service::Next Commands::on_line(RequestId id, std::string_view line, Moment now) {
  Request request = parse_request(line);
  if (!request.ask) {
    outlet_.answer(id, error_line(request.tag, request.ask.error()));
    return Next::kAtOnce;
  }
  // What a weight command does shows at once to those after it, and the scheduler thread keeps their order.
  bool weight = std::holds_alternative<ask::WeightSet>(*request.ask) || std::holds_alternative<ask::WeightUnset>(*request.ask);
  Outcome outcome;
  try {
    outcome = run(id.client, *request.ask, now);
  } catch (const std::exception& fault) {
    outcome = Refusal{.code = "internal", .message = fault.what(), .field = {}, .hint = "please report this"};
  }
  answer(id, request.tag, std::move(outcome), now);
  return weight ? Next::kAtOnce : Next::kWhenAnswered;
}

void Commands::answer(RequestId request, const Tag& tag, Outcome outcome, Moment now) {
  std::visit(Overloaded{[&](Json& fields) { outlet_.answer(request, ok_line(tag, fields)); },
                        [&](Members& fields) { outlet_.answer(request, ok_line(tag, fields)); },
                        [&](const Refusal& refusal) { outlet_.answer(request, error_line(tag, refusal)); },
                        [&](Waiting& waiting) {
                          auto ticket = waiting.ticket;
                          pending_[ticket] = {request, tag, std::move(waiting), now.steady + kGiveUp};
                        }},
             outcome);
}

Outcome Commands::run(ClientId client, const Ask& ask, Moment now) {
  bool changes = std::holds_alternative<ask::WeightSet>(ask) ||
                 std::holds_alternative<ask::WeightUnset>(ask) || std::holds_alternative<ask::PolicyUse>(ask);
  if (changes && port_.ended())
    return Refusal{.code = "detached",
                   .message = "the kernel half has ended: nothing is scheduled by mus",
                   .field = {},
                   .hint = "start mus-userland again"};
  return std::visit(Overloaded{[&](const ask::Hello&) -> Outcome {
                                 return Json{{"protocol", kProtocolVersion},
                                             {"version", facts_.version},
                                             {"pid", facts_.pid}};
                               },
                               [&](const ask::Status&) { return status(now); },
                               [&](const ask::Stats&) -> Outcome { return stats_.current(now.steady); },
                               [&](const ask::Subscribe& a) { return stats_.run(client, a, now.steady); },
                               [&](const ask::Unsubscribe& a) { return stats_.run(client, a); },
                               [&](const auto& a) -> Outcome {
                                 if constexpr (requires { policies_.run(a); })
                                   return policies_.run(a);
                                 else
                                   return weights_.run(a, now);
                               }},
                    ask);
}

Outcome Commands::status(Moment now) {
  const Sample& sample = stats_.sample(now.steady);
  const mus_counters& c = sample.totals.counters;
  Json notes = facts_.notes;
  if (notes.is_null()) notes = Json::array();
  if (!weights_.note().empty()) notes.push_back(weights_.note());
  return Json{{"mode", stats_.mode(sample.totals)},
              {"policy", policies_.active()},
              {"version", facts_.version},
              {"pid", facts_.pid},
              {"kernel", facts_.kernel},
              {"cpus", facts_.cpus},
              {"uptime_s", tenths(std::chrono::duration<double>(now.steady - facts_.started).count())},
              {"tasks",
               {{"known", sample.tasks},
                {"held", sample.totals.held},
                {"queued", sample.totals.queued},
                {"local", sample.totals.local},
                {"kernel", sample.totals.kernel},
                {"running", sample.totals.running},
                {"asleep", c.asleep},
                {"seen", c.seen},
                {"exited", c.exited},
                {"unaccounted", sample.totals.unaccounted}}},
              {"weights_set", weights_.count()},
              {"cgroups", sample.cgroups},
              {"daemon",
               {{"cpu_s", tenths(sample.usage.cpu_s)},
                {"cpu_percent", stats_.daemon_cpu_percent(now.steady)},
                {"page_faults", sample.usage.page_faults},
                {"rss_kib", sample.usage.rss_kib}}},
              {"policy_faults", policies_.faults()},
              {"notes", std::move(notes)},
              {"kernel_half",
               {{"pinned", port_.pinned()},
                {"adopted", sample.totals.adopted},
                {"gap_ms", tenths(std::chrono::duration<double, std::milli>(sample.totals.gap).count())},
                {"orphan_s", tenths(std::chrono::duration<double>(sample.totals.orphan).count())}}},
              {"stalls",
               {{"count", c.stalls},
                {"total_ms", tenths(std::chrono::duration<double, std::milli>(sample.totals.stall_total).count())},
                {"longest_ms", tenths(std::chrono::duration<double, std::milli>(sample.totals.stall_longest).count())}}},
              {"counters",
               {{"decisions", c.decisions},
                {"events", c.events},
                {"events_lost", c.events_lost},
                {"runs", runs_json(c)},
                {"refused", refused_json(c)},
                {"kept", c.kept},
                {"wakes", c.wakes},
                {"stalls", c.stalls},
                {"rescued", c.rescued},
                {"preemptions", c.preemptions}}}};
}

void Commands::replies(Moment now) {
  for (Reply reply; port_.take(reply);) {
    if (reply.retired) shelf_.remove(reply.retired);
    auto it = pending_.find(reply.ticket);
    if (it == pending_.end()) continue;  // nobody asked, or nobody waits any more
    Pending pending = std::move(it->second);
    pending_.erase(it);
    answer(pending.request, pending.tag, pending.waiting.finish(reply), now);
  }
}

void Commands::tick(Moment now) {
  weights_.tick(now);
  stats_.tick(now.steady);
  // A late reply still finds its way: `finish` keeps the books, and the answer goes to nobody.
  for (auto& [ticket, pending] : pending_) {
    if (now.steady < pending.give_up) continue;
    outlet_.answer(pending.request,
                   error_line(pending.tag, {.code = "internal",
                                            .message = "the scheduler thread has not answered for 5 seconds",
                                            .field = {},
                                            .hint = "it will do what was asked when it can; see status"}));
    pending.request = {};
    pending.give_up = std::chrono::steady_clock::time_point::max();
  }
}

std::chrono::steady_clock::time_point Commands::due(Moment now) const {
  auto next = stats_.due();
  if (auto weights = weights_.due(now)) next = std::min(next, *weights);
  for (const auto& [ticket, pending] : pending_)
    next = std::min(next, pending.give_up);
  return next;
}

}  // namespace mus
