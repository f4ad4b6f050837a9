// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "rules.h"

namespace mus::model {

/// What a search has found.
struct Outcome {
  std::string violation;           ///< empty: all holds
  std::vector<std::string> trace;  ///< the shortest way to it
  std::size_t states = 0, edges = 0;
  unsigned depth = 0;
  bool complete = true;  ///< false: there were more states than were allowed
  std::chrono::duration<double> time{};
};

/// Goes over every state that can be reached, breadth first, so that what it finds is found on a shortest way; then
/// looks, among the steps that nobody has to cause (all but the world's), for a place to go round in for ever, fairly, while some
/// task is runnable and does not run.
/// Cost: some 90 bytes a state, and 8 for each edge of the second search; under a minute and 1 GB for all that is not large.
class Search {
 public:
  Search(const Scenario& scenario, Mutation mutation, std::size_t most_states);
  [[nodiscard]] Outcome run();

 private:
  static constexpr std::uint32_t kNowhere = ~0u;
  struct Edge {
    std::uint32_t to;
    Actor actor;
  };

  [[nodiscard]] std::uint32_t find_or_add(const Key& key, std::uint32_t parent, bool& added);
  void grow();
  [[nodiscard]] bool explore(Outcome& outcome);
  [[nodiscard]] bool judged(const State& state) const;
  void look_for_starvation(Outcome& outcome);
  /// Among the states for which `in` holds: one from which it can hold for ever, fairly; or kNowhere.
  template <typename In>
  [[nodiscard]] std::uint32_t fair_cycle(In in);
  [[nodiscard]] std::vector<std::string> trace_to(std::uint32_t state);
  [[nodiscard]] std::vector<std::string> cycle_at(std::uint32_t state) const;

  const Scenario& scenario_;
  Mutation mutation_;
  std::size_t most_states_;
  Rules rules_;
  std::vector<Key> keys_;
  std::vector<std::uint32_t> parents_;
  std::vector<std::uint32_t> table_;
  // of the states in which liveness is judged
  std::vector<std::uint32_t> edges_from_;  ///< by state; one more at the end
  std::vector<Edge> edges_;
  std::vector<std::uint32_t> component_;
};

/// A state in a few lines, for a trace.
[[nodiscard]] std::string describe(const State& state, int tasks);

}  // namespace mus::model
