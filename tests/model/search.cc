// SPDX-License-Identifier: GPL-2.0-only
#include "search.h"

#include <algorithm>
#include <bit>
#include <cstdio>

namespace mus::model {
namespace {

std::uint64_t hash(const Key& key) {
  std::uint64_t h = 0;
  for (std::uint64_t word : key.words) {
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    h ^= h >> 29;
  }
  return h;
}

std::string words(const Label& label) {
  std::string line = label.text;
  for (int number : {label.a, label.b})
    if (auto at = line.find("%d"); at != std::string::npos) line.replace(at, 2, std::to_string(number));
  return line;
}

}  // namespace

Search::Search(const Scenario& scenario, Mutation mutation, std::size_t most_states)
    : scenario_(scenario), mutation_(mutation), most_states_(most_states), rules_(scenario, mutation), table_(1 << 16, kNowhere) {}

void Search::grow() {
  table_.assign(table_.size() * 2, kNowhere);
  for (std::uint32_t i = 0; i < keys_.size(); ++i) {
    std::size_t slot = hash(keys_[i]) & (table_.size() - 1);
    while (table_[slot] != kNowhere)
      slot = (slot + 1) & (table_.size() - 1);
    table_[slot] = i;
  }
}

std::uint32_t Search::find_or_add(const Key& key, std::uint32_t parent, bool& added) {
  std::size_t slot = hash(key) & (table_.size() - 1);
  for (; table_[slot] != kNowhere; slot = (slot + 1) & (table_.size() - 1))
    if (keys_[table_[slot]] == key) return table_[slot];
  added = true;
  auto index = static_cast<std::uint32_t>(keys_.size());
  table_[slot] = index;
  keys_.push_back(key);
  parents_.push_back(parent);
  if (keys_.size() * 2 > table_.size()) grow();
  return index;
}

bool Search::judged(const State& state) const { return scenario_.alive_is_fair || state.daemon == Daemon::kDead; }

// Breadth first: states_ is the queue as well. Returns false when something was found.
bool Search::explore(Outcome& outcome) {
  bool added = false;
  (void)find_or_add(pack(initial(scenario_)), kNowhere, added);
  std::size_t level_end = 1;
  for (std::uint32_t at = 0; at < keys_.size(); ++at) {
    if (at == level_end) {
      ++outcome.depth;
      level_end = keys_.size();
    }
    State state = unpack(keys_[at]);
    edges_from_.push_back(static_cast<std::uint32_t>(edges_.size()));
    bool live = judged(state);
    for (const Successor& next : rules_.successors(state)) {
      ++outcome.edges;
      added = false;
      std::uint32_t to = find_or_add(pack(next.state), at, added);
      if (live && next.actor != Actor::kWorld) edges_.push_back({to, next.actor});
      if (!added) continue;
      if (Error error = check(next.state)) {
        outcome.violation = text(error);
        outcome.trace = trace_to(to);
        return false;
      }
    }
    if (keys_.size() > most_states_) {
      outcome.complete = false;
      return false;
    }
  }
  edges_from_.push_back(static_cast<std::uint32_t>(edges_.size()));
  return true;
}

// Tarjan's components of the states for which in(state) holds, without recursion; of each, whether it is fair to stay:
// each actor makes a step inside, or cannot make any in some state of it.
template <typename In>
std::uint32_t Search::fair_cycle(In in) {
  auto n = static_cast<std::uint32_t>(keys_.size());
  std::vector<std::uint32_t> number(n, 0), low(n, 0), stack;
  std::vector<bool> on_stack(n, false);
  component_.assign(n, kNowhere);
  struct Frame {
    std::uint32_t state, edge;
  };
  std::vector<Frame> frames;
  std::uint32_t counter = 0, components = 0;

  auto is_fair = [&](std::size_t first) {
    std::uint32_t taken = 0, sometimes_unable = 0;
    for (std::size_t i = first; i < stack.size(); ++i) {
      std::uint32_t state = stack[i], able = 0;
      for (std::uint32_t e = edges_from_[state]; e < edges_from_[state + 1]; ++e) {
        std::uint32_t bit = 1u << static_cast<int>(edges_[e].actor);
        able |= bit;
        if (component_[edges_[e].to] == components) taken |= bit;
      }
      sometimes_unable |= ~able;
    }
    std::uint32_t all = (1u << kFairActors) - 1;
    return ((taken | sometimes_unable) & all) == all;
  };

  for (std::uint32_t root = 0; root < n; ++root) {
    if (number[root] || !in(root)) continue;
    frames.push_back({root, edges_from_[root]});
    number[root] = low[root] = ++counter;
    stack.push_back(root);
    on_stack[root] = true;
    while (!frames.empty()) {
      auto& [state, edge] = frames.back();
      if (edge < edges_from_[state + 1]) {
        std::uint32_t to = edges_[edge++].to;
        if (!in(to)) continue;
        if (!number[to]) {
          number[to] = low[to] = ++counter;
          stack.push_back(to);
          on_stack[to] = true;
          frames.push_back({to, edges_from_[to]});
        } else if (on_stack[to]) {
          low[state] = std::min(low[state], number[to]);
        }
        continue;
      }
      std::uint32_t done = state;
      frames.pop_back();
      if (!frames.empty()) low[frames.back().state] = std::min(low[frames.back().state], low[done]);
      if (low[done] != number[done]) continue;
      std::size_t first = stack.size();
      do {
        --first;
        component_[stack[first]] = components;
        on_stack[stack[first]] = false;
      } while (stack[first] != done);
      if (is_fair(first)) return *std::ranges::min_element(stack.begin() + static_cast<std::ptrdiff_t>(first), stack.end());
      stack.resize(first);
      ++components;
    }
  }
  return kNowhere;
}

void Search::look_for_starvation(Outcome& outcome) {
  auto report = [&](std::uint32_t state, std::string what) {
    outcome.violation = std::move(what);
    outcome.trace = trace_to(state);
    for (std::string& line : cycle_at(state))
      outcome.trace.push_back(std::move(line));
  };
  // Decoded once: what is asked of each state, a bit each.
  std::vector<std::uint8_t> waits(keys_.size());
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    State s = unpack(keys_[i]);
    if (!judged(s)) continue;
    for (int task = 0; task < scenario_.tasks; ++task)
      waits[i] |= static_cast<std::uint8_t>((runnable(s.tasks[task]) && !is_on_cpu(s.tasks[task].where)) << task);
    waits[i] |= static_cast<std::uint8_t>((s.cpus[1].leaving != 0) << kTasks);
  }
  for (int bit = 0; bit <= kTasks; ++bit) {
    if (scenario_.alike && bit > 0 && bit < kTasks) continue;
    std::uint32_t at = fair_cycle([&](std::uint32_t state) { return waits[state] >> bit & 1; });
    if (at == kNowhere) continue;
    return report(at, bit < kTasks ? "task " + std::to_string(bit) + " is runnable and may never run"
                                   : "a CPU waits for ever to go off line");
  }
}

