// SPDX-License-Identifier: GPL-2.0-only
// mus_model: searches every state of a model of the protocol between the kernel half and userspace. See docs/model.md.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "search.h"

using namespace mus::model;

namespace {

int usage() {
  std::printf(
      "usage: mus_model [--scenario NAME] [--mutation NAME] [--large] [--most STATES] [--list]\n\n"
      "  --scenario NAME  search only this one\n"
      "  --mutation NAME  with this thing done wrong: the exit status is 0 if the search finds what comes of it\n"
      "  --large          the larger scenarios too\n"
      "  --most STATES    give up beyond that many (40000000)\n"
      "  --list           name scenarios and mutations\n");
  return 2;
}

int list() {
  for (const Scenario& s : scenarios())
    std::printf("scenario %-14.*s %s%.*s\n", static_cast<int>(s.name.size()), s.name.data(), s.large ? "(large) " : "",
                static_cast<int>(s.about.size()), s.about.data());
  for (int m = 1; m <= static_cast<int>(Mutation::kBusyNotRepaired); ++m)
    std::printf("mutation %s\n", name(static_cast<Mutation>(m)).data());
  return 0;
}

bool search(const Scenario& scenario, Mutation mutation, std::size_t most, bool trace) {
  Outcome o = Search(scenario, mutation, most).run();
  std::printf("%-14.*s %9zu states %10zu steps  depth %4u  %6.1f s  %s\n", static_cast<int>(scenario.name.size()),
              scenario.name.data(), o.states, o.edges, o.depth, o.time.count(),
              !o.violation.empty() ? o.violation.c_str() : o.complete ? "holds" : "NOT COMPLETE: more states than --most");
  if (trace)
    for (const std::string& line : o.trace)
      std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  return o.violation.empty() && o.complete;
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view only;
  Mutation mutation = Mutation::kNone;
  bool large = false;
  std::size_t most = 40'000'000;
  for (int i = 1; i < argc; ++i) {
    std::string_view arg = argv[i];
    bool more = i + 1 < argc;
    if (arg == "--list") return list();
    if (arg == "--large") {
      large = true;
    } else if (arg == "--scenario" && more) {
      only = argv[++i];
    } else if (arg == "--most" && more) {
      most = std::strtoull(argv[++i], nullptr, 10);
    } else if (arg == "--mutation" && more) {
      std::string_view wanted = argv[++i];
      for (int m = 1; m <= static_cast<int>(Mutation::kBusyNotRepaired); ++m)
        if (name(static_cast<Mutation>(m)) == wanted) mutation = static_cast<Mutation>(m);
      if (mutation == Mutation::kNone) return usage();
    } else {
      return usage();
    }
  }
  bool all_hold = true, any = false;
  for (const Scenario& scenario : scenarios()) {
    if (only.empty() ? scenario.large && !large : scenario.name != only) continue;
    any = true;
    all_hold = search(scenario, mutation, most, true) && all_hold;
    if (mutation != Mutation::kNone && !all_hold) return 0;  // found
  }
  if (!any) return usage();
  return mutation == Mutation::kNone ? !all_hold : 1;
}
