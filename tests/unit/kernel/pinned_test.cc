// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/pinned.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstring>
#include <functional>
#include <memory>

#include "exit_code.h"

namespace mus {
namespace {

PinnedFacts good_facts() {
  return {.abi = {.magic = MUS_ABI_MAGIC,
                  .version = MUS_ABI_VERSION,
                  .event_bytes = sizeof(mus_event),
                  .decision_bytes = sizeof(mus_decision),
                  .shared_bytes = sizeof(mus_shared),
                  .cgroup_bytes = sizeof(mus_cgroup)},
          .events = {.type = BPF_MAP_TYPE_RINGBUF, .entries = 4 << 20},
          .decisions = {.type = BPF_MAP_TYPE_USER_RINGBUF, .entries = 512 << 10},
          .cgroups = {.type = BPF_MAP_TYPE_HASH, .key_bytes = 8, .value_bytes = sizeof(mus_cgroup), .entries = 100},
          .shared = {.type = BPF_MAP_TYPE_ARRAY, .key_bytes = 4, .value_bytes = sizeof(mus_shared), .entries = 1},
          .exit_dump = {.type = BPF_MAP_TYPE_ARRAY, .key_bytes = 4, .value_bytes = MUS_EXIT_DUMP_BYTES, .entries = 1}};
}

std::unique_ptr<mus_shared> good_page() {
  auto page = std::make_unique<mus_shared>();
  page->magic = MUS_ABI_MAGIC;
  page->version = MUS_ABI_VERSION;
  page->flags = MUS_CONFIG_IDLE_DIRECT;
  page->cpu_count = 4;
  page->shard_count = 2;
  page->cpus[3].shard = 1;
  return page;
}

TEST(Pinned, OneOfThisBuildIsAdopted) {
  EXPECT_TRUE(check_pinned(good_facts()).has_value());
  EXPECT_TRUE(check_page(*good_page()).has_value());
  EXPECT_TRUE(check_flags(*good_page(), MUS_CONFIG_IDLE_DIRECT).has_value());
}

TEST(Pinned, EachFactThatDiffersIsRefusedInWords) {
  struct Case {
    const char* words;
    std::function<void(PinnedFacts&)> change;
  };
  const Case cases[] = {
      {"not of mus", [](PinnedFacts& f) { f.abi.magic = 0; }},
      {"version", [](PinnedFacts& f) { f.abi.version = MUS_ABI_VERSION + 1; }},
      {"sizes", [](PinnedFacts& f) { f.abi.event_bytes += 8; }},
      {"sizes", [](PinnedFacts& f) { f.abi.decision_bytes = 0; }},
      {"sizes", [](PinnedFacts& f) { f.abi.shared_bytes -= 64; }},
      {"sizes", [](PinnedFacts& f) { f.abi.cgroup_bytes = 4; }},
      {"shapes", [](PinnedFacts& f) { f.events.type = BPF_MAP_TYPE_ARRAY; }},
      {"shapes", [](PinnedFacts& f) { f.events.entries = 12345; }},
      {"shapes", [](PinnedFacts& f) { f.decisions.type = BPF_MAP_TYPE_RINGBUF; }},
      {"shapes", [](PinnedFacts& f) { f.decisions.entries = 1u << 31; }},
      {"shapes", [](PinnedFacts& f) { f.cgroups.key_bytes = 4; }},
      {"shapes", [](PinnedFacts& f) { f.cgroups.value_bytes = 8; }},
      {"shapes", [](PinnedFacts& f) { f.shared.value_bytes = 4096; }},
      {"shapes", [](PinnedFacts& f) { f.exit_dump.value_bytes = 8; }},
      {"shapes", [](PinnedFacts& f) { f.exit_dump = {}; }},
  };
  for (const Case& c : cases) {
    PinnedFacts facts = good_facts();
    c.change(facts);
    auto checked = check_pinned(facts);
    ASSERT_FALSE(checked.has_value()) << c.words;
    EXPECT_NE(checked.error().what.find(c.words), std::string::npos) << checked.error().what;
    EXPECT_EQ(checked.error().exit_code, kExitBusy);
  }
}

TEST(Pinned, EachPageThatIsNoUseIsRefusedInWords) {
  struct Case {
    const char* words;
    std::function<void(mus_shared&)> change;
  };
  const Case cases[] = {
      {"version", [](mus_shared& p) { p.magic = 1; }},
      {"version", [](mus_shared& p) { p.version = 999; }},
      {"ended", [](mus_shared& p) { p.exit.kind = 64; }},
      {"damaged", [](mus_shared& p) { p.cpu_count = 0; }},
      {"damaged", [](mus_shared& p) { p.cpu_count = MUS_MAX_CPUS + 1; }},
      {"damaged", [](mus_shared& p) { p.shard_count = 0; }},
      {"damaged", [](mus_shared& p) { p.shard_count = 0xffffffff; }},
      {"damaged", [](mus_shared& p) { p.cpus[1].shard = 2; }},
  };
  for (const Case& c : cases) {
    auto page = good_page();
    c.change(*page);
    auto checked = check_page(*page);
    ASSERT_FALSE(checked.has_value()) << c.words;
    EXPECT_NE(checked.error().what.find(c.words), std::string::npos) << checked.error().what;
  }
}

TEST(Pinned, WhatWasSettledWhenItWasLoadedIsNotChanged) {
  auto page = good_page();
  auto words = [&](std::uint32_t flags) { return check_flags(*page, MUS_CONFIG_IDLE_DIRECT | flags).error().what; };
  EXPECT_NE(words(MUS_CONFIG_PARTIAL).find("--partial"), std::string::npos);
  EXPECT_NE(words(MUS_CONFIG_DFL_CGROUPS).find("--cgroup-files"), std::string::npos);
  page->flags |= MUS_CONFIG_PARTIAL;
  EXPECT_TRUE(check_flags(*page, MUS_CONFIG_IDLE_DIRECT | MUS_CONFIG_PARTIAL).has_value());
  EXPECT_FALSE(check_flags(*page, MUS_CONFIG_IDLE_DIRECT).has_value());
}

TEST(Pinned, DaemonIsNamedAsFarAsThePageCanBeBelieved) {
  auto page = good_page();
  EXPECT_EQ(daemon_text(*page), "") << "none";
  page->daemon_tgid = 812;
  EXPECT_EQ(daemon_text(*page), "pid 812");
  std::strcpy(page->daemon.version, "0.1.0+gabc");
  EXPECT_EQ(daemon_text(*page), "pid 812, version 0.1.0+gabc");
  std::memset(page->daemon.version, '\x1b', sizeof(page->daemon.version));
  EXPECT_EQ(daemon_text(*page), "pid 812") << "nothing that a terminal would obey";
  std::memset(page->daemon.version, 'v', sizeof(page->daemon.version));
  EXPECT_EQ(daemon_text(*page), "pid 812, version " + std::string(sizeof(page->daemon.version), 'v'));
  page->version = 2;
  EXPECT_EQ(daemon_text(*page), "");
}

}  // namespace
}  // namespace mus