std::vector<std::string> Search::trace_to(std::uint32_t state) {
  std::vector<std::uint32_t> way;
  for (std::uint32_t at = state; at != kNowhere; at = parents_[at])
    way.push_back(at);
  std::ranges::reverse(way);
  std::vector<std::string> lines;
  for (std::size_t i = 1; i < way.size(); ++i) {
    for (const Successor& next : rules_.successors(unpack(keys_[way[i - 1]]))) {
      if (pack(next.state) != keys_[way[i]]) continue;
      char number[32];
      std::snprintf(number, sizeof(number), "%3zu  ", i);
      lines.push_back(number + words(next.label));
      break;
    }
  }
  lines.push_back(describe(unpack(keys_[way.back()]), scenario_.tasks));
  return lines;
}

// One way round, or the reason that there is none: nobody can make a step.
std::vector<std::string> Search::cycle_at(std::uint32_t state) const {
  if (edges_from_[state] == edges_from_[state + 1]) return {"     and nothing happens any more"};
  std::vector<std::uint32_t> came(keys_.size(), kNowhere), queue{state};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (std::uint32_t e = edges_from_[queue[i]]; e < edges_from_[queue[i] + 1]; ++e) {
      std::uint32_t to = edges_[e].to;
      if (component_[to] != component_[state] || came[to] != kNowhere) continue;
      came[to] = queue[i];
      queue.push_back(to);
    }
  }
  if (came[state] == kNowhere) return {"     and nothing happens any more that changes this"};
  std::vector<std::uint32_t> way{state};
  for (std::uint32_t at = came[state]; at != state; at = came[at])
    way.push_back(at);
  way.push_back(state);
  std::ranges::reverse(way);
  std::vector<std::string> lines{"     and from there round and round (" + std::to_string(queue.size()) + " states), as in:"};
  Rules rules(scenario_, mutation_);
  for (std::size_t i = 1; i < way.size(); ++i)
    for (const Successor& next : rules.successors(unpack(keys_[way[i - 1]])))
      if (pack(next.state) == keys_[way[i]]) {
        lines.push_back("       " + words(next.label));
        break;
      }
  return lines;
}

Outcome Search::run() {
  Outcome outcome;
  auto began = std::chrono::steady_clock::now();
  if (explore(outcome)) look_for_starvation(outcome);
  outcome.states = keys_.size();
  outcome.time = std::chrono::steady_clock::now() - began;
  return outcome;
}

}  // namespace mus::model
