// SPDX-License-Identifier: GPL-2.0-only
#include <mus/abi.h>

#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <type_traits>

#include "abi_layout.h"

namespace {

#define NUMBER(e) {#e, static_cast<unsigned long long>(e)},
#define SIZE(type) {"sizeof " #type, sizeof(struct type)},
#define AT(type, field) {#type "." #field, offsetof(struct type, field)},
constexpr mus_abi_number kNumbers[] = {MUS_ABI_NUMBERS(NUMBER, SIZE, AT)};
#undef NUMBER
#undef SIZE
#undef AT

TEST(Abi, CAndCppSeeTheSameLayoutAndValues) {
  ASSERT_EQ(std::size(kNumbers), mus_abi_c_number_count);
  for (std::size_t i = 0; i < mus_abi_c_number_count; ++i) {
    EXPECT_STREQ(kNumbers[i].name, mus_abi_c_numbers[i].name);
    EXPECT_EQ(kNumbers[i].value, mus_abi_c_numbers[i].value) << kNumbers[i].name;
  }
}

// Every bit of a record is some field's: nothing of the writer's memory leaks, and records can be compared as bytes.
template <typename T>
class AbiRecord : public testing::Test {};
using Records = testing::Types<mus_event, mus_decision, mus_counters, mus_cpu, mus_shard, mus_cgroup, mus_exit,
                               mus_abi_info, mus_call, mus_daemon, mus_shared>;
TYPED_TEST_SUITE(AbiRecord, Records);

TYPED_TEST(AbiRecord, HasNoPadding) { EXPECT_TRUE(std::has_unique_object_representations_v<TypeParam>); }
TYPED_TEST(AbiRecord, IsPlainMemory) {
  EXPECT_TRUE(std::is_trivially_copyable_v<TypeParam>);
  EXPECT_TRUE(std::is_standard_layout_v<TypeParam>);
}
TYPED_TEST(AbiRecord, IsAMultipleOfEightBytes) { EXPECT_EQ(sizeof(TypeParam) % 8, 0u); }

TEST(Abi, RecordsOfTheRingsKeepTheirSizes) {
  EXPECT_EQ(sizeof(mus_event), 96u);
  EXPECT_EQ(sizeof(mus_decision), 80u);
}

TEST(Abi, SharedArraysStartOnACacheLine) {
  EXPECT_EQ(offsetof(mus_shared, daemon) % 64, 0u);
  EXPECT_EQ(offsetof(mus_shared, shards) % 64, 0u);
  EXPECT_EQ(offsetof(mus_shared, cpus) % 64, 0u);
  EXPECT_EQ(offsetof(mus_cpu, counters) % 64, 0u);
  EXPECT_EQ(sizeof(mus_cpu) % 64, 0u);
  EXPECT_EQ(sizeof(mus_shard) % 64, 0u);
}

// commit.bpf.h indexes the counters with a mask, for the verifier.
TEST(Abi, RefusalsAreAPowerOfTwo) { EXPECT_TRUE(std::has_single_bit(static_cast<unsigned>(MUS_REFUSALS))); }

TEST(Abi, EveryEventKindHasABitInTheMask) { EXPECT_LT(MUS_EVENT_KINDS, 32); }

TEST(Abi, FlagMasksCoverTheFlags) {
  EXPECT_EQ(MUS_DECIDE_MOVE | MUS_DECIDE_STANDING | MUS_DECIDE_URGENT, MUS_DECIDE_FLAGS);
}

TEST(Abi, SlicesAreInOrder) {
  EXPECT_LT(MUS_SLICE_MIN_NS, MUS_SLICE_MAX_NS);
  EXPECT_LE(MUS_SLICE_MAX_NS, 1000000000u) << "the kernel's watchdog gives up after seconds";
}

TEST(Abi, MagicReadsAsText) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(MUS_ABI_MAGIC >> shift & 0xff);
  EXPECT_EQ(text, "MUS!");
}

}  // namespace
